import assert from 'node:assert/strict';
import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../../cli/engines/docker/api.ts';
import { fatalIn, refuseFatal } from '../../cli/engines/docker/checks.ts';
import { pendingReloads } from '../../cli/engines/docker/pendingReloads.ts';
import type { Instance } from '../../cli/engines/types.ts';
import type { KataError } from '../../cli/errors/index.ts';
import { engineTree } from '../support/trees/engineTree.ts';

const shim = { runtimeType: '/opt/containerd-shim-kata-v2' };
const of = (runtime: unknown, name = 'k') => ({ runtimes: { [name]: runtime } });

/** What dockerd 26.1.5 said at its start: see docs/facts/docker.md. */
const rows: [string, Record<string, unknown>, RegExp | undefined][] = [
  ['path and runtimeType', of({ path: '/a', ...shim }), /path and runtimeType/],
  ['the same in another case', of({ PATH: '/a', ...shim }), /path and runtimeType/],
  ['neither', of({}), /neither/],
  ['empty texts', of({ path: '', runtimeType: '' }), /neither/],
  ['the reserved name', of(shim, 'runc'), /reserved/],
  ['an unknown default', { 'default-runtime': 'k' }, /default-runtime/],
  ['runtimeArgs beside runtimeType', of({ ...shim, runtimeArgs: ['x'] }), /runtimeArgs/],
  ['options beside path', of({ path: '/a', options: { a: 1 } }), /options beside path/],
  ['a number as ConfigPath', of({ ...shim, options: { ConfigPath: 7 } }), /ConfigPath is no text/],
  ['a handler that is no object', of('x'), /no object/],
  ['handlers that are no object', { runtimes: [] }, /no object/],
  ['nothing', {}, undefined],
  ['no handlers', { runtimes: null }, undefined],
  ['a default of the file', { ...of(shim), 'default-runtime': 'k' }, undefined],
  ['a default that is a type', { 'default-runtime': 'io.containerd.kata.v2' }, undefined],
  ['the stock default', { 'default-runtime': 'runc' }, undefined],
  ['empty runtimeArgs and options', of({ path: '/a', runtimeArgs: [], options: {} }), undefined],
  ['empty runtimeArgs beside runtimeType', of({ ...shim, runtimeArgs: [] }), undefined],
  ['an unknown key, an unknown option', of({ ...shim, foo: 1, options: { Nope: 7 } }), undefined],
];

describe('what keeps dockerd from starting', () => {
  for (const [what, value, why] of rows)
    it(`${what}: ${why === undefined ? 'nothing' : 'found'}`, () => {
      const found = fatalIn(value);

      if (why === undefined) assert.deepEqual(found, []);
      else assert.match(found.map((each) => each.why).join(), why);
    });
});

describe('what Docker’s refusals say to do', () => {
  it('names the unit that runs it', async () => {
    const [unit, path] = ['snap.docker.dockerd.service', '/etc/docker/daemon.json'];
    const nextOf = ({ complaint }: KataError) => complaint.next;

    const silent = await ask({ socket: '/nowhere.sock', unit, path: '/info', timeoutMs: 60_000, maxBytes: 10 }).catch(nextOf);
    const stopped = { engine: 'docker', configPath: path, unit };
    const running = { ...stopped, process: { pid: 1, startedMs: 0, binaryReplaced: false } };
    const refused = (instance: Instance) => () => refuseFatal({ path, now: '' }, of({}), instance);

    assert.equal(silent, `systemctl status ${unit}`);
    assert.throws(refused(running), (error: KataError) => nextOf(error) === `Repair ${path}, then: systemctl reload ${unit}`);
    assert.throws(refused(stopped), (error: KataError) => nextOf(error) === `Repair ${path}, then run the command again`);
  });

  it('is no reload for a file with a time to come, which none would bring the daemon behind', async () => {
    const tree = await engineTree({ '/etc/docker/daemon.json': '{}\n' });
    const process = { pid: 1, startedMs: Date.now() - 60_000, binaryReplaced: false };
    const instance: Instance = { engine: 'docker', configPath: '/etc/docker/daemon.json', process };
    const changed = await pendingReloads(tree.host, instance);
    const soon = Date.now() / 1000 + 3600;
    utimesSync(join(tree.root, instance.configPath), soon, soon);

    const toCome = await pendingReloads(tree.host, instance);

    assert.deepEqual(
      changed.map(({ code }) => code),
      ['engine-pending-edits'],
    );
    assert.deepEqual(toCome, []);
    await tree.remove();
  });

  it('names the line and the column of what it is about', () => {
    const texts: [text: string, place: string][] = [
      ['{\n  "runtimes": {\n    "k": {} }\n}\n', 'line 3, column 10'],
      ['{ "runtimes": [] }', 'line 1, column 15'],
      ['{ "debug": true,\n"default-runtime": "k" }', 'line 2, column 20'],
    ];
    for (const [now, place] of texts)
      assert.throws(
        () => refuseFatal({ path: '/d.json', now }, JSON.parse(now), { engine: 'docker', configPath: '/d.json' }),
        ({ complaint }: KataError) => complaint.found.includes(`(${place}): `),
      );
  });
});
