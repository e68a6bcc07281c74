import assert from 'node:assert/strict';
import { existsSync, lstatSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KataError } from '../../cli/errors/index.ts';
import { openHost } from '../../cli/host/index.ts';
import { planInstall } from '../../cli/operations/install.ts';
import type { InstallRequest } from '../../cli/planning/choices/types.ts';
import { runOperation } from '../../cli/runner/run.ts';
import { reservedRoom } from '../../cli/store/index.ts';
import { bothReleases } from '../support/archives/bothArchives.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { put } from '../support/trees/hostTrees.ts';
import { largeHost, mega } from '../support/trees/largeHost.ts';
import { onTmpfs, unmount } from '../support/trees/tmpfs.ts';
import type { TreeHost } from '../support/trees/treeHost.ts';

interface Row {
  what: string;
  bytes: number;
  fileSystem: string;
}

/** Bytes of the files below a folder. */
function bytesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => lstatSync(join(entry.parentPath, entry.name)))
    .reduce((sum, stats) => sum + (stats.isFile() ? stats.size : 0), 0);
}

describe('room on the disk', function () {
  this.timeout(600_000);
  const made = largeHost();
  let host: TreeHost;
  let first: string;
  let large: string;
  let folder: string;
  beforeEach(() => {
    ({ host, first, large, folder } = made);
  });

  it('plan and receipt count payload, generation, journal and reserved room, and the plan says where', async () => {
    const plan = await host.json(['install', first, '--dry-run']);
    const done = await host.json(['install', first]);

    const writes = plan['writes'] as Row[];
    const of = (what: string) => writes.filter((row) => row.what === what).reduce((sum, { bytes }) => sum + bytes, 0);
    const tree = host.path('var/lib/kata-sysext/tree');
    assert.equal(
      plan['bytesWritten'],
      writes.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    assert.equal(done['bytesWritten'], plan['bytesWritten']);
    assert.equal(of('payload'), bytesBelow(tree) + bytesBelow(host.path('var/lib/kata-sysext/payloads')));
    assert.equal(of('reserved room'), statSync(host.path('var/lib/kata-sysext/reserved-space')).size);
    assert.ok(of('journal') >= 128 * 1024 && of('generation') > 0 && of('wiring and units') > 0, JSON.stringify(writes));
    assert.ok(writes.every(({ fileSystem }) => fileSystem === '/'));
  });

  describe('the copy of the program', () => {
    const request = { digests: [undefined], handlers: [], dryRun: false, waitSeconds: 0, allow: [], engines: ['containerd@2.2'] };
    /** As the single file does it: its copy is kept on the host. */
    const change = (file: string, more: Partial<InstallRequest> = {}) =>
      runOperation(
        {
          host: openHost(host.root, {}),
          program: '9.9.9',
          programFile: file,
          emit: () => undefined,
          signal: new AbortController().signal,
          asked: { cause: 'install' },
        },
        'install',
        planInstall,
        { ...request, sources: [first], ...more },
      );

    it('is in plan and receipt of the change that brings it, and in no later one', async () => {
      const file = join(folder, 'program');
      writeFileSync(file, Buffer.alloc(7 * mega));

      const plan = await change(file, { dryRun: true });
      const done = await change(file);
      const later = await change(file, {
        dryRun: true,
        settings: { set: [{ key: 'default_memory', text: '3000' }], unset: [], profiles: undefined },
      });

      assert.ok(plan.kind === 'Plan' && done.kind === 'Change' && later.kind === 'Plan');
      const copies = ({ writes }: { writes: Row[] }) => writes.filter(({ what }) => what === 'program').map(({ bytes }) => bytes);
      assert.deepEqual([copies(plan.plan), copies(later.plan)], [[7 * mega], []]);
      assert.equal(done.change.bytesWritten, plan.plan.bytesWritten);
      assert.equal(statSync(host.path('var/lib/kata-sysext/bin/9.9.9/kata-sysext')).size, 7 * mega);
    });

    it('has to fit as well, before anything is unpacked', async () => {
      const file = join(folder, 'huge');
      writeFileSync(file, '');
      truncateSync(file, 100 * mega);
      const path = onTmpfs(host, 'var', 64 * mega);
      const before = host.fingerprint();

      const refused = await change(file).then(
        () => undefined,
        (error: unknown) => error,
      );

      const after = host.fingerprint();
      unmount(path);
      assert.ok(refused instanceof KataError && refused.code === 'host-space' && refused.exitCode === 3, String(refused));
      assert.deepEqual(differences(before, after), []);
    });
  });

  it('check names the parts of the plan, none of them smaller, and the reserved room is the same', async () => {
    const bundles = await bothReleases();

    for (const args of [[first], [large], [...bundles.first, '--handler', 'qemu', '--handler', 'clh']]) {
      const checked = await host.json(['check', ...args]);
      const plan = await host.json(['install', ...args, '--dry-run']);

      const [expected, planned] = [checked, plan].map(({ writes }) => writes as Row[]) as [Row[], Row[]];
      const sum = (rows: Row[], names: string[]) =>
        rows.filter(({ what }) => names.includes(what)).reduce((all, { bytes }) => all + bytes, 0);
      // What is unpacked and dropped again is staging in the plan, and part of the payload before.
      const pairs = [['payload', 'staging'], ['generation'], ['journal'], ['wiring and units']];
      for (const names of pairs) assert.ok(sum(expected, names) >= sum(planned, names), `${names}: ${JSON.stringify([expected, planned])}`);
      assert.ok(sum(expected, ['payload']) >= sum(planned, ['payload']), JSON.stringify([expected, planned]));
      assert.deepEqual([sum(expected, ['reserved room']), sum(planned, ['reserved room'])], [512 << 10, 512 << 10]);
    }
    bundles.remove();
  });

  it('room is reserved, planned and counted only where 8 MiB stay free', async () => {
    const path = onTmpfs(host, 'var', 7 * mega);

    const plan = await host.json(['install', first, '--dry-run']);
    const done = await host.json(['install', first]);
    const checked = await host.json(['check', first]);

    const small = existsSync(host.path('var/lib/kata-sysext/reserved-space'));
    unmount(path);
    const reserved = [plan, checked].flatMap(({ writes }) => (writes as Row[]).filter(({ what }) => what === 'reserved room'));
    assert.deepEqual([small, reserved], [false, []]);
    assert.equal(done['bytesWritten'], plan['bytesWritten']);
    assert.deepEqual(
      [16 * mega, 8 << 20, (8 << 20) - 1].map((freeBytes) => reservedRoom({ there: false, freeBytes })),
      [512 << 10, 512 << 10, 0],
    );
    assert.equal(reservedRoom({ there: true, freeBytes: 16 * mega }), 0);
  });

  it('room for the guard comes with a later change, and is in its plan', async () => {
    const path = onTmpfs(host, 'var', 16 * mega);
    put(host.root, 'var/filler', Buffer.alloc(9 * mega));
    await host.json(['install', first]);
    rmSync(host.path('var/filler'));

    const plan = await host.json(['configure', '--set', 'default_memory=3000', '--dry-run']);
    const before = existsSync(host.path('var/lib/kata-sysext/reserved-space'));
    const done = await host.json(['configure', '--set', 'default_memory=3000']);
    const after = existsSync(host.path('var/lib/kata-sysext/reserved-space'));

    unmount(path);
    const rows = (plan['writes'] as Row[]).filter(({ what }) => what === 'reserved room');
    assert.deepEqual([before, rows.map(({ bytes }) => bytes), after], [false, [512 << 10], true]);
    assert.equal(done['bytesWritten'], plan['bytesWritten']);
  });

  it('a repeated install writes nothing, and a rollback no payload', async () => {
    await host.json(['install', first]);
    await host.json(['install', first, '--set', 'default_memory=3000']);

    const again = await host.json(['install', first, '--dry-run']);
    const back = await host.json(['rollback', '--dry-run']);

    const rows = (plan: Record<string, unknown>) => (plan['writes'] as Row[]).map(({ what }) => what);
    assert.deepEqual([again['bytesWritten'], again['writes']], [0, []]);
    assert.ok(!rows(back).includes('payload') && rows(back).includes('journal'), JSON.stringify(back));
  });
});
