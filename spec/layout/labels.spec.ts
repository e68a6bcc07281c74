import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { families, labelFor, stockLabel } from '../../cli/layout/index.ts';
import { needs } from '../support/needs.ts';
import { fedoraPolicies } from '../support/policies/fedoraContexts.ts';

const extension = '/usr/local/libexec/kata-sysext/tree/0a1b';
const inside = '/usr/share/kata';
const payload = `${extension}${inside}`;
const inTree = [
  '',
  '/bin',
  '/bin/qemu-system-x86_64',
  '/bin/containerd-shim-kata-v2',
  '/bin/qemu-bundle',
  '/share/qemu-bundle/opt/kata/share/kata-qemu/qemu',
  '/share/qemu-bundle/usr/lib',
  '/share/qemu-bundle/usr/lib/ipxe/qemu',
  '/runtime-rs/bin/containerd-shim-kata-v2',
  '/bin/virtiofsd',
  '/libexec/x',
  '/lib',
  '/lib/kata-qemu/libz.so.1',
  '/lib/kata-qemu/ld-linux-x86-64.so.2',
  '/share',
  '/share/kata-containers/kata-containers.img',
  '/share/kata-containers/vmlinux.container',
  '/share/kata-qemu/qemu/efi-virtio.rom',
  '/share/ovmf/OVMF.fd',
  '/share/defaults/kata-containers/configuration-qemu.toml',
  '/share/kata-containers/plugin.so.1',
  '/sbin/init',
  '/lib/sbin/init',
  '/lib64/libc.so.6',
  '/bin/lib/x',
  '/VERSION',
];
/** What a merge shows of the folders around. */
const around = ['/usr', '/usr/lib', '/usr/lib/extension-release.d', '/usr/lib/extension-release.d/extension-release.kata', '/usr/share'];
const paths = [
  ...inTree.map((path) => `${inside}${path}`),
  ...around,
  ...around.map((path) => `${extension}${path}`),
  ...inTree.map((path) => `${payload}${path}`),
  ...inTree.map((path) => `/var/usrlocal${payload.slice('/usr/local'.length)}${path}`),
  ...[
    '/usr/libexec',
    '/usr/bin',
    '/usr/bin/kata-sysext',
    '/usr/lib/kata-sysext/manifest.json',
    '/usr/lib/systemd/system/kata-sysext.service',
  ],
  ...[
    '/etc/kata-sysext/current',
    '/etc/extensions/kata',
    '/etc/kata-containers/kata-qemu.d/10-x.toml',
    '/etc/containerd/conf.d/kata.toml',
    '/etc/crio/crio.conf.d/50-kata.conf',
    '/etc/systemd/system/kata-sysext.service',
  ],
];

describe('SELinux types', () => {
  for (const { name, folder } of fedoraPolicies())
    it(`are those of the file contexts of ${name} wherever the table calls them stock`, function () {
      needs(this, 'selabel_lookup');
      const contexts = join(folder, 'file_contexts');

      for (const path of paths) {
        const { stdout } = spawnSync('selabel_lookup', ['-b', 'file', '-f', contexts, '-k', path, '-t', 'file'], { encoding: 'utf8' });
        const type = /:object_r:(\w+):/.exec(stdout)?.[1];
        assert.equal(stockLabel('fedora-targeted', path), type, path);
      }
    });

  for (const family of families) {
    it(`of ${family} are the same where a payload lies and where a merge shows it`, () => {
      for (const path of [...inTree.map((each) => `${inside}${each}`), ...around]) {
        assert.equal(stockLabel(family, `${extension}${path}`), stockLabel(family, path), path);
      }
    });

    it(`of ${family} let a VMM run, read and follow what the payload has`, () => {
      // docs/facts/selinux.md#what-a-virtual-machine-may-read: what container_kvm_t may execute, map and follow; neither var_lib_t nor
      // var_t are among them.
      const usable = ['bin_t', 'usr_t', 'lib_t', 'ld_so_t', 'etc_t'];

      for (const place of [inside, payload, '/var/lib/kata-sysext/tree/0a1b']) {
        for (const fileClass of ['shim', 'hypervisor', 'program', 'library', 'data', 'image', 'link'] as const) {
          assert.ok(usable.includes(labelFor(family, `${place}/share/x`, fileClass)));
        }
      }
    });

    it(`of ${family} are not called stock in /var, where restorecon would undo them`, () => {
      assert.equal(stockLabel(family, '/var/lib/kata-sysext/tree/0a1b/bin/qemu-system-x86_64'), undefined);
      assert.equal(labelFor(family, '/var/lib/kata-sysext/journal', 'store'), 'var_lib_t');
    });
  }

  it('of an unknown family are a fault of the program', () => {
    assert.throws(() => labelFor('smack', '/usr', 'data'), /no policy family/);
  });
});
