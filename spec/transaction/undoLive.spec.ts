import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bootOf } from '../../cli/facts/index.ts';
import type { Host } from '../../cli/host/index.ts';
import type { RestartStep } from '../../cli/steps/types.ts';
import type { Systemd } from '../../cli/systemd/types.ts';
import { begin, undoStore, writeStep } from '../../cli/transaction/journal.ts';
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

  it('that was interrupted between two changes of one file leaves the earlier text alone, and reports no edit of others', async () => {
    const path = '/etc/shared';
    const [start, between] = ['a\nhandlers\nswitch\n', 'a\nswitch\n'];
    const step = (before: string, after: string, ours: string) => ({ ...fileStep(path, before, after), foreign: true, ours: [ours] });
    const steps = [step(start, between, 'handlers\n'), step(between, 'a\n', 'switch\n')];
    const intent = intentOf(steps, { boot: await bootOf(tree.host) });
    mkdirSync(join(tree.root, 'etc'), { recursive: true });
    writeFileSync(join(tree.root, path), start);
    await begin(tree.host, intent);
    for (const [index, each] of steps.entries()) {
      const store = undoStore(tree.host, 1, index);
      const undo = await kindOf(each).prepare(tree.host, each, store);
      await writeStep(tree.host, 1, index, undo);
      await kindOf(each).apply(tree.host, each, undo, store, () => undefined);
    }

    const first = await undo(tree.host, intent);
    const once = readFileSync(join(tree.root, path), 'utf8');
    const again = await undo(tree.host, intent);

    assert.deepEqual([first.leftovers, again.leftovers], [[], []]);
    assert.deepEqual([once, readFileSync(join(tree.root, path), 'utf8')], [start, start]);
  });

  it('of two engines brings up each whose restart was begun, in their order, and one that something else restarted', async () => {
    const docker: RestartStep = { ...step, unit: 'docker.service', asked: 'docker.service', dependents: [] };
    const steps = [file, step, fileStep('/etc/other', undefined, 'y'), docker];
    const later = { activeEnterMs: Date.parse('2026-01-01T00:00:05Z') };
    const rows: [begun: number[], enter: object, restarted: string[]][] = [
      [[0, 1, 2, 3], { activeEnterMs: 1 }, [engine, 'docker.service']],
      [[0, 1, 2], { activeEnterMs: 1 }, [engine]],
      [[0, 1, 2], later, [engine, 'docker.service']],
      [[0], later, [engine]],
    ];

    const seen: string[][] = [];
    for (const [begun, state] of rows) {
      const { systemd } = scriptedSystemd(() => state);
      const host = { ...tree.host, live: true, systemd: async () => systemd };
      const intent = intentOf(steps, { boot: await bootOf(host) });
      await begin(host, intent);
      for (const index of begun) await writeStep(host, 1, index, steps[index]!.kind === 'restart' ? { begun: true } : {});
      seen.push((await undo(host, intent)).restarted);
      rmSync(join(tree.root, 'var/lib/kata-sysext/journal'), { recursive: true, force: true });
    }

    assert.deepEqual(
      seen,
      rows.map(([, , restarted]) => restarted),
    );
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
        leftovers.map((leftover) => ({ path: leftover.path, retry: leftover.retry, recovers: leftover.next === 'kata-sysext recover' })),
        [{ path: engine, retry, recovers: retry }],
      );
    });

  const asked: [what: string, change: Partial<RestartStep>, next: string][] = [
    ['a restart', {}, `journalctl -u ${engine} -n 50; systemctl restart ${engine}`],
    [
      'a restart of the unit that renders the file',
      { asked: 'k3s.service' },
      'journalctl -u k3s.service -n 50; systemctl restart k3s.service',
    ],
    ['a reload', { by: 'reload' }, `journalctl -u ${engine} -n 50; systemctl reload-or-restart ${engine}`],
  ];
  for (const [what, change, next] of asked)
    it(`names ${what} again where that was asked for and failed`, async () => {
      const { systemd } = scriptedSystemd(() => ({}), { job: () => 'failed' });
      const host = { ...tree.host, live: true, systemd: async () => systemd };
      const intent = intentOf([file, { ...step, dependents: [], ...change }], { boot: await bootOf(host) });
      await begin(host, intent);
      for (const index of [0, 1]) await writeStep(host, 1, index, index === 1 ? { begun: true } : {});

      const { leftovers } = await undo(host, intent);

      assert.deepEqual(
        leftovers.map((leftover) => leftover.next),
        [next],
      );
    });

  it('of what another program or user edited names commands that work without the journal', async () => {
    const made = fileStep('/etc/made', undefined, 'ours\n');
    const edited = { ...fileStep('/etc/edited', 'theirs\n', 'theirs\nours\n'), foreign: false };
    const removed = { ...fileStep('/etc/removed', 'ours\n', undefined), foreign: false };
    const link = { kind: 'pointer' as const, path: '/etc/link', before: 'absent', after: '/a' };
    const turned = { kind: 'pointer' as const, path: '/etc/turned', before: '/b', after: '/a' };
    const steps = [made, edited, removed, link, turned];
    mkdirSync(join(tree.root, 'etc'), { recursive: true });
    for (const { path } of [made, edited, removed]) writeFileSync(join(tree.root, path), 'another text\n');
    for (const { path } of [link, turned]) symlinkSync('/another', join(tree.root, path));
    const intent = intentOf(steps, { boot: await bootOf(tree.host) });
    await begin(tree.host, intent);
    for (const index of steps.keys()) await writeStep(tree.host, 1, index, {});

    const { leftovers } = await undo(tree.host, intent);

    assert.ok(leftovers.every(({ next }) => next.includes(tree.root)));
    const etc = join(tree.root, 'etc');
    assert.deepEqual(
      leftovers.map((leftover) => leftover.next.replaceAll(etc, '/etc')),
      [
        'look at it: ls -l /etc/turned; then make it what it was: ln -sfn /b /etc/turned',
        'look at it: ls -l /etc/link; then make it what it was: rm /etc/link',
        'look at it: cat /etc/removed; then compare it with what is installed: kata-sysext verify',
        'look at it: cat /etc/edited; then take the text of kata-sysext out of it by hand',
        'look at it: cat /etc/made; then remove it (rm /etc/made), or take the text of kata-sysext out of it by hand',
      ],
    );
  });
});
