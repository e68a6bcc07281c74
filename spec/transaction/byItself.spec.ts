import assert from 'node:assert/strict';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '../../cli/host/index.ts';
import { bringUp, restartedBy, restartOf } from '../../cli/steps/units.ts';
import { kindOf } from '../../cli/transaction/stepKinds.ts';
import { type ScriptedSystemd, scriptedSystemd } from '../support/scriptedSystemd.ts';
import { type EngineTree, treesOfSpec } from '../support/trees/engineTree.ts';

const unit = 'k0sworker.service';
const program = '/var/lib/k0s/bin/containerd';
const watches = '/etc/k0s/containerd.d';
const effect = { by: 'itself', program, watches } as const;
const bootMs = 1_700_000_000_000;

describe('an engine that restarts by itself after a change', () => {
  const treeOf = treesOfSpec();

  /** The parent (12) and its child, whose start is counted from the boot, 1000 s ago. */
  async function nodeWith(childStartedMs: number, { systemd }: ScriptedSystemd) {
    const tree = await treeOf({ '/proc/uptime': '1000.00 1000.00\n', [`${watches}/kata-sysext.toml`]: '' });
    mkdirSync(join(tree.root, 'proc/12/task/12'), { recursive: true });
    await start(tree, childStartedMs);
    const host = { ...tree.host, live: true, now: () => new Date(bootMs + 1_000_000), systemd: async () => systemd } as unknown as Host;
    return { tree, host };
  }

  /** Another child takes the place of the one that was there. */
  async function start(tree: EngineTree, startedMs: number): Promise<void> {
    rmSync(join(tree.root, 'proc/13'), { recursive: true, force: true });
    await tree.write('/proc/13/stat', `13 (containerd) S 12${' 0'.repeat(17)} ${startedMs / 10} 0\n`);
    await tree.write('/proc/13/status', 'Uid:\t0\t0\t0\t0\n');
    await tree.write('/proc/13/cmdline', `${program}\0`);
    symlinkSync(program, join(tree.root, 'proc/13/exe'));
    await tree.write('/proc/12/task/12/children', '13 ');
  }

  /** The host, on which the folder and the file in it have these times of their last change. No program can set them. */
  function changedAt(host: Host, folderMs: number, fileMs: number): Host {
    const lstat = async (path: string) => {
      const stat = await host.lstat(path);
      return stat && { ...stat, changedMs: bootMs + (path === watches ? folderMs : fileMs) };
    };
    return { ...host, lstat };
  }

  it('the step asks for nothing, waits, and says whose program it waits for', async () => {
    const scripted = scriptedSystemd(() => ({ mainPid: 12, requiredBy: ['kubelet.service'] }), { active: ['kubelet.service'] });
    const { tree, host } = await nodeWith(10_000, scripted);
    let looks = 0;
    // The parent needs some looks to see the change.
    const readText = async (path: string) => {
      if (path === '/proc/13/stat' && ++looks === 3) await start(tree, 508_000);
      return host.readText(path);
    };

    const step = await restartOf(host, scripted.systemd, { unit, effect });
    const { problems } = await bringUp(changedAt({ ...host, readText } as Host, 400_000, 500_000), step);

    assert.deepEqual([step.by, step.itself, step.dependents], ['itself', { program, watches }, []]);
    assert.deepEqual([problems, scripted.calls, restartedBy(step)], [[], [], []]);
    assert.ok(looks >= 3, `${looks} looks`);
    assert.equal(kindOf(step).describe(step), `wait until ${unit} has restarted ${program} by itself`);
  });

  it('a child that started before the last change of the folder, or of a file in it, does not count; the wait is bounded', async () => {
    const scripted = scriptedSystemd(() => ({ mainPid: 12 }));
    const results: string[][] = [];
    for (const [folderMs, fileMs] of [
      [500_000, 100_000],
      [100_000, 500_000],
      [100_000, 100_000],
    ] as const) {
      const { host } = await nodeWith(500_000, scripted);
      const step = await restartOf(host, scripted.systemd, { unit, effect });
      results.push((await bringUp(changedAt(host, folderMs, fileMs), { ...step, deadlineMs: 1 })).problems);
    }

    const late = [`${unit} has not restarted ${program} within 0 s`];
    assert.deepEqual(results, [late, late, []]);
    assert.deepEqual(scripted.calls, []);
  });

  it('a file with a time to come is none of this change, and nothing waits for it', async () => {
    const scripted = scriptedSystemd(() => ({ mainPid: 12 }));
    const results: string[][] = [];
    for (const childMs of [500_000, 300_000]) {
      const { host } = await nodeWith(childMs, scripted);
      const step = await restartOf(host, scripted.systemd, { unit, effect });
      results.push((await bringUp(changedAt(host, 400_000, 2_000_000), { ...step, deadlineMs: 1 })).problems);
    }

    assert.deepEqual(results, [[], [`${unit} has not restarted ${program} within 0 s`]]);
  });

  it('a unit that does not run is started, because it reads its files then; where the folder is gone nothing is waited for', async () => {
    let activeState = 'failed';
    const job = () => {
      activeState = 'active';
      return 'done' as const;
    };
    const scripted = scriptedSystemd(() => ({ mainPid: activeState === 'active' ? 12 : 0, activeState }), { job });
    const { tree, host } = await nodeWith(10_000, scripted);
    rmSync(join(tree.root, watches), { recursive: true });

    const { problems } = await bringUp(host, await restartOf(host, scripted.systemd, { unit, effect }));

    assert.deepEqual(problems, []);
    assert.deepEqual(scripted.calls, [`reset-failed ${unit}`, `start ${unit}`]);
  });
});
