import assert from 'node:assert/strict';
import { refused } from '../../cli/engines/common/complaints.ts';
import { restartRisksOfUnit } from '../../cli/engines/common/restartRisks.ts';
import { matchesName } from '../../cli/engines/containerd/globs.ts';
import { containerd } from '../../cli/engines/containerd/index.ts';
import { crio } from '../../cli/engines/crio/index.ts';
import { engineNamed, engines, type Wiring } from '../../cli/engines/index.ts';
import { flagOf, readDaemon } from '../../cli/facts/processes.ts';
import { openView } from '../../cli/host/index.ts';
import type { HostView } from '../../cli/host/types.ts';
import type { Systemd, UnitState } from '../../cli/systemd/types.ts';
import { containerdBinaries, startContainerd } from '../support/live/containerdBinary.ts';
import { type EngineTree, engineTree } from '../support/trees/engineTree.ts';

const unitPath = '/usr/lib/systemd/system/containerd.service';
const flatcarUnit =
  // biome-ignore lint/suspicious/noTemplateCurlyInString: for systemd
  '[Service]\nEnvironment=CONTAINERD_CONFIG=/usr/share/containerd/config.toml\nExecStart=/usr/bin/containerd --config ${CONTAINERD_CONFIG}\n';

describe('engines/containerd: detect in an offline tree', () => {
  let tree: EngineTree;
  afterEach(async () => tree.remove());

  it('finds nothing in a tree without containerd', async () => {
    tree = await engineTree({ '/etc/hostname': 'x' });

    assert.deepEqual(await containerd.detect(tree.host), []);
  });

  it('finds the binary, the unit, and the socket of the configuration; the version is what the caller says', async () => {
    tree = await engineTree({
      '/usr/bin/containerd': '',
      [unitPath]: '[Service]\nExecStart=/usr/bin/containerd\n',
      '/etc/containerd/config.toml': 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n[grpc]\naddress = "/run/a.sock"\n',
      '/etc/containerd/conf.d/x.toml': '[grpc]\naddress = "/run/b.sock"\n',
    });

    const [unknown] = await containerd.detect(tree.host);
    const [told] = await containerd.detect(tree.host, '1.7');

    assert.deepEqual(unknown, {
      engine: 'containerd',
      version: undefined,
      binary: '/usr/bin/containerd',
      configPath: '/etc/containerd/config.toml',
      socket: '/run/b.sock',
      unit: 'containerd.service',
    });
    assert.equal(told?.version, '1.7');
  });

  it('reads which file the unit names: Flatcar, and a drop-in that changes it', async () => {
    tree = await engineTree({ '/usr/bin/containerd': '', [unitPath]: flatcarUnit });

    const [vendor] = await containerd.detect(tree.host);
    await tree.write(
      '/etc/systemd/system/containerd.service.d/10-kata.conf',
      '[Service]\nEnvironment="CONTAINERD_CONFIG=/etc/containerd/mine.toml"\n',
    );
    const [own] = await containerd.detect(tree.host);
    await tree.write(
      '/etc/systemd/system/containerd.service.d/20.conf',
      '[Service]\nExecStart=\nExecStart=/usr/bin/containerd --log-level info --config /srv/c.toml\n',
    );
    const [flag] = await containerd.detect(tree.host);

    assert.equal(vendor?.configPath, '/usr/share/containerd/config.toml');
    assert.equal(own?.configPath, '/etc/containerd/mine.toml');
    assert.equal(flag?.configPath, '/srv/c.toml');
  });

  it('finds schema 4’s socket, and the usual one where the files do not load', async () => {
    tree = await engineTree({
      '/etc/containerd/config.toml': 'version = 4\n[plugins."io.containerd.server.v1.grpc"]\naddress = "/run/four.sock"\n',
    });

    const [four] = await containerd.detect(tree.host);
    await tree.write('/etc/containerd/config.toml', '[[[');
    const [broken] = await containerd.detect(tree.host);

    assert.equal(four?.socket, '/run/four.sock');
    assert.equal(broken?.socket, '/run/containerd/containerd.sock');
  });
});

