import assert from 'node:assert/strict';
import { mkdir, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { cri } from '../../cli/engines/crio/cri.ts';
import { crio } from '../../cli/engines/crio/index.ts';
import type { Instance } from '../../cli/engines/types.ts';
import type { KataError } from '../../cli/errors/index.ts';
import type { HostView } from '../../cli/host/types.ts';
import { findEngine } from '../../cli/preflight/engine.ts';
import type { Systemd, UnitState } from '../../cli/systemd/types.ts';
import { type EngineTree, engineTree } from '../support/trees/engineTree.ts';

const unit = '/usr/lib/systemd/system/crio.service';

describe('engines/crio: detect', () => {
  let tree: EngineTree;
  afterEach(async () => tree.remove());

  it('finds nothing in a tree without CRI-O, and a tree that has only its folder', async () => {
    tree = await engineTree({ '/etc/hostname': 'x' });

    const nothing = await crio.detect(tree.host);
    const hinted = await crio.detect(tree.host, '1.36');
    await tree.write('/etc/crio/crio.conf.d/10-crio.conf', '[crio.api]\nlisten = "/run/lab.sock"\n');
    const [found] = await crio.detect(tree.host);

    assert.deepEqual(nothing, []);
    assert.equal(hinted[0]?.version, '1.36');
    assert.deepEqual(found, {
      engine: 'crio',
      version: undefined,
      unit: undefined,
      binary: undefined,
      configPath: '/etc/crio/crio.conf',
      configFolder: '/etc/crio/crio.conf.d',
      socket: '/run/lab.sock',
    });
  });

  it('reads them from a file of EnvironmentFile= too, as the package’s unit names it', async () => {
    const rows: [text: string, places: [string, string]][] = [
      ['CRIO_CONFIG_OPTIONS="--config /etc/a.conf --config-dir=/etc/a.d"\n', ['/etc/a.conf', '/etc/a.d']],
      ['# none\nCONTAINER_CONFIG=/etc/b.conf\nCONTAINER_CONFIG_DIR="/etc/b.d"\n', ['/etc/b.conf', '/etc/b.d']],
      ['CRIO_CONFIG_OPTIONS="--log-level=debug \\\n  --config-dir=/etc/c.d"\n', ['/etc/crio/crio.conf', '/etc/c.d']],
      ['CRIO_CONFIG_OPTIONS = --config-dir=/etc/d.d\n', ['/etc/crio/crio.conf', '/etc/d.d']],
      ['CRIO_CONFIG_OPTIONS="--log-level debug"\n', ['/etc/crio/crio.conf', '/etc/crio/crio.conf.d']],
    ];
    for (const [text, places] of rows) {
      tree = await engineTree({
        '/usr/bin/crio': '',
        [unit]:
          '[Service]\nEnvironmentFile=-/etc/sysconfig/crio\nExecStart=/usr/bin/crio \\\n  $CRIO_CONFIG_OPTIONS \\\n  $CRIO_RUNTIME_OPTIONS\n',
        '/etc/sysconfig/crio': text,
      });

      const [found] = await crio.detect(tree.host);

      assert.deepEqual([found?.configPath, found?.configFolder], places);
      await tree.remove();
    }
    tree = await engineTree();
  });

  it('a file that only a start tells, or that cannot be read, leaves what the unit itself sets', async () => {
    for (const path of ['/etc/sysconfig/%N', '/etc/sysconfig/%i', '/etc/sysconfig/crio*', '/etc/crio']) {
      tree = await engineTree({
        '/usr/bin/crio': '',
        [unit]: `[Service]\nEnvironment=CONTAINER_CONFIG_DIR=/etc/mycrio.d\nEnvironmentFile=-${path}\nExecStart=/usr/bin/crio\n`,
        '/etc/crio/x': '',
        '/etc/sysconfig/crio': 'CONTAINER_CONFIG=/etc/b.conf\n',
      });

      const [found] = await crio.detect(tree.host);

      assert.deepEqual(
        [found?.configFolder, found?.configPath],
        ['/etc/mycrio.d', path.endsWith('%N') ? '/etc/b.conf' : '/etc/crio/crio.conf'],
      );
      await tree.remove();
    }
    tree = await engineTree();
  });

  it('reads which files the unit names, by flags and by variables; the last file decides the socket', async () => {
    tree = await engineTree({
      '/usr/bin/crio': '',
      [unit]: '[Service]\nExecStart=/usr/bin/crio \\\n  $CRIO_CONFIG_OPTIONS\n',
      '/etc/a.conf': '[crio.api]\nlisten = "/run/a.sock"\n',
      '/etc/b.d/1': '[Crio.API]\nListen = "/run/b.sock"\n',
    });

    const [plain] = await crio.detect(tree.host);
    await tree.write(
      '/etc/systemd/system/crio.service.d/10.conf',
      '[Service]\nEnvironment="CONTAINER_CONFIG=/etc/a.conf" CONTAINER_CONFIG_DIR=/etc/b.d\n',
    );
    const [variables] = await crio.detect(tree.host);
    await tree.write(
      '/etc/systemd/system/crio.service.d/20.conf',
      '[Service]\nExecStart=\nExecStart=/usr/bin/crio \\\n --config=/etc/c.conf -d /etc/d.d\n',
    );
    const [flags] = await crio.detect(tree.host);

    const places = [plain, variables, flags].map((found) => [found?.configPath, found?.configFolder, found?.socket]);
    assert.deepEqual(places, [
      ['/etc/crio/crio.conf', '/etc/crio/crio.conf.d', '/var/run/crio/crio.sock'],
      ['/etc/a.conf', '/etc/b.d', '/run/b.sock'],
      ['/etc/c.conf', '/etc/d.d', '/var/run/crio/crio.sock'],
    ]);
    assert.deepEqual([plain?.binary, plain?.unit, plain?.version], ['/usr/bin/crio', 'crio.service', undefined]);
  });

  const lines: [string, string, string[], string[]][] = [
    ['nothing', '', [], ['/etc/crio/crio.conf', '/etc/crio/crio.conf.d', '/var/run/crio/crio.sock']],
    ['flags', 'CONTAINER_CONFIG=/no', ['-c', '/a', '--config-dir=/d', '--listen', '/s'], ['/a', '/d', '/s']],
    ['variables', 'CONTAINER_CONFIG=/a\0CONTAINER_CONFIG_DIR=/d\0CONTAINER_LISTEN=/s', [], ['/a', '/d', '/s']],
    ['no main file', '', ['--config', ''], ['/dev/null', '/etc/crio/crio.conf.d', '/var/run/crio/crio.sock']],
    ['relative paths', '', ['-c', 'x.conf', '-d', 'x.d'], ['/srv/x.conf', '/srv/x.d', '/var/run/crio/crio.sock']],
  ];
  for (const [what, environment, args, wanted] of lines) {
    it(`reads a running daemon: ${what}`, async () => {
      tree = await running(environment, args);

      const [found] = await crio.detect(live(tree));

      assert.deepEqual([found?.configPath, found?.configFolder, found?.socket], wanted);
      assert.deepEqual([found?.binary, found?.unit, found?.process?.pid], ['/usr/bin/crio', 'crio.service', 7]);
    });
  }

  it('refuses a name that a flag or variable of the daemon defines', async () => {
    for (const [environment, args] of [
      ['', ['--runtimes', 'a:/x,kata-qemu:/usr/bin/runc:/run/runc']],
      ['', ['--runtimes=a:/x', '--runtimes=kata-qemu:/y']],
      ['CONTAINER_RUNTIMES=kata-qemu:/y', []],
    ] as [string, string[]][]) {
      tree = await running(environment, args);
      const host = live(tree);
      const [found] = await crio.detect(host);
      const wanted = { name: 'kata-qemu', shim: '/s/containerd-shim-kata-v2', configuration: '/c' };

      const refused = await crio.plan(host, found!, [wanted]).catch((error: KataError) => error.code);

      assert.equal(refused, 'engine-foreign-handler', `${environment} ${args.join(' ')}`);
    }
  });

  it('prefers the engine that runs, does not guess between two, and stays with the recorded one', async () => {
    tree = await running('', []);
    await tree.write('/usr/bin/containerd', '');
    const host = live(tree);

    const chosen = await findEngine(host, undefined);
    const offline = await findEngine(tree.host, undefined).catch((error: KataError) => error.code);
    const recorded = await findEngine(tree.host, undefined, 'containerd');
    const other = await findEngine(tree.host, 'crio', 'containerd').catch((error: KataError) => error.code);
    const unknown = await findEngine(tree.host, 'dockershim').catch((error: KataError) => error.code);

    assert.equal(chosen.engine.name, 'crio');
    assert.equal(offline, 'host-unknown');
    assert.equal(recorded.engine.name, 'containerd');
    assert.deepEqual([other, unknown], ['engine-unsupported', 'usage']);
  });

  it('names every change that a restart would apply', async () => {
    tree = await running('', []);
    await tree.write('/etc/crio/crio.conf.d/sub/10.conf', '');
    await tree.write('/etc/sysconfig/crio', '');
    await tree.write('/etc/containers/storage.conf', '');
    const host = live(tree);
    const [found] = await crio.detect(host);
    const startedMs = found!.process!.startedMs;
    const all = [
      '/etc/crio/crio.conf.d',
      '/etc/crio/crio.conf.d/sub',
      '/etc/crio/crio.conf.d/sub/10.conf',
      '/etc/containers/storage.conf',
      '/etc/sysconfig/crio',
      '/usr/bin/crio',
    ];
    const at = async (ms: number, paths: string[]) => {
      for (const path of paths) await utimes(join(tree.root, path), ms / 1000, ms / 1000);
    };

    await at(startedMs - 60_000, all);
    const none = await crio.daemon!.pendingRestarts(host, found!);
    await at(startedMs + 60_000, all);
    const changed = await crio.daemon!.pendingRestarts(host, found!);

    assert.deepEqual(none, []);
    assert.deepEqual(new Set(changed.map((finding) => finding.subject)), new Set(all));
    assert.ok(changed.every((finding) => finding.code === 'engine-pending-edits'));
  });
});

describe('engines/crio: what a restart would kill', () => {
  let tree: EngineTree;
  afterEach(async () => tree.remove());

  const own = '1:name=systemd:/\n0::/system.slice/crio.service\n';
  const rows: [string, string, Record<string, string>, RegExp | undefined][] = [
    ['KillMode=process', 'process', { 9: own }, undefined],
    ['only the daemon in its group', 'control-group', { 9: '0::/system.slice/crio-conmon-1.scope\n' }, undefined],
    ['a shim in its group', 'control-group', { 9: own }, /worker \(9\)/],
    ['a shim in a group below', 'mixed', { 9: '0::/system.slice/crio.service/sub\n' }, /worker \(9\)/],
    ['a unit whose name begins alike', 'control-group', { 9: '0::/system.slice/crio.service2\n' }, undefined],
  ];
  for (const [what, killMode, others, found] of rows) {
    it(what, async () => {
      tree = await running('', [], own);
      for (const [pid, group] of Object.entries(others)) {
        await tree.write(`/proc/${pid}/cgroup`, group);
        await tree.write(`/proc/${pid}/comm`, 'worker\n');
      }
      const [instance] = await crio.detect(live(tree));

      const risks = await crio.daemon!.restartRisks(tree.host, instance!, state({ killMode }));

      assert.equal(risks.length, found === undefined ? 0 : 1);
      if (found !== undefined) assert.match(risks[0]!.found, found);
    });
  }

  it('takes the unit’s word where the group cannot be told: version 1, root group, no process', async () => {
    const groups = ['0::/\n', '9:name=systemd:/\n', ''];
    const counts: number[] = [];
    for (const group of groups) {
      tree = await running('', [], group);
      const [instance] = await crio.detect(live(tree));
      counts.push((await crio.daemon!.restartRisks(tree.host, instance!, state({ killMode: 'control-group' }))).length);
    }
    const { process: _, ...stopped } = (await crio.detect(live(tree)))[0] as Instance;
    counts.push((await crio.daemon!.restartRisks(tree.host, stopped, state({ killMode: 'control-group' }))).length);

    assert.deepEqual(counts, [1, 1, 1, 1]);
  });

  it('reads the tree of version 1 too', async () => {
    tree = await running('', [], '4:memory:/x\n1:name=systemd:/system.slice/crio.service\n0::/\n');
    await tree.write('/proc/9/cgroup', '1:name=systemd:/system.slice/crio.service\n');
    await tree.write('/proc/9/comm', 'shim\n');
    const [instance] = await crio.detect(live(tree));

    const risks = await crio.daemon!.restartRisks(tree.host, instance!, state({ killMode: 'control-group' }));

    assert.match(risks[0]!.found, /shim \(9\)/);
  });
});

describe('cri: the verbose status of CRI-O', () => {
  it('tells shim and configuration of each handler as 1.36.3 writes them', () => {
    const config = {
      crio: {
        Runtimes: { kata: { RuntimePath: '/s', RuntimeConfigPath: '/c' }, runc: { RuntimePath: '/usr/bin/runc', RuntimeConfigPath: '' } },
      },
    };

    const found = cri.handlersIn({ config: JSON.stringify(config) });

    assert.deepEqual(found, { kata: { shim: '/s', configuration: '/c' }, runc: { shim: '/usr/bin/runc', configuration: undefined } });
  });
});

/** A tree in which process 7 is a CRI-O, as /proc shows it. */
async function running(environment: string, args: string[], cgroup = '0::/system.slice/crio.service\n'): Promise<EngineTree> {
  const tree = await engineTree({
    '/usr/bin/crio': '',
    [unit]: '[Service]\nEnvironmentFile=-/etc/sysconfig/crio\nExecStart=/usr/bin/crio\n',
    '/proc/uptime': '1000.00 1.00\n',
    '/proc/7/stat': `7 (crio) S ${Array.from({ length: 18 }, () => '0').join(' ')} 5000 0\n`,
    '/proc/7/status': 'Uid:\t0\t0\t0\t0\n',
    '/proc/7/cmdline': ['/usr/bin/crio', ...args].map((arg) => `${arg}\0`).join(''),
    '/proc/7/environ': environment,
    '/proc/7/cgroup': cgroup,
    '/proc/7/comm': 'crio\n',
  });
  await mkdir(join(tree.root, 'srv'));
  await symlink('/usr/bin/crio', join(tree.root, 'proc/7/exe'));
  await symlink('/srv', join(tree.root, 'proc/7/cwd'));
  return tree;
}

function state(also: Partial<UnitState> = {}): UnitState {
  return {
    unit: 'crio.service',
    loadState: 'loaded',
    mainPid: 7,
    needDaemonReload: false,
    fragmentPath: unit,
    dropInPaths: [],
    ...also,
  } as UnitState;
}

/** The tree as a live host, whose PID 1 says that process 7 is crio.service; nothing of it can be run. */
function live(tree: EngineTree): HostView {
  const nobody = { loadState: 'not-found', mainPid: 0 } as UnitState;
  const systemd = {
    activeUnits: async () => ['crio.service', 'ssh.service'],
    livingUnits: async () => ['crio.service', 'ssh.service'],
    unit: async (name: string) => (name === 'crio.service' ? state() : { ...nobody, unit: name }),
  } as unknown as Systemd;
  return { ...tree.host, live: true, booted: true, systemd: async () => systemd, run: async () => ({ code: 1, stdout: '', stderr: '' }) };
}
