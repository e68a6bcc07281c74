import assert from 'node:assert/strict';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { servingPid } from '../../../cli/engines/index.ts';
import { k0s } from '../../../cli/engines/k0s/index.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { childOf } from '../../../cli/facts/processes.ts';
import type { HostView } from '../../../cli/host/types.ts';
import { findEngine, findEngineToWire } from '../../../cli/preflight/engine.ts';
import { scriptedSystemd } from '../../support/scriptedSystemd.ts';
import { type EngineTree, refusalOf, treesOfSpec } from '../../support/trees/engineTree.ts';
import { folder, unit, unitText } from './k0sFiles.ts';

interface Running {
  program: string;
  args?: string[];
  parent?: number;
  /** Hundredths of a second after the boot. */
  started?: number;
  /** Whose it is. */
  uid?: number;
}

/** A live host with these processes. `lists`: the kernel names children itself. */
async function live(tree: EngineTree, units: Record<string, number>, processes: Record<number, Running>, lists = true): Promise<HostView> {
  await tree.write('/proc/uptime', '1000.00 1000.00\n');
  for (const [pid, { program, args = [], parent = 1, started = 100, uid = 0 }] of Object.entries(processes)) {
    await tree.write(`/proc/${pid}/stat`, `${pid} (k0s (a b) S) S ${parent}${' 0'.repeat(17)} ${started} 0\n`);
    await tree.write(`/proc/${pid}/status`, `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\n`);
    await tree.write(`/proc/${pid}/cmdline`, [program, ...args, ''].join('\0'));
    const children = Object.keys(processes).filter((other) => processes[Number(other)]?.parent === Number(pid));
    mkdirSync(join(tree.root, `proc/${pid}/task/${pid}`), { recursive: true });
    if (lists) await tree.write(`/proc/${pid}/task/${pid}/children`, children.map((child) => `${child} `).join(''));
    symlinkSync(program, join(tree.root, `proc/${pid}/exe`));
  }
  const { systemd } = scriptedSystemd((name) => ({ activeState: name in units ? 'active' : 'inactive', mainPid: units[name] ?? 0 }), {
    active: Object.keys(units),
  });
  const run = async (program: string) => ({
    code: 0,
    stdout: /k0s|proc/.test(program) ? 'v1.34.10+k0s.0\n' : 'containerd x v1.7.33 0\n',
    stderr: '',
  });
  return { ...tree.host, live: true, booted: true, systemd: async () => systemd, run } as HostView;
}

const child = (dataDir = '/var/lib/k0s', more: string[] = []): Running => ({
  program: `${dataDir}/bin/containerd`,
  parent: 12,
  args: [
    `--root=${dataDir}/containerd`,
    '--state=/run/k0s/containerd',
    '--address=/run/k0s/containerd.sock',
    '--config=/etc/k0s/containerd.toml',
    ...more,
  ],
});
const worker: Running = { program: '/usr/local/bin/k0s', args: ['worker', '--data-dir=/srv/k0s'] };
const others = { 'containerd.service': 11 };
const plain: Running = { program: '/usr/bin/containerd' };

