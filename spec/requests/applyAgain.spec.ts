import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences } from '../support/judges/fingerprint.ts';
import { textFiles } from '../support/textFiles.ts';
import { type InProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';
import { pointer, startingTrees } from '../support/trees/startingTrees.ts';

const state = 'var/lib/kata-sysext';

interface Report {
  state: string;
  code?: string;
  generation?: number;
  failed?: string[];
}

describe('apply on a node that is not as it was left', function () {
  this.timeout(300_000);
  const texts = textFiles();
  const { bare, installed } = startingTrees();
  let first: string;
  let second: string;
  before(async () => {
    ({ first, second } = await plainReleases());
  });

  function request(name: string, more: object): string {
    const path = join(texts.folder, `${name}.json`);
    writeFileSync(path, JSON.stringify({ apiVersion: 'kata-sysext/v1', kind: 'Request', mode: 'install', ...more }));
    return path;
  }
  const of = (from: string) => request('install', { bundles: [{ from }] });
  const going = () => request('uninstall', { mode: 'uninstall' });
  const apply = async (host: InProcessTree, file: string, env?: Record<string, string>): Promise<Report> =>
    JSON.parse((await host.run(['apply', file, '--json', '--progress', 'none'], env)).stdout) as Report;

  const lefts: [what: string, make: () => Promise<InProcessTree>][] = [
    [
      'an uninstall that was interrupted',
      async () => {
        const host = installed();
        // The journal as a loss of power leaves it: without its commit, after the steps.
        await host.run(['uninstall'], { KATA_SYSEXT_FAILPOINT: 'commit/before=error,undo/pointer/before=error' });
        return host;
      },
    ],
    [
      'a generation that only waits',
      async () => {
        const host = bare();
        await host.json(['install', first, '--stage']);
        return host;
      },
    ],
    [
      'no pointer',
      async () => {
        const host = installed();
        rmSync(host.path(pointer));
        return host;
      },
    ],
  ];
  for (const [what, make] of lefts)
    it(`${what}: the request to uninstall is done once nothing is left`, async () => {
      const host = await make();

      const report = await apply(host, going());

      assert.equal(report.state, 'done');
      assert.equal(existsSync(host.path(`${state}/generations`)), false);
      assert.doesNotMatch(readFileSync(host.path('etc/containerd/config.toml'), 'utf8'), /kata-sysext/);
    });

  it('an uninstall that fails is remembered, and tried once', async () => {
    const host = bare();
    await apply(host, of(first));
    const config = host.path('etc/containerd/config.toml');
    renameSync(config, `${config}.away`);
    mkdirSync(config);

    const states: string[] = [];
    const memories: number[] = [];
    for (let run = 0; run < 3; run += 1) {
      states.push((await apply(host, going())).state);
      const { attempts } = JSON.parse(readFileSync(host.path(`${state}/requests.json`), 'utf8')) as { attempts: unknown[] };
      memories.push(attempts.length);
    }

    assert.deepEqual([states, memories], [Array(3).fill('failed'), Array(3).fill(2)]);
  });

  it('an uninstall that failed is tried again once an install was done after it', async () => {
    const host = bare();
    await apply(host, of(first));
    const failed = await apply(host, going(), { KATA_SYSEXT_FAILPOINT: 'commit/before=error' });
    const refused = await apply(host, going());
    const other = await apply(host, of(first));

    const gone = await apply(host, going());

    assert.deepEqual([failed.state, refused.state, other.state, gone.state], ['failed', 'failed', 'done', 'done']);
    assert.equal(existsSync(host.path(`${state}/generations`)), false);
  });

  it('goes back by the archive where the generation of then is damaged', async () => {
    const host = bare();
    await apply(host, of(first));
    await apply(host, of(second));
    const folder = 'var/usrlocal/libexec/kata-sysext/generations/1/config/kata-qemu-runtime-rs';
    rmSync(host.path(`${folder}/configuration.toml`));

    const report = await apply(host, of(first));

    assert.deepEqual([report.state, report.generation], ['done', 3]);
  });

  it('does not go back to a generation that a boot went back from, before a higher retry', async () => {
    const host = bare();
    await apply(host, of(first));
    await apply(host, of(second));
    await host.json(['rollback']);
    const record = host.path(`${state}/generations/2/record.json`);
    writeFileSync(record, readFileSync(record, 'utf8').replace(/"state": "[a-z]+"/, '"state": "failed"'));

    const report = await apply(host, of(second));
    const again = await apply(host, request('install', { bundles: [{ from: second }], retry: 1 }));

    assert.deepEqual([report.state, report.code, report.failed?.length], ['failed', 'gate-failed', 1]);
    assert.deepEqual([again.state, again.generation], ['done', 3]);
  });

  it('what is wrong with its words is no failure that holds the next request', async () => {
    const host = bare();
    const wrong = await apply(host, request('wrong', { bundles: [{ from: first }], profiles: ['nope'] }));

    const right = await apply(host, of(first));

    assert.equal(wrong.code, 'profile-unknown');
    assert.equal(right.state, 'done');
  });

  it('leaves nothing that an uninstall calls a file of others', async () => {
    const host = bare();
    const before = host.listing();
    await apply(host, of(first));

    const change = await host.json(['uninstall', '--purge']);

    assert.deepEqual(change['findings'], []);
    assert.deepEqual(differences(before, host.listing()), []);
    assert.equal(existsSync(host.path(state)), false);
  });
});
