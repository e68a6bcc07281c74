import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KataError } from '../../cli/errors/index.ts';
import { kubeconfigAccess } from '../../cli/fleet/kubeconfig.ts';
import { authority } from '../support/tlsServer.ts';
import { scratch } from '../support/trees/treeHost.ts';

const cluster = (name: string, server: string, more: object = {}) => ({ name, cluster: { server, ...more } });
const user = (name: string, more: object = { token: `of-${name}` }) => ({ name, user: more });
const context = (name: string, clusterName: string, userName: string) => ({ name, context: { cluster: clusterName, user: userName } });
const apiVersion = 'client.authentication.k8s.io/v1';
const credential = JSON.stringify({ apiVersion, kind: 'ExecCredential', status: { token: 'of-plugin' } });

describe('the files of KUBECONFIG', () => {
  let folder: string;
  beforeEach(() => {
    folder = scratch('kubeconfig');
  });

  function put(name: string, config: object, place = folder): string {
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, name), JSON.stringify(config), { mode: 0o600 });
    return join(place, name);
  }
  const program = (name: string, lines: string[]) => {
    writeFileSync(join(folder, name), `${['#!/bin/sh', ...lines].join('\n')}\n`);
    chmodSync(join(folder, name), 0o755);
    return join(folder, name);
  };
  const whole = (server: string, more: object = { token: 'of-anna' }) => ({
    clusters: [cluster('k', server)],
    users: [user('anna', more)],
    contexts: [context('c', 'k', 'anna')],
    'current-context': 'c',
  });
  const access = (paths: string[], options: { waitMs?: number; signal?: AbortSignal } = {}) =>
    kubeconfigAccess({ named: undefined, env: { KUBECONFIG: paths.join(':') }, cwd: '/' }, options.signal, options.waitMs);
  const found = async (...paths: string[]) => {
    const { server, headers } = await access(paths);
    return [server, typeof headers === 'object' ? headers['authorization'] : undefined];
  };
  const refusal = (path: string, options = {}) =>
    access([path], options).then(
      () => assert.fail('accepted'),
      (error: KataError) => error.complaint,
    );

  it('give the first current context, in whichever file it is', async () => {
    const { 'current-context': current, ...rest } = whole('https://a:1');
    const [one, other] = [put('one', rest), put('other', { 'current-context': current })];

    const forwards = await found(one, other);
    const backwards = await found(other, one);

    assert.deepEqual([forwards, backwards], Array(2).fill(['https://a:1', 'Bearer of-anna']));
  });

  it('give the first entry of each name, with nothing of a later one', async () => {
    const one = put('one', whole('https://a:1'));
    const other = put('other', {
      ...whole('https://b:2', { token: 'of-another', username: 'x', password: 'y' }),
      'current-context': 'other',
    });

    assert.deepEqual(await found(one, other), ['https://a:1', 'Bearer of-anna']);
    assert.deepEqual(await found(other.replace('other', 'away'), one, one), ['https://a:1', 'Bearer of-anna']);
  });

  it('may be empty', async () => {
    const empty = join(folder, 'empty');
    writeFileSync(empty, '', { mode: 0o600 });

    assert.deepEqual(await found(empty, put('one', whole('https://a:1'))), ['https://a:1', 'Bearer of-anna']);
  });

  it('name their certificates, tokens and plugins from their own folders', async () => {
    const [inner, outer] = [join(folder, 'inner'), join(folder, 'outer')];
    const one = put('one', { clusters: [cluster('k', 'https://a:1', { 'certificate-authority': 'ca.pem' })] }, inner);
    const other = put('other', { ...whole('https://b:2', { tokenFile: 'token' }), clusters: [] }, outer);
    writeFileSync(join(inner, 'ca.pem'), readFileSync(authority));
    writeFileSync(join(outer, 'token'), 'of-file\n');
    program('plugin', [`echo '${credential}'`]);
    const third = put('third', whole('https://c:3', { exec: { apiVersion, command: './plugin', interactiveMode: 'Never' } }));

    const { tls } = await access([one, other]);

    assert.deepEqual(tls.ca, readFileSync(authority));
    assert.deepEqual(await found(one, other), ['https://a:1', 'Bearer of-file']);
    assert.deepEqual(await found(third), ['https://c:3', 'Bearer of-plugin']);
  });

  it('give the token in place of a token file that is away, and without one are refused', async () => {
    const both = put('both', whole('https://a:1', { token: 'of-anna', tokenFile: 'away' }));
    const one = put('one', whole('https://a:1', { tokenFile: 'my token' }));

    assert.deepEqual(await found(both), ['https://a:1', 'Bearer of-anna']);
    const { found: said, next } = await refusal(one);
    assert.match(said, /the token file \S+\/my token cannot be used \(ENOENT\)$/);
    assert.equal(next, `ls -lL '${join(folder, 'my token')}'`);
  });

  it('that others may change are refused with the command that ends that', async () => {
    const path = put('my config', whole('https://a:1'));
    chmodSync(path, 0o666);

    const { next } = await refusal(path);

    assert.equal(next, `read it, and then: chmod go-w '${path}'`);
  });

  const plugin = (lines: string[]) =>
    put('config', whole('https://a:1', { exec: { apiVersion, command: program('plugin', lines), interactiveMode: 'Never' } }));
  /** The plugin and what it started. */
  const hanging = () =>
    plugin([`sleep 237 & echo $$ $! >${join(folder, 'started.new')}; mv ${join(folder, 'started.new')} ${pids()}; wait`]);
  const pids = () => join(folder, 'started');
  async function ended(): Promise<boolean> {
    const each = readFileSync(pids(), 'utf8').trim().split(' ');
    for (let tries = 0; tries < 100; tries++) {
      // A zombie waits for its parent, and runs no more.
      if (each.every((pid) => !existsSync(`/proc/${pid}/exe`) || /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))))
        return true;
      await sleep(50);
    }
    return false;
  }

  it('may name a plugin that reads its input, which is empty', async () => {
    assert.deepEqual(await found(plugin(['cat', `echo '${credential}'`])), ['https://a:1', 'Bearer of-plugin']);
  });

  it('may name a plugin that hangs: it is ended with all that it started', async () => {
    const { found: said } = await refusal(hanging(), { waitMs: 1000 });

    assert.match(said, /credentials of the current context cannot be had \(nothing within 1 s\)$/);
    assert.ok(await ended());
  });

  it('may name a plugin that is ended when the command is asked to stop', async () => {
    const stop = new AbortController();
    const asked = access([hanging()], { signal: stop.signal });
    for (let tries = 0; tries < 100 && !existsSync(pids()); tries++) await sleep(50);
    stop.abort(new Error('stopped'));

    await assert.rejects(asked, { message: 'stopped' });
    assert.ok(await ended());
  });
});