describe('engines: the daemon that a wiring was made for', () => {
  const kube = '/etc/systemd/system/kube-containerd.service';
  const [start, named] = ['[Service]\nExecStart=/opt/bin/containerd --config /etc/kube/a.toml\n', '/etc/kube/a.toml'];
  const wiring = { engine: 'containerd', configPath: named, unit: 'kube-containerd.service', method: 'range', handlers: [], marks: [] };
  const recorded: Wiring = { ...wiring, folders: [], key: 'sha256:0' };
  let tree: EngineTree;
  beforeEach(async () => {
    tree = await engineTree({
      '/usr/bin/containerd': '',
      '/opt/bin/containerd': '',
      [unitPath]: '[Service]\nExecStart=/usr/bin/containerd\n',
      '/etc/containerd/config.toml': 'version = 2\n',
    });
  });
  afterEach(async () => tree.remove());

  it('is what the text of its unit starts; where another unit is the usual one, too', async () => {
    await tree.write(kube, start);

    const found = await containerd.findRecorded(tree.host, recorded);
    await tree.write(`${kube}.d/10.conf`, '[Service]\nExecStart=\nExecStart=-/usr/bin/containerd -c /etc/b.toml\n');
    const moved = await containerd.findRecorded(tree.host, recorded);

    assert.deepEqual([found?.unit, found?.binary, found?.configPath], ['kube-containerd.service', '/opt/bin/containerd', named]);
    assert.deepEqual([moved?.binary, moved?.configPath], ['/usr/bin/containerd', '/etc/b.toml']);
  });

  it('started by a script, it is what ran when the wiring was made, with the file of then', async () => {
    await tree.write(kube, '[Service]\nExecStart=/opt/bin/start-it $FLAGS\n');

    const found = await containerd.findRecorded(tree.host, { ...recorded, binary: '/opt/bin/containerd' });

    assert.deepEqual([found?.binary, found?.configPath], ['/opt/bin/containerd', named]);
  });

  it('of CRI-O, whose unit expands what it is given, has the folder of our drop-in', async () => {
    await tree.write('/usr/bin/crio', '');
    await tree.write('/usr/lib/systemd/system/crio.service', '[Service]\nExecStart=/usr/bin/crio $OPTIONS\n');
    const mark = { path: '/etc/kube/crio.d/50-kata-sysext.conf', kind: 'file' as const, text: '' };

    const found = await crio.findRecorded(tree.host, {
      ...recorded,
      engine: 'crio',
      unit: 'crio.service',
      configPath: '/etc/kube/crio.conf',
      marks: [mark],
    });

    assert.deepEqual([found?.configPath, found?.configFolder], ['/etc/kube/crio.conf', '/etc/kube/crio.d']);
  });

  it('is none where its unit is gone, whatever else is there', async () => {
    assert.equal(await containerd.findRecorded(tree.host, recorded), undefined);
    assert.equal(await crio.findRecorded(tree.host, { ...recorded, engine: 'crio', unit: 'crio.service' }), undefined);
  });

  it('of a host that boots, none where its binary is gone: no other one is asked', async () => {
    await tree.write(kube, '[Service]\nExecStart=/usr/local/bin/containerd\n');

    assert.equal(await containerd.findRecorded({ ...tree.host, booted: true }, recorded), undefined);
  });
});

