import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type Odd, tinyRelease } from '../lab/release/index.ts';
import { differences } from '../support/fingerprint.ts';
import { put } from '../support/hostTrees.ts';
import { program, run } from '../support/program.ts';
import { checkJson } from '../support/schemas.ts';
import { releases, scratch, story, type TreeHost, treeHost } from '../support/treeHost.ts';

const config = 'etc/containerd/config.toml';
const state = 'var/lib/kata-sysext';

/** Every way in which a release is not what it should be, and the code that says so. */
const rejections: [odd: Odd, code: string][] = [
  ['absolute', 'bundle-member-escapes'],
  ['dotdot', 'bundle-member-escapes'],
  ['outside', 'bundle-layout'],
  ['device', 'bundle-member-kind'],
  ['setuid', 'bundle-member-kind'],
  ['duplicate', 'bundle-member-duplicate'],
  ['hardlinkOut', 'bundle-member-escapes'],
  ['linkOut', 'bundle-member-escapes'],
  ['linkAbsolute', 'bundle-member-escapes'],
  ['throughLink', 'bundle-member-escapes'],
  ['emptyKernel', 'bundle-empty-asset'],
  ['missingShim', 'bundle-no-shim'],
  ['missingQemu', 'bundle-incomplete'],
  ['truncated', 'bundle-damaged'],
  ['notCompressed', 'bundle-format'],
  ['empty', 'bundle-damaged'],
];

