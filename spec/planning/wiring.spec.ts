import assert from 'node:assert/strict';
import type { Engine } from '../../cli/engines/contract.ts';
import { docker } from '../../cli/engines/docker/index.ts';
import type { Effect, Instance, WiringPlan } from '../../cli/engines/types.ts';
import { digestOf, type HostView, openHost } from '../../cli/host/index.ts';
import type { SwitchRequest } from '../../cli/planning/types.ts';
import { planWiring, wiringSteps } from '../../cli/planning/wiring.ts';
import type { UndoStore } from '../../cli/steps/types.ts';
import { kindOf } from '../../cli/transaction/stepKinds.ts';
import { scriptedSystemd } from '../support/scriptedSystemd.ts';
import { handler, treesOfSpec } from '../support/trees/engineTree.ts';

const watches = '/etc/k0s/containerd.d';
const nowhere: UndoStore = { save: async () => undefined, path: (name) => name };
const itself: Effect = { by: 'itself', program: '/var/lib/k0s/bin/containerd', watches };

/** A plan that changes these files. */
function changing(paths: string[]): WiringPlan {
  const changes = paths.map((path) => ({
    path,
    before: digestOf('a'),
    after: { text: 'b' },
    foreign: false,
    ours: [],
    tmpDir: '/etc/kata-sysext',
  }));
  return { changes, makeFolders: [], dropFolders: [], findings: [] };
}

/** The kinds of restarts that such a plan has for an engine that runs. */
async function restartsFor(paths: string[], effect: Effect | undefined): Promise<string[]> {
  const { systemd } = scriptedSystemd(() => ({}));
  const host = { live: true, booted: true, systemd: async () => systemd, lstat: async () => undefined } as unknown as HostView;
  const instance: Instance = {
    engine: 'x',
    configPath: '/etc/x',
    unit: 'x.service',
    ...(effect === undefined ? {} : { effect }),
    process: { pid: 1, startedMs: 0, binaryReplaced: false },
  };
  const engine = { plan: async () => changing(paths) } as unknown as Engine;
  const { restarts } = await planWiring(host, { id: 1 } as unknown as SwitchRequest, { engine, instance }, []);
  return restarts.map(({ by }) => by);
}

describe('the way out of a daemon that is reloaded', () => {
  const treeOf = treesOfSpec();

  it('removes the folder that came with the file, after the last edit', async () => {
    const tree = await treeOf({ '/etc/kata-sysext/current': '' });
    const before = tree.everything();
    const instance: Instance = {
      engine: 'docker',
      version: '28.0.0',
      configPath: '/etc/docker/daemon.json',
      unit: 'docker.service',
      effect: { by: 'reload' },
      process: { pid: 999_999, startedMs: 0, binaryReplaced: false },
    };
    const { systemd } = scriptedSystemd(() => ({}));
    const host = { ...openHost(tree.root, {}), systemd: async () => systemd };
    const coming = await docker.plan(host, instance, [handler('kata-qemu')]);
    await tree.apply(coming);

    const from = { manifest: { number: 1 }, record: { wiring: coming.wiring } };
    const request = { id: 1, from } as unknown as SwitchRequest;
    const steps = wiringSteps(await planWiring(host, request, { engine: docker, instance }, []));
    for (const step of steps.filter(({ kind }) => kind !== 'restart')) await kindOf(step).apply(host, step, {}, nowhere, () => undefined);

    assert.deepEqual(tree.everything(), before);
    assert.equal(steps.findIndex(({ kind }) => kind === 'restart') > 0, true);
  });
});

describe('the restart of a planned wiring', () => {
  const dropIn = `${watches}/kata-sysext.toml`;
  const beside = '/etc/k0s/kata-sysext/schema-2.toml';
  const rows: [what: string, paths: string[], effect: Effect | undefined, wanted: string[]][] = [
    ['none where no file changes', [], undefined, []],
    ['one for any file of an ordinary engine', [beside], undefined, ['restart']],
    ['one that is waited for where the watched folder changes', [beside, dropIn], itself, ['itself']],
    ['none where only files beside that folder change', [beside, `${watches}/below/x.toml`], itself, []],
  ];
  for (const [what, paths, effect, wanted] of rows)
    it(what, async () => {
      assert.deepEqual(await restartsFor(paths, effect), wanted);
    });
});
