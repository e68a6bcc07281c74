import assert from 'node:assert/strict';
import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { differences } from '../support/judges/fingerprint.ts';
import { treeNames } from '../support/trees/hostTrees.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';
import { payloadOf, pointer, startingTrees, targetOf } from '../support/trees/startingTrees.ts';

const config = 'etc/containerd/config.toml';
const shimPath = 'runtime-rs/bin/containerd-shim-kata-v2';

function configurationOf(host: InProcessTree, handler: string): string {
  return readFileSync(`${targetOf(host, host.path(pointer))}/config/${handler}/configuration.toml`, 'utf8');
}

describe('operations on an offline tree', function () {
  this.timeout(300_000);
  const { bare, installed, keep } = startingTrees();
  let first: string;
  let second: string;
  let go: string;

  before(async () => {
    ({ first, second, go } = await plainReleases());
  });

  for (const name of treeNames) {
    it(`${name}: uninstall --purge leaves every path, byte and mode as it was before install`, async () => {
      const host = keep(inProcessTree(name));
      const before = host.listing();

      await host.json(['install', first, go]);
      const between = host.listing();
      await host.json(['uninstall', '--purge']);

      assert.notDeepEqual(between, before);
      assert.deepEqual(differences(before, host.listing()), []);
      assert.equal(statSync(host.path('var/lib/kata-sysext'), { throwIfNoEntry: false }), undefined);
    });
  }

  it('rollback passes over a generation that failed, and status marks the same one', async () => {
    const host = bare();
    const mark = (number: number, state: string) => {
      const path = host.path(`var/lib/kata-sysext/generations/${number}/record.json`);
      writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), state }));
    };
    await host.json(['install', first]);
    await host.json(['install', second]);
    await host.json(['install', first, '--alias', 'kata=kata-qemu-runtime-rs']);
    mark(2, 'failed');

    const marked = (await host.run(['status'])).stdout.match(/^◦ (\d+)/m)?.[1];
    const back = await host.json(['rollback']);
    mark(3, 'failed');
    const refused = await host.json(['rollback'], 3);
    const unmarked = (await host.run(['status'])).stdout.match(/^◦ (\d+)/m);

    assert.deepEqual([marked, back['to'], unmarked], ['1', 1, null]);
    assert.match(`${refused['found']}`, /^generations 3, 2 were active before 1, and failed$/);
    assert.match(`${refused['next']}`, /^to go back to a host without Kata: kata-sysext uninstall/);
  });

  it("install only inserts into the engine's file, and keeps its mode", async () => {
    const host = bare();
    const before = readFileSync(host.path(config), 'utf8');

    await host.json(['install', first]);

    const after = readFileSync(host.path(config), 'utf8');
    const start = [...before].findIndex((char, at) => char !== after[at]);
    const at = start < 0 ? before.length : start;
    const own = after.slice(at, at + after.length - before.length);
    assert.equal(after.slice(0, at) + after.slice(at + own.length), before);
    assert.match(own, /runtimes\.kata-qemu-runtime-rs\]/);
    assert.equal(statSync(host.path(config)).mode & 0o7777, 0o640);
  });

  it('install --dry-run prints the plan and writes nothing', async () => {
    const host = bare();
    const before = host.listing();

    const plan = await host.json(['install', first, '--dry-run']);

    assert.equal(plan['kind'], 'Plan');
    assert.deepEqual(differences(before, host.listing()), []);
  });

  it('an upgrade turns the pointer and leaves the wiring as it is', async () => {
    const host = bare();
    await host.json(['install', first]);
    const wired = readFileSync(host.path(config), 'utf8');

    const change = await host.json(['install', second]);

    assert.deepEqual([change['from'], change['to'], change['restarted']], [1, 2, []]);
    assert.match(readlinkSync(host.path(pointer)), /\/generations\/2$/);
    assert.equal(readFileSync(host.path(config), 'utf8'), wired);
  });

  it('an upgrade and a rollback together leave what was active, byte for byte', async () => {
    const host = bare();
    await host.json(['install', first]);
    const [text, shim] = [readFileSync(host.path(config), 'utf8'), readFileSync(`${payloadOf(host)}/${shimPath}`, 'utf8')];

    await host.json(['install', second]);
    const change = await host.json(['rollback']);

    assert.deepEqual([change['from'], change['to']], [2, 1]);
    assert.equal(readFileSync(host.path(config), 'utf8'), text);
    assert.equal(readFileSync(`${payloadOf(host)}/${shimPath}`, 'utf8'), shim);
  });

  it('rollback twice returns, and rollback --to names a generation', async () => {
    const host = installed();

    const back = await host.json(['rollback']);
    const again = await host.json(['rollback']);
    const named = await host.json(['rollback', '--to', '1']);

    assert.deepEqual([back['to'], again['to'], named['to']], [1, 2, 1]);
  });

  it('a repeated install changes no path', async () => {
    const host = installed();
    const before = host.listing();

    const change = await host.json(['install', second]);

    assert.deepEqual([change['changed'], change['bytesWritten']], [false, 0]);
    assert.deepEqual(differences(before, host.listing()), []);
  });

  it('install --stage leaves the active generation alone until activate', async () => {
    const host = bare();
    await host.json(['install', first]);

    const staged = await host.json(['install', second, '--stage']);
    const still = readlinkSync(host.path(pointer));
    const change = await host.json(['activate']);

    assert.equal(staged['to'], 2);
    assert.match(still, /\/generations\/1$/);
    assert.equal(change['to'], 2);
    assert.match(readlinkSync(host.path(pointer)), /\/generations\/2$/);
  });

  it('configure writes a setting and a profile into a generation of its own; --unset takes the setting back', async () => {
    const host = installed();

    const set = await host.json(['configure', '--set', 'default_memory=4096', '--profile', 'debug']);
    const configured = configurationOf(host, 'kata-qemu-runtime-rs');
    await host.json(['configure', '--unset', 'default_memory', '--profile', 'none']);

    assert.equal(set['to'], 3);
    assert.match(configured, /^default_memory = 4096$/m);
    assert.match(configured, /^enable_debug = true$/m);
    assert.doesNotMatch(configurationOf(host, 'kata-qemu-runtime-rs'), /^default_memory = 4096$/m);
  });

  it('handlers come with --add-handler, get an alias, and go with uninstall --handler', async () => {
    const host = bare();
    await host.json(['install', first]);

    await host.json(['install', first, go, '--add-handler', 'qemu', '--alias', 'kata=qemu']);
    const wired = readFileSync(host.path(config), 'utf8');
    await host.json(['uninstall', '--handler', 'qemu', '--handler', 'kata']);
    const fewer = readFileSync(host.path(config), 'utf8');

    for (const name of ['kata', 'kata-qemu', 'kata-qemu-runtime-rs']) assert.ok(wired.includes(`runtimes.${name}]`), name);
    assert.ok(!fewer.includes('runtimes.kata]') && !fewer.includes('runtimes.kata-qemu]'));
    assert.ok(fewer.includes('runtimes.kata-qemu-runtime-rs]'));
  });

  it('gc removes what is neither active nor previous nor pinned, and a pin keeps it', async () => {
    const host = installed();
    await host.json(['configure', '--set', 'default_memory=4096']);

    await host.json(['pin', '1']);
    const kept = await host.json(['gc', '--keep', '0']);
    await host.json(['unpin', '1']);
    await host.json(['gc', '--keep', '0']);

    assert.equal(kept['changed'], false);
    assert.deepEqual(readdirSync(host.path('var/lib/kata-sysext/generations')).sort(), ['2', '3']);
  });

  it('uninstall leaves an edit that another program made meanwhile', async () => {
    const host = bare();
    await host.json(['install', first]);
    const edited = readFileSync(host.path(config), 'utf8').replace('sandbox_image = "pause:3.10"', 'sandbox_image = "pause:3.11"');
    writeFileSync(host.path(config), edited);

    await host.json(['uninstall']);

    const left = readFileSync(host.path(config), 'utf8');
    assert.match(left, /sandbox_image = "pause:3\.11"/);
    assert.doesNotMatch(left, /kata/);
  });

  const refused: [what: string, args: () => string[], status: number, code: string][] = [
    ['a handler that no release has', () => ['install', first, '--handler', 'qemuu'], 3, 'handler-unknown'],
    ['a handler that the bundle lacks', () => ['install', first, '--handler', 'qemu'], 4, 'bundle-lacks-handler'],
    ['a bundle that is not there', () => ['install', `${first}.missing`], 4, 'bundle-missing'],
    ['a digest that is another one', () => ['install', first, '--digest', '0'.repeat(64)], 4, 'bundle-digest'],
    ['a generation that is not there', () => ['rollback', '--to', '7'], 2, 'unknown-generation'],
    ['a setting that the release does not know', () => ['configure', '--set', 'default_memry=1'], 2, 'setting-unknown'],
    ['a profile that is not there', () => ['configure', '--profile', 'debugg'], 2, 'profile-unknown'],
  ];
  for (const [what, args, status, code] of refused)
    it(`${what} is refused, and no path changes`, async () => {
      const host = installed();
      const before = host.listing();

      const error = await host.json(args(), status);

      assert.equal(error['code'], code, JSON.stringify(error));
      assert.deepEqual(differences(before, host.listing()), []);
    });

  for (const point of ['step/file/journalled', 'step/pointer/after', 'commit/before', 'store/seal/between', 'store/generation/after'])
    it(`an error at ${point} leaves the tree as it was`, async () => {
      const host = bare();
      const before = host.listing();

      const error = await host.json(['install', first], 1, { KATA_SYSEXT_FAILPOINT: `${point}=error` });

      assert.equal(error['kind'], 'Error');
      const own = differences(before, host.listing()).filter((line) => !/^\+ var\/lib\/kata-sysext( |\/folders\.json )/.test(line));
      assert.deepEqual(own, []);
    });

  it('recover undoes a change that was cut off before its commit, and finishes one that was cut off after it', async () => {
    const [before, after] = [installed(), installed()];
    const wanted = before.listing();
    // An undo that fails itself leaves the change open, as a loss of power does.
    await before.run(['rollback'], { KATA_SYSEXT_FAILPOINT: 'commit/before=error,undo/pointer/before=error' });
    await after.run(['rollback'], { KATA_SYSEXT_FAILPOINT: 'commit/after=error' });
    const open = await before.json(['status']);

    const undone = await before.json(['recover']);
    const finished = await after.json(['recover']);

    assert.ok(JSON.stringify(open).includes('interrupted'));
    assert.deepEqual(
      [undone, finished].map(({ recovered }) => (recovered as { result: string }[]).map(({ result }) => result)),
      [['undone'], ['finished']],
    );
    assert.deepEqual(differences(wanted, before.listing()), []);
    assert.match(readlinkSync(after.path(pointer)), /\/generations\/1$/);
  });

  it('the pointer is a link, whatever else was there: a file in its place is refused', async () => {
    const host = installed();
    rmSync(host.path(pointer));
    writeFileSync(host.path(pointer), 'a file\n');

    const error = await host.json(['install', first], 3);

    assert.equal(error['kind'], 'Error');
    assert.ok(lstatSync(host.path(pointer)).isFile());
  });
});