describe('engines/k0s: where it is found', () => {
  const treeOf = treesOfSpec();

  it('by the containerd that the worker runs, with the paths of its command line, beside another containerd that runs', async () => {
    const tree = await treeOf({ [unit]: unitText });
    const host = await live(tree, { ...others, 'k0sworker.service': 12 }, { 11: plain, 12: worker, 13: child('/srv/k0s') });

    const { engine, instance } = await findEngineToWire(host, undefined);

    assert.equal(engine.name, 'k0s');
    assert.deepEqual(
      [
        instance.version,
        instance.binary,
        instance.configPath,
        instance.configFolder,
        instance.socket,
        instance.unit,
        instance.process?.pid,
      ],
      ['1.34.10', '/srv/k0s/bin/containerd', '/etc/k0s/containerd.toml', folder, '/run/k0s/containerd.sock', 'k0sworker.service', 13],
    );
    assert.deepEqual(instance.effect, { by: 'itself', program: '/srv/k0s/bin/containerd', watches: folder });
    assert.equal(instance.renderer?.writes, '/run/k0s/containerd-cri.toml');
    assert.equal(await refusalOf(findEngineToWire(host, 'containerd')), 'engine-rendered');
  });

  it('in a unit of another name that runs k0s, and in a controller with a worker; a controller alone has no pods', async () => {
    const rows: [units: Record<string, number>, args: string[], child: boolean, code: string][] = [
      [{ 'k0s-blue.service': 12 }, ['worker'], true, 'no error'],
      [{ 'k0scontroller.service': 12 }, ['controller', '--enable-worker'], true, 'no error'],
      [{ 'k0scontroller.service': 12 }, ['controller'], false, 'engine-rendered'],
      [{ 'k0sworker.service': 12 }, ['worker', '--cri-socket=remote:unix:///run/crio/crio.sock'], false, 'engine-missing'],
    ];
    const found: [string, string | undefined][] = [];
    for (const [units, args, has] of rows) {
      const name = Object.keys(units)[0]!;
      const tree = await treeOf({ [`/etc/systemd/system/${name}`]: `[Service]\nExecStart=/usr/local/bin/k0s ${args.join(' ')}\n` });
      const host = await live(tree, units, { 12: { ...worker, args }, ...(has ? { 13: child() } : {}) });
      const code = await refusalOf(findEngineToWire(host, undefined));
      found.push([code, code === 'no error' ? (await findEngine(host, undefined)).instance.unit : undefined]);
    }

    assert.deepEqual(
      found,
      rows.map(([units, , , code]) => [code, code === 'no error' ? Object.keys(units)[0] : undefined]),
    );
  });

  it('a worker whose containerd is down at the moment keeps another containerd from being wired', async () => {
    const tree = await treeOf({ [unit]: unitText });
    const host = await live(tree, { ...others, 'k0sworker.service': 12 }, { 11: plain, 12: worker });

    const { engine, instance } = await findEngineToWire(host, undefined);

    assert.deepEqual([engine.name, instance.process], ['k0s', undefined]);
    assert.equal(await refusalOf(findEngineToWire(host, 'containerd')), 'engine-rendered');
  });

  it('again by what was recorded, while it runs, while it boots, and not once it is gone', async () => {
    const tree = await treeOf({ [unit]: unitText, '/usr/local/bin/k0s': '' });
    const running = await live(tree, { 'k0sworker.service': 12 }, { 12: worker, 13: child() });
    const [instance] = await k0s.detect(running);
    const { wiring } = await k0s.plan(running, instance!, [{ name: 'kata', shim: '/a', configuration: '/b' }]);

    const again = await k0s.findRecorded(running, wiring!);
    const boots = await k0s.findRecorded({ ...running, live: false, systemd: async () => undefined }, wiring!);
    rmSync(join(tree.root, 'usr/local/bin/k0s'));
    const gone = await k0s.findRecorded({ ...running, live: false, systemd: async () => undefined }, wiring!);

    assert.deepEqual([again?.process?.pid, boots?.process, boots?.version, gone], [13, undefined, '1.34.10', undefined]);
    assert.deepEqual([boots?.effect, boots?.renderer, boots?.configFolder], [again?.effect, again?.renderer, again?.configFolder]);
    assert.equal(dirname(wiring!.marks[0]!.path), folder);
  });

  it('offline: in a tree whose unit a boot starts, with the version that is named, without a program that is run', async () => {
    const tree = await treeOf({ [unit]: '[Service]\nExecStart=/opt/k0s worker \\\n  --data-dir /srv/k0s\n', '/opt/k0s': '' });
    const bare = await treeOf({ '/etc/hostname': 'x' });

    const [unnamed, named, hinted] = [
      await k0s.detect(tree.host),
      await k0s.detect(tree.host, '1.35.1'),
      await k0s.detect(bare.host, '1.36.0'),
    ];

    assert.deepEqual(
      [unnamed, named, hinted].map(([one]) => [one?.version, one?.binary, one?.unit, one?.renderer?.program]),
      [
        [undefined, '/srv/k0s/bin/containerd', 'k0sworker.service', '/opt/k0s'],
        ['1.35.1', '/srv/k0s/bin/containerd', 'k0sworker.service', '/opt/k0s'],
        ['1.36.0', '/var/lib/k0s/bin/containerd', 'k0sworker.service', '/usr/local/bin/k0s'],
      ],
    );
  });

  const commands: [start: string, program: string, binary: string][] = [
    ['"/opt/my k0s/k0s" worker --data-dir="/srv/my k0s"', '/opt/my k0s/k0s', '/srv/my k0s/bin/containerd'],
    ['-/opt/k0s worker "--data-dir=/srv/k0s"', '/opt/k0s', '/srv/k0s/bin/containerd'],
    ['/opt/k0s worker --data-dir /one --data-dir=/two', '/opt/k0s', '/two/bin/containerd'],
    [`/bin/sh -c 'exec /opt/k0s worker --data-dir=/srv/k0s'`, '/opt/k0s', '/srv/k0s/bin/containerd'],
    ['/opt/k0s worker --data-dir=relative', '/opt/k0s', '/var/lib/k0s/bin/containerd'],
  ];
  for (const [start, program, binary] of commands) {
    it(`the command “${start}” names the program and its data folder`, async () => {
      const tree = await treeOf({ [unit]: `[Service]\nExecStart=${start}\n` });

      const [instance] = await k0s.detect(tree.host);

      assert.deepEqual([instance?.renderer?.program, instance?.binary], [program, binary]);
    });
  }

  const unusable: [what: string, name: string, words: string, said: RegExp][] = [
    ['as a controller alone', 'k0scontroller.service', 'controller', /^k0scontroller\.service .*without a worker/],
    [
      'with the engine of the host',
      'k0sworker.service',
      'worker --cri-socket=remote:unix:///run/x.sock',
      /^k0sworker\.service .*--cri-socket/,
    ],
  ];
  for (const [what, name, words, said] of unusable) {
    it(`in a tree whose only unit starts k0s ${what}, a k0s that is named is refused for a new wiring; a recorded one can be removed`, async () => {
      const file = `/etc/systemd/system/${name}`;
      const text = (args: string) => `[Service]\nExecStart=/usr/local/bin/k0s ${args}\n`;
      const wanted = [{ name: 'kata', shim: '/a', configuration: '/b' }];
      const tree = await treeOf({ [file]: text(words.startsWith('worker') ? 'worker' : 'controller --single') });
      const [before] = await k0s.detect(tree.host, '1.36.0');
      const { wiring } = await k0s.plan(tree.host, before!, wanted);
      await tree.write(file, text(words));

      const [instance] = await k0s.detect(tree.host, '1.36.0');
      const error = await k0s.plan(tree.host, instance!, wanted).catch((cause: unknown) => cause);
      const removal = await k0s.plan(tree.host, instance!, [], wiring);
      await tree.write(unit, unitText);
      const beside = await k0s.detect(tree.host, '1.36.0');

      assert.ok(error instanceof KataError && error.code === 'engine-unsupported', String(error));
      assert.match(error.complaint.found, said);
      assert.deepEqual([instance?.unit, removal.wiring, beside[0]?.unit], [name, undefined, 'k0sworker.service']);
    });
  }

  const workers: [words: string, runs: boolean][] = [
    ['controller --enable-worker', true],
    ['controller --enable-worker=true --single=false', true],
    ['controller "--enable-worker"', true],
    ['controller --enable-worker false', true],
    ['controller --enable-worker=0 --single', true],
    ['controller --enable-worker=false --enable-worker', true],
    ['controller', false],
    ['controller --enable-worker=false', false],
    ['controller --enable-worker=0', false],
    ['controller --enable-worker="F" --token-file=/x', false],
    ['controller --single=False --enable-workers', false],
    ['controller --enable-worker --enable-worker=false', false],
  ];
  for (const [words, runs] of workers) {
    it(`a tree whose unit starts “k0s ${words}” ${runs ? 'runs pods' : 'runs none'}`, async () => {
      const tree = await treeOf({ '/etc/systemd/system/k0scontroller.service': `[Service]\nExecStart=/usr/local/bin/k0s ${words}\n` });

      const found = await k0s.detect(tree.host);

      assert.deepEqual(
        found.map((instance) => instance.unit),
        runs ? ['k0scontroller.service'] : [],
      );
    });
  }

  for (const lists of [true, false]) {
    it(`the serving process is the youngest child of that program, ${lists ? 'by the kernel’s list' : 'by every process’ parent'}`, async () => {
      const tree = await treeOf();
      const processes = {
        12: worker,
        13: { ...child(), started: 200 },
        14: { ...child(), started: 300 },
        15: { ...child(), parent: 13 },
        16: { program: '/x', parent: 12 },
        // What a user's process says of itself is not read.
        17: { ...child(), started: 400, uid: 1000 },
      };
      const host = await live(tree, {}, processes, lists);
      const effect = { by: 'itself', program: '/var/lib/k0s/bin/containerd', watches: folder } as const;

      const found = [
        await childOf(host, 12, 'containerd'),
        await childOf(host, 12, '/other/containerd'),
        await childOf(host, 99, 'containerd'),
      ];

      assert.deepEqual(
        found.map((each) => each?.pid),
        [14, undefined, undefined],
      );
      assert.deepEqual(
        [await servingPid(host, 12, effect), await servingPid(host, 12, undefined), await servingPid(host, 0, undefined)],
        [14, 12, undefined],
      );
    });
  }
});