describe('engines/containerd: detect a running daemon', () => {
  it('reads everything from the process of the unit', async function () {
    const [binary] = containerdBinaries();
    if (binary === undefined || process.getuid?.() !== 0) {
      console.log('      skipped: needs root and containerd (apt-get install containerd)');
      this.skip();
    }
    const startedMs = Date.now();
    const running = await startContainerd(binary.path, '');
    const host = withUnit(running.pid);

    const [found, ...more] = await containerd.detect(host);
    const daemon = await readDaemon(host, running.pid);
    await running.stop();

    assert.deepEqual(more, []);
    assert.equal(found?.version?.startsWith(binary.version), true);
    assert.deepEqual(
      [found?.binary, found?.configPath, found?.socket, found?.unit],
      [binary.path, running.config, running.socket, 'containerd.service'],
    );
    // Counted in hundredths of a second, from a boot whose time is known as well.
    const { startedMs: said = 0 } = found?.process ?? {};
    assert.ok(said > startedMs - 500 && said < Date.now() + 500, `${said}, started after ${startedMs}`);
    assert.equal(found?.process?.binaryReplaced, false);
    assert.deepEqual(daemon?.args, ['--config', running.config]);
  });

  it('reads a command line as Go does', () => {
    for (const args of [['-c', '/x'], ['--config', '/x'], ['--config=/x'], ['-c=/x'], ['--config=/y', '-l', 'info', '-c', '/x']])
      assert.equal(flagOf(args, ['c', 'config']), '/x');
    assert.equal(flagOf(['--log-level', 'info'], ['c', 'config']), undefined);
  });
});

describe('engines: small parts', () => {
  it('show a command that a shell takes, whatever the paths are', () => {
    for (const { name, dump } of engines()) {
      const shown = dump?.showCommand({
        engine: name,
        binary: '/opt/my engine/bin',
        configPath: '/etc/my own',
        configFolder: '/etc/it’s.d',
      });
      assert.ok(shown === undefined || (shown.startsWith("'/opt/my engine/bin' ") && shown.includes("'/etc/my own'")), shown);
    }
    assert.equal(
      refused('/bin/x y', '/etc/a', ['--config', ''], 'no').complaint.next,
      "Repair it until this works: '/bin/x y' --config ''",
    );
  });

  it('matches names as Go’s filepath.Match', () => {
    for (const [pattern, name, wanted] of [
      ['*.toml', '.hidden.toml', true],
      ['*.toml', 'a.toml.bak', false],
      ['k?ta-[a-z]*', 'kata-sysext.toml', true],
      ['[^k]*', 'kata', false],
      ['a\\*b', 'a*b', true],
      ['a\\*b', 'axb', false],
      ['[', '[', false],
      ['(a|b).toml', 'a.toml', false],
      ['a*b*c', 'aXbYbZc', true],
      ['a*b*c', 'aXbYbZ', false],
      ['[]a]', ']', false],
      ['[\\]a]', ']', true],
      ['[a-]', 'a', false],
      ['a[', 'b', false],
      ['*', '', true],
      ['\\', '\\', false],
    ] as const) {
      assert.equal(matchesName(pattern, name), wanted, `${pattern} ${name}`);
    }
  });

  it('a name that nearly matches many stars is answered at once', () => {
    // As an expression with a way back for each star this takes longer than the universe is old.
    assert.equal(matchesName(`${'*a'.repeat(60)}b`, 'a'.repeat(250)), false);
    assert.equal(matchesName(`${'*a'.repeat(60)}*`, 'a'.repeat(250)), true);
  });

  it('tells which restarts kill containers', () => {
    const state = (killMode: string) => ({ unit: 'x.service', loadState: 'loaded', killMode }) as UnitState;

    for (const mode of ['process', 'none']) assert.deepEqual(restartRisksOfUnit(state(mode)), []);
    for (const mode of ['control-group', 'mixed', ''])
      assert.deepEqual(
        restartRisksOfUnit(state(mode)).map((finding) => finding.code),
        ['engine-restart-kills'],
      );
  });

  it('finds engines by name', () => {
    assert.equal(engineNamed('containerd'), engines()[0]);
    assert.equal(engineNamed('nothing'), undefined);
  });
});

/** The live host, where PID 1 says that this process is containerd.service. */
function withUnit(pid: number): HostView {
  const state = { unit: 'containerd.service', loadState: 'loaded', mainPid: pid, needDaemonReload: false } as UnitState;
  const systemd = {
    activeUnits: async () => ['containerd.service', 'ssh.service'],
    livingUnits: async () => [],
    unit: async () => state,
  } as unknown as Systemd;
  return { ...openView('/', {}), systemd: async () => systemd };
}
