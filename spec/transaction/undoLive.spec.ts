import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bootOf } from '../../cli/facts/index.ts';
import type { Host } from '../../cli/host/index.ts';
import type { RestartStep } from '../../cli/steps/types.ts';
import type { Systemd } from '../../cli/systemd/types.ts';
import { begin, writeStep } from '../../cli/transaction/journal.ts';
import { kindOf } from '../../cli/transaction/stepKinds.ts';
import { undo } from '../../cli/transaction/undo.ts';
import { scriptedSystemd } from '../support/scriptedSystemd.ts';
import { type ChangeTree, changeTree, fileStep, intentOf } from '../support/trees/changeTree.ts';

const engine = 'containerd.service';
const step: RestartStep = {
  kind: 'restart',
  unit: engine,
  by: 'restart',
  asked: engine,
  dependents: ['kubelet.service', 'buildkit.service'],
  deadlineMs: 1000,
};

describe('an undo on a host that runs', () => {
  let tree: ChangeTree;
  beforeEach(() => {
    tree = changeTree();
  });
  afterEach(() => rmSync(tree.root, { recursive: true, force: true }));
  const file = fileStep('/etc/own', undefined, 'x');

  async function undone(systemd: Systemd | undefined, begun: number[]) {
    const host = { ...tree.host, live: true, systemd: async () => systemd };
    const intent = intentOf([file, step], { boot: await bootOf(host) });
    await begin(host, intent);
    for (const index of begun) await writeStep(host, 1, index, index === 1 ? { begun: true } : {});
    return undo(host, intent);
  }

  it('brings the engine up once more where its restart was begun', async () => {
    const { systemd, calls } = scriptedSystemd(() => ({}));

    const { restarted, leftovers } = await undone(systemd, [0, 1]);

    assert.deepEqual([restarted, leftovers], [[engine], []]);
    assert.ok(calls.includes(`restart ${engine}`));
  });

  it('leaves the engine alone where no restart was begun and it runs since before the change', async () => {
    const { systemd, calls } = scriptedSystemd(() => ({ activeEnterMs: 1 }));

    const { restarted } = await undone(systemd, [0]);

    assert.deepEqual([restarted, calls], [[], []]);
  });

  it('brings the engine up where another program restarted it after the wiring was written', async () => {
    const { systemd, calls } = scriptedSystemd(() => ({ activeEnterMs: Date.parse('2026-01-01T00:00:05Z') }));

    const { restarted } = await undone(systemd, [0]);

    assert.deepEqual(restarted, [engine]);
    assert.ok(calls.includes(`restart ${engine}`));
  });

  const settings = fileStep('/etc/systemd/system/containerd.service.d/zz.conf', undefined, 'x');
  const places: [where: string, host: Pick<Host, 'live' | 'booted'>, rereads: boolean][] = [
    ['on a host that runs', { live: true, booted: true }, true],
    ['while the host boots', { live: false, booted: true }, true],
    ['not in an offline tree', { live: false, booted: false }, false],
  ];
  for (const [where, place, rereads] of places)
    it(`lets PID 1 read the engine's unit again when its drop-in is gone, ${where}`, async () => {
      const { systemd, calls } = scriptedSystemd(() => ({ activeEnterMs: 1 }));
      const seen: boolean[] = [];
      const manager = { ...systemd, daemonReload: async () => void seen.push((await tree.host.stat(settings.path)) !== undefined) };
      const host = { ...tree.host, ...place, systemd: async () => (place.live ? systemd : undefined), manager: async () => manager };
      mkdirSync(join(tree.root, dirname(settings.path)), { recursive: true });
      const intent = intentOf([settings, { kind: 'reread', unit: engine }, step], { boot: await bootOf(host) });
      await begin(host, intent);
      await writeStep(host, 1, 0, {});
      await kindOf(settings).apply(host, settings, {}, { save: async () => undefined, path: () => '' }, () => undefined);

      const { leftovers } = await undo(host, intent);

      assert.deepEqual([leftovers, calls], [[], []]);
      assert.deepEqual(seen, rereads ? [false] : []);
    });

  for (const works of [true, false])
    it(`files that the drop-in named go ${works ? 'after PID 1 has read its unit again' : 'not, and no engine is started, where PID 1 does not'}`, async () => {
      const named = fileStep('/etc/own', undefined, 'x');
      const { systemd, calls } = scriptedSystemd(() => ({}));
      const seen: boolean[] = [];
      const manager = {
        ...systemd,
        daemonReload: async () => {
          seen.push((await tree.host.stat(named.path)) !== undefined);
          if (!works) throw new Error('late');
        },
      };
      const host = { ...tree.host, live: true, booted: true, systemd: async () => systemd, manager: async () => manager };
      const steps = [named, settings, { kind: 'reread' as const, unit: engine }, step];
      await begin(host, intentOf(steps, { boot: await bootOf(host) }));
      mkdirSync(join(tree.root, dirname(settings.path)), { recursive: true });
      for (const index of steps.keys()) await writeStep(host, 1, index, index > 1 ? { begun: true } : {});
      for (const each of [named, settings])
        await kindOf(each).apply(host, each, {}, { save: async () => undefined, path: () => '' }, () => undefined);

      const { leftovers } = await undo(host, intentOf(steps, { boot: await bootOf(host) }));

      assert.deepEqual([seen, calls.includes(`restart ${engine}`), leftovers.length > 0], [[true], works, !works]);
      assert.equal((await tree.host.stat(named.path)) === undefined, works);
    });

  const rows: [what: string, systemd: Systemd | undefined, retry: boolean][] = [
    ['reports an engine that does not come up', scriptedSystemd(() => ({}), { job: () => 'failed' }).systemd, false],
    ['keeps the journal for another try where PID 1 does not answer', undefined, true],
  ];
  for (const [what, systemd, retry] of rows)
    it(what, async () => {
      const { leftovers } = await undone(systemd, [0, 1]);

      assert.deepEqual(
        leftovers.map((leftover) => ({ path: leftover.path, retry: leftover.retry })),
        [{ path: engine, retry }],
      );
    });
});
