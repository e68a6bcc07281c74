import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { differences } from '../support/judges/fingerprint.ts';
import { checkJson } from '../support/judges/schemas.ts';
import { program, run } from '../support/program.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';
import { untouched } from '../support/trees/untouched.ts';

const config = 'etc/containerd/config.toml';
const state = 'var/lib/kata-sysext';

describe('refusals', () => {
  let host: TreeHost;
  let first: string;

  before(async () => {
    ({ first } = await releases());
  });

  beforeEach(() => {
    host = treeHost('fcos');
  });

  afterEach(() => host.remove());

  describe('a host that does not allow it: 3', () => {
    it('no os-release', async () => {
      rmSync(host.path('etc/os-release'));
      rmSync(host.path('usr/lib/os-release'));
      await untouched(host, ['install', first], 3, 'host-unknown');
      assert.equal((await host.json(['check'], 3))['ready'], false);
    });

    it('nothing that tells the architecture', async () => {
      rmSync(host.path('usr/lib/systemd/systemd'));
      await untouched(host, ['install', first], 3, 'host-unknown');
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
      await untouched(host, ['install', first], 3, 'engine-foreign-handler');
      const checked = await host.json(['check'], 3);
      assert.ok(
        (checked['findings'] as { code: string; level: string }[]).some(
          ({ code, level }) => code === 'engine-foreign-handler' && level === 'blocker',
        ),
      );
    });

    it('an engine configuration that does not load', async () => {
      writeFileSync(host.path(config), 'version = 2\n[plugins\n');
      await untouched(host, ['install', first], 3, 'engine-config-invalid');
    });

    it('rollback, verify and diff with nothing installed', async () => {
      await untouched(host, ['rollback'], 3, 'no-previous-generation');
      assert.equal((await host.json(['rollback'], 3))['next'], `kata-sysext install --root ${host.root} BUNDLE`);
      await untouched(host, ['verify'], 3, 'nothing-installed');
      await untouched(host, ['diff'], 3, 'nothing-installed');
    });

    it('rollback with one generation: what leads back to none, and not to others that are not there', async () => {
      await host.json(['install', first]);

      const refused = await host.json(['rollback'], 3);

      assert.equal(refused['next'], `to go back to a host without Kata: kata-sysext uninstall --root ${host.root}`);
    });

    it('uninstall with nothing installed is done already', async () => {
      const before = host.fingerprint();
      const done = await host.json(['uninstall', '--purge']);
      assert.equal(done['changed'], false);
      assert.deepEqual(host.fingerprint(), before);
    });

    it('something of others where our pointer goes', async () => {
      put(host.root, 'etc/kata-sysext/current', 'a file of somebody else\n');
      await untouched(host, ['install', first], 3, 'foreign-file');
      rmSync(host.path('etc/kata-sysext/current'));
      symlinkSync('/somewhere/else', host.path('etc/kata-sysext/current'));
      await untouched(host, ['install', first], 3, 'foreign-file');
    });
  });

  it('who is not root may look, but not change the live host: 77', async () => {
    const copy = programCopy();

    const refusal = asNobody(copy, ['gc']);
    const explained = asNobody(copy, ['explain', 'needs-root']);

    rmSync(copy, { recursive: true });
    const error = JSON.parse(refusal.stdout) as Record<string, unknown>;
    checkJson(error);
    assert.deepEqual([refusal.status, error['code'], explained.status], [77, 'needs-root', 0]);
  });

  it('who is not root sees the status of an installed tree', async () => {
    await host.json(['install', first]);
    const copy = programCopy();
    spawnSync('cp', ['-a', host.root, join(copy, 'host')]);
    spawnSync('chmod', ['a+rx', join(copy, 'host')]);

    const seen = asNobody(copy, ['status', '--root', join(copy, 'host')]);

    rmSync(copy, { recursive: true });
    const status = JSON.parse(seen.stdout) as Record<string, unknown>;
    checkJson(status);
    assert.deepEqual([seen.status, status['active'], status['interrupted']], [0, 1, []]);
  });

  it('who is not root sees that a change runs, though only root may open the lock', async function () {
    // In a namespace of its own the kernel does not list a lock whose taker, flock, has ended.
    if (readlinkSync('/proc/self/ns/pid') !== 'pid:[4026531836]') {
      console.log('      not in the first namespace of processes');
      this.skip();
    }
    const copy = programCopy();
    spawnSync('chmod', ['a+rx', host.root]);
    const holder = await host.paused(['install', first], 'store/unpack/after=pause');

    const seen = asNobody(copy, ['status', '--root', host.root]);
    await holder.kill();
    const ended = asNobody(copy, ['status', '--root', host.root]);

    rmSync(copy, { recursive: true });
    const [running, idle] = [seen, ended].map(({ stdout }) => JSON.parse(stdout) as Record<string, unknown>);
    assert.deepEqual([running!['change'], running!['interrupted']], [{ state: 'running' }, []]);
    assert.deepEqual([idle!['change'], idle!['staging']], [undefined, { folders: ['/usr/local/libexec/kata-sysext/staging'] }]);
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

/** A folder with a copy of the program that everybody may read: the checkout may lie where only root can. */
function programCopy(): string {
  const copy = mkdtempSync(join(tmpdir(), 'kata-sysext-program-'));
  cpSync(dirname(program()), join(copy, 'program'), { recursive: true });
  spawnSync('chmod', ['-R', 'a+rX', copy]);
  return copy;
}

function asNobody(copy: string, args: string[]) {
  const wrapper = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  const argv = [...wrapper, process.execPath, join(copy, 'program/kata-sysext.mjs'), ...args, '--json'];
  return spawnSync('setpriv', argv, { encoding: 'utf8', cwd: '/' });
}