describe('refusals', () => {
  let host: TreeHost;
  let first: string;
  let folder: string;

  before(async () => {
    ({ first } = await releases());
  });

  beforeEach(() => {
    host = treeHost('fcos');
    folder = scratch('refused');
  });

  afterEach(() => {
    host.remove();
    rmSync(folder, { recursive: true });
  });

  /** Refused with this status and code, and not a byte of the tree is another. */
  async function refused(args: string[], status: number, code: string, leaveOut: string[] = []): Promise<Record<string, unknown>> {
    const before = host.fingerprint(leaveOut);
    const error = await host.json(args, status);
    assert.equal(error['code'], code, JSON.stringify(error));
    assert.deepEqual(differences(before, host.fingerprint(leaveOut)), []);
    return error;
  }

  describe('a bundle that is not what it should be: 4', () => {
    for (const [odd, code] of rejections) {
      it(`${odd}: ${code}, on a bare host and on one with Kata`, async () => {
        const bundle = await tinyRelease(folder, { odd: [odd] });

        await refused(['install', bundle], 4, code);
        await host.json(['install', first]);
        await refused(['install', bundle], 4, code, story);
      });
    }

    it('a wrong --digest', async () => {
      await refused(['install', first, '--digest', `sha256:${'0'.repeat(64)}`], 4, 'bundle-digest');
    });

    it('one that is not there', async () => {
      await refused(['install', join(folder, 'missing.tar.zst')], 4, 'bundle-missing');
    });

    it('a handler that it does not have', async () => {
      await refused(['install', first, '--handler', 'fc'], 4, 'bundle-lacks-handler');
    });
  });

  describe('a command line that is wrong: 2', () => {
    const wrong = [
      ['instal', 'x'],
      ['install'],
      ['status', 'x'],
      ['install', 'x', '--frobnicate'],
      ['install', 'x', '--wait', 'soon'],
      ['install', 'x', '--wait', '-1'],
      ['install', 'x', '--digest', 'md5:1'],
      ['install', 'x', '--backend', 'magic'],
      ['install', 'x', '--engine', 'cri-x'],
      ['install', 'x', '--engine', 'containerd@new'],
      ['install', 'x', '--engine', 'containerd@'],
      ['install', 'x', '--engine', '@1.7'],
      ['check', '--engine', 'containerd@1.7@2.0'],
      ['install', 'x', '--allow', 'no-such-code'],
      ['install', 'x', '--allow', 'engine-unhealthy'],
      ['install', 'x', '--digest', `sha256:${'0'.repeat(64)}`, '--digest', `sha256:${'1'.repeat(64)}`],
      ['diff', 'a'],
      ['history', '7'],
      ['explain', 'no-such-code'],
      [],
    ];
    for (const args of wrong) {
      it(args.join(' ') || 'nothing at all', async () => {
        const before = host.fingerprint();

        const { status, stdout } = await run([...args, '--root', host.root, '--json']);

        const error = JSON.parse(stdout) as Record<string, unknown>;
        checkJson(error);
        assert.deepEqual([status, error['kind'], error['exitCode']], [2, 'Error', 2]);
        assert.deepEqual(host.fingerprint(), before);
      });
    }

    it('a --root that is not there, or is no folder', async () => {
      for (const root of [join(folder, 'missing'), first]) {
        const { status, stdout } = await run(['install', first, '--root', root, '--json']);

        const error = JSON.parse(stdout) as Record<string, unknown>;
        assert.deepEqual([status, error['code'], error['subject']], [2, 'usage', '--root'], root);
      }
      assert.ok(!existsSync(join(folder, 'missing')));
    });

    it('--allow names what can be overridden', async () => {
      const error = await host.json(['install', first, '--allow', 'engine-unhealthy'], 2);

      assert.match(String(error['needed']), /engine-pending-edits, engine-restart-kills/);
    });

    it('rollback to a generation that never was', async () => {
      await host.json(['install', first]);
      await refused(['rollback', '--to', '7'], 2, 'unknown-generation', story);
    });
  });

  describe('a host that does not allow it: 3', () => {
    it('no os-release', async () => {
      rmSync(host.path('etc/os-release'));
      rmSync(host.path('usr/lib/os-release'));
      await refused(['install', first], 3, 'host-unknown');
      assert.equal((await host.json(['check'], 3))['ready'], false);
    });

    it('nothing that tells the architecture', async () => {
      rmSync(host.path('usr/lib/systemd/systemd'));
      await refused(['install', first], 3, 'host-unknown');
    });

    it('no engine', async () => {
      rmSync(host.path('etc/containerd'), { recursive: true });
      const before = host.fingerprint();
      const { status, stdout } = await run(['install', first, '--root', host.root, '--json']);
      assert.deepEqual([status, (JSON.parse(stdout) as { code: string }).code], [3, 'engine-missing']);
      assert.deepEqual(host.fingerprint(), before);
    });

    it('a handler of our name that somebody else defined', async () => {
      appendFileSync(
        host.path(config),
        '\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata-qemu-runtime-rs]\n  runtime_type = "io.containerd.other.v2"\n',
      );
      await refused(['install', first], 3, 'engine-foreign-handler');
      const checked = await host.json(['check'], 3);
      assert.ok(
        (checked['findings'] as { code: string; level: string }[]).some(
          ({ code, level }) => code === 'engine-foreign-handler' && level === 'blocker',
        ),
      );
    });

    it('an engine configuration that does not load', async () => {
      writeFileSync(host.path(config), 'version = 2\n[plugins\n');
      await refused(['install', first], 3, 'engine-config-invalid');
    });

    it('rollback, verify and diff with nothing installed', async () => {
      await refused(['rollback'], 3, 'no-previous-generation');
      await refused(['verify'], 3, 'nothing-installed');
      await refused(['diff'], 3, 'nothing-installed');
    });

    it('uninstall with nothing installed is done already', async () => {
      const before = host.fingerprint();
      const done = await host.json(['uninstall', '--purge']);
      assert.equal(done['changed'], false);
      assert.deepEqual(host.fingerprint(), before);
    });

    it('something of others where our pointer goes', async () => {
      put(host.root, 'etc/kata-sysext/current', 'a file of somebody else\n');
      await refused(['install', first], 3, 'foreign-file');
      rmSync(host.path('etc/kata-sysext/current'));
      symlinkSync('/somewhere/else', host.path('etc/kata-sysext/current'));
      await refused(['install', first], 3, 'foreign-file');
    });
  });

  it('who is not root may look, but not change the live host: 77', async () => {
    // The checkout may lie where only root can read.
    const copy = mkdtempSync('/tmp/kata-sysext-program-');
    cpSync(dirname(program()), copy, { recursive: true });
    spawnSync('chmod', ['-R', 'a+rX', copy]);
    const wrapper = ['--reuid=65534', '--regid=65534', '--clear-groups'];
    const asNobody = (args: string[]) =>
      spawnSync('setpriv', [...wrapper, process.execPath, join(copy, 'kata-sysext.mjs'), ...args, '--json'], {
        encoding: 'utf8',
        cwd: '/',
      });

    const refusal = asNobody(['gc']);
    const explained = asNobody(['explain', 'needs-root']);

    rmSync(copy, { recursive: true });
    const error = JSON.parse(refusal.stdout) as Record<string, unknown>;
    checkJson(error);
    assert.deepEqual([refusal.status, error['code'], explained.status], [77, 'needs-root', 0]);
  });

  it('who is not root sees the status of an installed tree', async () => {
    await host.json(['install', first]);
    const copy = mkdtempSync('/tmp/kata-sysext-program-');
    cpSync(dirname(program()), join(copy, 'program'), { recursive: true });
    spawnSync('cp', ['-a', host.root, join(copy, 'host')]);
    spawnSync('chmod', ['a+rx', copy, join(copy, 'host')]);
    spawnSync('chmod', ['-R', 'a+rX', join(copy, 'program')]);

    const seen = spawnSync(
      'setpriv',
      [
        '--reuid=65534',
        '--regid=65534',
        '--clear-groups',
        process.execPath,
        join(copy, 'program/kata-sysext.mjs'),
        'status',
        '--json',
        '--root',
        join(copy, 'host'),
      ],
      { encoding: 'utf8', cwd: '/' },
    );

    rmSync(copy, { recursive: true });
    const status = JSON.parse(seen.stdout) as Record<string, unknown>;
    checkJson(status);
    assert.deepEqual([seen.status, status['active'], status['openChanges']], [0, 1, []]);
  });

  describe('a journal that is not ours to act on', () => {
    async function interrupted(): Promise<string> {
      await host.json(['install', first]);
      await host.run(['uninstall'], { env: { KATA_SYSEXT_FAILPOINT: 'step/file/after=kill' } });
      const [id] = readdirSync(host.path(`${state}/journal`));
      return host.path(`${state}/journal/${id}/intent.json`);
    }

    function rewrite(path: string, change: (value: Record<string, unknown>) => void): void {
      const value = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
      change(value);
      writeFileSync(path, JSON.stringify(value));
    }

    const verbs = () => [['recover'], ['install', first], ['uninstall', '--purge'], ['rollback'], ['gc']];
    const rows: [what: string, status: number, code: string, spoil: (path: string) => void][] = [
      ['of a newer program', 3, 'journal-newer', (path) => rewrite(path, (value) => (value['schema'] = 99))],
      [
        'with a kind of step that is not known',
        3,
        'journal-newer',
        (path) => rewrite(path, (value) => (value['steps'] as unknown[]).unshift({ kind: 'frob', path: '/etc/frob' })),
      ],
      [
        'of another machine',
        3,
        'journal-foreign',
        (path) => rewrite(path, (value) => Object.assign(value, { machine: 'other', deployment: 'single' })),
      ],
      ['of another deployment', 3, 'journal-foreign', (path) => rewrite(path, (value) => (value['deployment'] = 'abc.0'))],
      ['cut off in the middle', 3, 'state-damaged', (path) => writeFileSync(path, readFileSync(path).subarray(0, 40))],
      ['empty', 3, 'state-damaged', (path) => writeFileSync(path, '')],
    ];
    for (const [what, status, code, spoil] of rows) {
      it(`${what}: ${code}, untouched by every verb`, async () => {
        const path = await interrupted();
        const good = readFileSync(path);
        spoil(path);

        for (const args of verbs()) await refused(args, status, code, [`${state}/lock`]);
        writeFileSync(path, good);
        const recovered = await host.json(['recover']);

        assert.deepEqual(
          (recovered['settled'] as { result: string }[]).map(({ result }) => result),
          ['undone'],
        );
        assert.deepEqual((await host.json(['verify']))['drift'], []);
      });
    }

    it('a manifest of a newer program is left alone by every verb', async () => {
      await host.json(['install', first]);
      rewrite(host.path(`${state}/generations/1/manifest.json`), (value) => (value['schema'] = 99));

      for (const args of [...verbs(), ['status'], ['verify']]) await refused(args, 3, 'journal-newer', [`${state}/lock`]);
    });
  });

  describe('links that lead out of the root', () => {
    const escapes: [what: string, path: string, kept: string][] = [
      ['our folder in /etc', 'etc/kata-sysext', ''],
      ['our folder in /var', state, ''],
      ['the generations', `${state}/generations`, ''],
      ['the payloads', 'var/usrlocal', ''],
      ['the configuration of containerd', config, config],
    ];
    for (const [what, path, kept] of escapes) {
      it(`${what}: nothing outside is written`, async () => {
        const outside = scratch('outside');
        rmSync(host.path(path), { recursive: true, force: true });
        mkdirSync(dirname(host.path(path)), { recursive: true });
        if (kept === '') symlinkSync(outside, host.path(path));
        else {
          put(outside, 'config.toml', 'version = 2\n');
          symlinkSync(join(outside, 'config.toml'), host.path(path));
        }
        const shape = () =>
          readdirSync(outside, { recursive: true }).map((name) => `${String(name)} ${readFileSync(join(outside, String(name)), 'utf8')}`);
        const before = shape();

        await host.run(['install', first]);
        await host.run(['uninstall', '--purge']);

        assert.deepEqual(shape(), before);
        rmSync(outside, { recursive: true });
      });
    }

    it('a configuration that is a link inside the tree stays a link, and its target comes back byte for byte', async () => {
      renameSync(host.path(config), host.path('etc/containerd/real.toml'));
      symlinkSync('real.toml', host.path(config));
      const before = host.fingerprint();

      await host.json(['install', first]);
      const installed = readFileSync(host.path('etc/containerd/real.toml'), 'utf8');
      await host.json(['uninstall', '--purge']);

      assert.match(installed, /kata-qemu-runtime-rs/);
      assert.deepEqual(differences(before, host.fingerprint()), []);
    });
  });
});
