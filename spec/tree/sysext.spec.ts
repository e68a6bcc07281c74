import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { differences } from '../support/judges/fingerprint.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

/** What a host must have for extensions, at this version of systemd. */
function withSystemd(root: string, version: number): void {
  put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\nExecStart=systemd-sysext refresh\n');
  put(root, `usr/lib/systemd/libsystemd-shared-${version}.so`, '');
}

describe('backend sysext in an offline tree', () => {
  let host: TreeHost;
  afterEach(() => host.remove());

  for (const name of ['fcos', 'microos'] as const) {
    it(`${name}: install, upgrade, move to prefix and back, rollback, uninstall --purge leaves the tree as it was`, async () => {
      host = treeHost(name, (root) => withSystemd(root, 259));
      const before = host.fingerprint();
      const { first, second } = await releases();

      await host.json(['install', first, '--backend', 'sysext']);
      const link = readlinkSync(host.path('etc/extensions/kata'));
      const text = readFileSync(host.path(`${link.slice(1)}/usr/lib/extension-release.d/extension-release.kata`), 'utf8');
      const config = execFileSync('grep', ['-rh', 'runtime_path', host.path('etc/containerd')]).toString();
      await host.json(['install', second]);
      const moved = [readlinkSync(host.path('etc/extensions/kata'))];
      await host.json(['install', second, '--backend', 'prefix']);
      const gone = there(host, 'etc/extensions');
      await host.json(['install', second, '--backend', 'sysext']);
      await host.json(['verify']);
      await host.json(['rollback']);
      await host.json(['uninstall', '--purge']);

      assert.match(
        link,
        name === 'fcos' ? /^\/var\/usrlocal\/libexec\/kata-sysext\/tree\/[0-9a-f]{64}$/ : /^\/var\/lib\/kata-sysext\/tree\/[0-9a-f]{64}$/,
      );
      assert.match(text, /^ID=_any\nARCHITECTURE=x86-64\nKATA_SYSEXT_PAYLOAD=sha256:[0-9a-f]{64}\n$/);
      assert.match(config, /runtime_path = "\/usr\/share\/kata\/runtime-rs\/bin\/containerd-shim-kata-v2"/);
      assert.notEqual(moved[0], link);
      assert.equal(gone, false);
      assert.deepEqual(differences(before, host.fingerprint()), []);
    });
  }

  it('on systemd 249 the extension names the very OS version; it takes the user’s word', async () => {
    host = treeHost('fcos', (root) => withSystemd(root, 249));
    const { first } = await releases();

    const refused = await host.json(['install', first, '--backend', 'sysext'], 3);
    await host.json(['install', first, '--backend', 'sysext', '--allow', 'sysext-systemd-old']);

    const link = readlinkSync(host.path('etc/extensions/kata'));
    assert.equal(refused['code'], 'sysext-systemd-old');
    assert.match(
      readFileSync(host.path(`${link.slice(1)}/usr/lib/extension-release.d/extension-release.kata`), 'utf8'),
      /^ID=fedora\nVERSION_ID=44\nKATA_SYSEXT_PAYLOAD=/,
    );
  });

  describe('an OS update brings systemd 252 and SELinux enforcing, with which every merge mislabels /usr', () => {
    const allow = ['--allow', 'sysext-mislabels-usr'];
    const update = () => {
      rmSync(host.path('usr/lib/systemd/libsystemd-shared-257.so'));
      put(host.root, 'usr/lib/systemd/libsystemd-shared-252.so', '');
      put(host.root, 'etc/selinux/config', 'SELINUX=enforcing\nSELINUXTYPE=targeted\n');
    };
    const settle = async () => (await host.json(['recover', '--boot', 'recover']))['to'];
    const reason = async () => ((await host.json(['history']))['entries'] as { reason?: string }[]).at(-1)?.reason ?? '';
    let first: string;

    beforeEach(async () => {
      ({ first } = await releases());
      host = treeHost('fcos', (root) => withSystemd(root, 257));
    });

    it('the boot gives the generation up, and nothing merges it again unless somebody says so', async () => {
      await host.json(['install', first, '--backend', 'sysext']);
      const before = await settle();
      update();

      const after = await settle();
      const gone = there(host, 'etc/extensions/kata');
      const said = await reason();
      const refused = await host.json(['activate', '1'], 3);
      await host.json(['activate', '1', ...allow]);

      assert.deepEqual([before, after, gone, refused['code']], [1, undefined, false, 'sysext-mislabels-usr']);
      assert.match(said, /tmpfs_t \[sysext-mislabels-usr\]/);
      assert.equal(await settle(), 1);
    });

    it('one for which it was allowed stays, and so does what is made of it', async () => {
      await host.json(['install', first, '--backend', 'sysext', ...allow]);
      update();
      const seen = [await settle()];
      await host.json(['configure', '--set', 'default_memory=4096']);
      seen.push(await settle());
      await host.json(['rollback']);
      seen.push(await settle());

      assert.deepEqual(seen, [1, 2, 1]);
    });

    it('allowed for one that is staged, it counts once that is active', async () => {
      await host.json(['install', first, '--backend', 'sysext', '--stage', ...allow]);
      update();
      await host.json(['activate']);

      assert.equal(await settle(), 1);
    });
  });

  describe('extensions of the administrator at a boot', () => {
    const at = (offset: number, text: string) => Buffer.concat([Buffer.alloc(offset), Buffer.from(text), Buffer.alloc(1024)]);
    const settled = async (version: number, more: string[] = []) => {
      host = treeHost('fcos', (root) => withSystemd(root, version));
      await host.json(['install', (await releases()).first, '--backend', 'sysext', ...more]);
      put(host.root, 'var/lib/extensions/xfs.raw', at(0, 'XFSB'));
      put(host.root, 'var/lib/extensions/btrfs.raw', at(65_600, '_BHRfS_M'));
      put(host.root, 'var/lib/extensions/other.raw', at(0, 'LUKS'));
      put(host.root, 'var/lib/extensions/renamed/usr/lib/extension-release.d/extension-release.first', 'ID=_any\n');
      return (await host.json(['recover', '--boot', 'recover']))['to'];
    };

    it('those that systemd may read roll nothing back, and a change is refused until they are allowed', async () => {
      const to = await settled(257);
      const refused = await host.json(['install', (await releases()).second], 3);

      assert.deepEqual([to, refused['code']], [1, 'sysext-foreign-dormant']);
      assert.match(String(refused['found']), /renamed.*xfs\.raw.* are not merged.*whether systemd can read .*other\.raw.* is not known/);
    });

    it('nor do they on systemd 252, which merges all of them at a boot anyway', async () => {
      assert.equal(await settled(252, ['--allow', 'sysext-systemd-old']), 1);
    });

    it('one that holds nothing rolls back, because no extension is merged beside it', async () => {
      await settled(257);
      put(host.root, 'var/lib/extensions/empty.raw', Buffer.alloc(100_000));

      assert.equal((await host.json(['recover', '--boot', 'recover']))['to'], undefined);
    });
  });

  it('refuses a foreign extension of our name, and backend prefix leaves it alone', async () => {
    host = treeHost('microos', (root) => withSystemd(root, 259));
    const { first, second } = await releases();
    mkdirSync(host.path('etc/extensions'));
    symlinkSync('/var/lib/flatcar/kata', host.path('etc/extensions/kata'));

    const refused = await host.json(['install', first, '--backend', 'sysext'], 3);
    const allowed = await host.json(['install', first, '--backend', 'sysext', '--allow', 'sysext-name-taken'], 2);
    await host.json(['install', first]);
    await host.json(['install', second]);
    await host.json(['uninstall', '--purge']);

    assert.equal(refused['code'], 'sysext-name-taken');
    assert.equal(allowed['code'], 'usage');
    assert.equal(readlinkSync(host.path('etc/extensions/kata')), '/var/lib/flatcar/kata');
  });

  it('verify tells of a file that somebody put around the release, where a merge would bring it into /usr', async () => {
    host = treeHost('microos', (root) => withSystemd(root, 259));
    const { first } = await releases();
    await host.json(['install', first, '--backend', 'sysext']);
    const link = readlinkSync(host.path('etc/extensions/kata'));
    put(host.root, `${link.slice(1)}/usr/bin/sudo`, 'of an attacker');

    const seen = await host.json(['verify'], 1);

    assert.match(JSON.stringify(seen['drift']), /usr\/bin.*does not belong to the payload/);
  });

  it('check and an upgrade without --backend keep the installed one', async () => {
    host = treeHost('microos', (root) => withSystemd(root, 259));
    const { first, second } = await releases();
    await host.json(['install', first, '--backend', 'sysext']);

    const checked = await host.json(['check']);
    await host.json(['install', second]);

    assert.equal(checked['backend'], 'sysext');
    assert.deepEqual(backendsOf(await host.json(['status'])), ['sysext', 'sysext']);
  });

  it('uninstall takes our links although somebody removed the pointer, our folder and the wiring', async () => {
    host = treeHost('microos', (root) => withSystemd(root, 259));
    const before = host.fingerprint();
    const { first } = await releases();
    const untouched = host.copy();
    await host.json(['install', first, '--backend', 'sysext']);
    rmSync(host.path('etc'), { recursive: true });
    cpSync(untouched.path('etc'), host.path('etc'), { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    untouched.remove();
    mkdirSync(host.path('etc/extensions'), { recursive: true });
    const [hex] = readdirSync(host.path('var/lib/kata-sysext/tree'));
    symlinkSync(`/var/lib/kata-sysext/tree/${hex}`, host.path('etc/extensions/kata'));

    await host.json(['uninstall', '--purge']);

    assert.equal(there(host, 'etc/extensions/kata'), false);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('a damaged payload is put in place anew with all that is around it, and nothing stays aside', async () => {
    host = treeHost('microos', (root) => withSystemd(root, 259));
    const { first } = await releases();
    await host.json(['install', first, '--backend', 'sysext']);
    const link = readlinkSync(host.path('etc/extensions/kata'));
    rmSync(host.path(`${link.slice(1)}/usr/lib`), { recursive: true });
    const seen = await host.json(['verify'], 1);

    await host.json(['install', first]);

    assert.match(JSON.stringify(seen['drift']), /extension-release\.kata: it is not there/);
    assert.deepEqual((await host.json(['verify']))['drift'], []);
    assert.deepEqual(readdirSync(host.path('var/lib/kata-sysext/tree')), [link.split('/').at(-1)]);
    assert.equal(there(host, 'var/lib/kata-sysext/staging'), false);
  });
});

function backendsOf(status: Record<string, unknown>): string[] {
  return (status['generations'] as { backend: string }[]).map(({ backend }) => backend);
}

function there(host: TreeHost, path: string): boolean {
  return lstatSync(host.path(path), { throwIfNoEntry: false }) !== undefined;
}
