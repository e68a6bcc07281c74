import assert from 'node:assert/strict';
import toml from '@iarna/toml';
import { editConfiguration } from '../../cli/components/index.ts';
import { KataError } from '../../cli/errors/index.ts';
import { releaseTomls } from '../lab/release/index.ts';

const tomls = releaseTomls();
const rust = tomls.rust['configuration-qemu-runtime-rs.toml']!.toString();
const own = (kind: string) => `/opt/kata/share/kata-sysext/mine.${kind}`;
const mine = { alias: 'mine', base: 'kata-qemu-runtime-rs', hypervisor: 'qemu' };

/** Lines that differ, by their text. */
function changes(before: string, after: string): { gone: string[]; come: string[] } {
  const [a, b] = [before.split('\n'), after.split('\n')];
  return { gone: a.filter((line) => !b.includes(line)), come: b.filter((line) => !a.includes(line)) };
}

describe('the configuration of an alias with files of the user', () => {
  it('differs from that of its base in one line for a kernel', () => {
    const text = editConfiguration(rust, { ...mine, files: [{ kind: 'kernel', name: 'vmlinux' }] });

    assert.deepEqual(changes(rust, text), {
      gone: ['kernel = "/opt/kata/share/kata-containers/vmlinux.container"'],
      come: [`kernel = "${own('kernel')}"`],
    });
    assert.equal(text.split('\n').length, rust.split('\n').length);
  });

  it('has an image of its own, and the file system of that image', () => {
    const text = editConfiguration(rust, { ...mine, files: [{ kind: 'image', name: 'root.img', fileSystem: 'erofs' }] });

    assert.deepEqual(changes(rust, text).come, [`image = "${own('image')}"`, 'rootfs_type = "erofs"']);
  });

  it('keeps the file system where the image has the same one', () => {
    const text = editConfiguration(rust, { ...mine, files: [{ kind: 'image', name: 'root.img', fileSystem: 'ext4' }] });

    assert.deepEqual(changes(rust, text).come, [`image = "${own('image')}"`]);
  });

  it('has an initrd and no image: both runtimes refuse both', () => {
    const text = editConfiguration(rust, { ...mine, files: [{ kind: 'initrd', name: 'initrd.gz' }] });

    const { image, initrd } = (toml.parse(text) as { hypervisor: { qemu: Record<string, string> } }).hypervisor.qemu;
    assert.deepEqual([image, initrd], ['', own('initrd')]);
    assert.deepEqual(changes(rust, text).come, [`initrd = "${own('initrd')}"`, 'image = ""']);
  });

  it('has an image and no initrd where the base boots an initrd, as on ppc64le', () => {
    const base = rust.replace(
      'image = "/opt/kata/share/kata-containers/kata-containers.img"',
      'initrd = "/opt/kata/share/kata-containers/kata-containers-initrd.img"',
    );

    const text = editConfiguration(base, { ...mine, files: [{ kind: 'image', name: 'root.img', fileSystem: 'ext4' }] });

    assert.deepEqual(changes(base, text).come, [`image = "${own('image')}"`, 'initrd = ""']);
  });

  it('drops the hash tree of the image of the release', () => {
    const base = rust.replace('firmware = ""', 'firmware = ""\nkernel_verity_params = "root_hash=abc,salt=def"');

    const kernel = editConfiguration(base, { ...mine, files: [{ kind: 'kernel', name: 'vmlinux' }] });
    const image = editConfiguration(base, { ...mine, files: [{ kind: 'image', name: 'root.img', fileSystem: 'ext4' }] });

    assert.match(kernel, /^kernel_verity_params = "root_hash=abc,salt=def"$/m);
    assert.match(image, /^kernel_verity_params = ""$/m);
  });

  it('keeps every other byte of every configuration of a release, CRLF and a missing last line end included', () => {
    for (const [name, bytes] of [...Object.entries(tomls.rust), ...Object.entries(tomls.go)]) {
      const hypervisor = /^\[hypervisor\.(\w+)\]/m.exec(bytes.toString())![1]!;
      for (const base of [bytes.toString(), bytes.toString().replaceAll('\n', '\r\n'), bytes.toString().trimEnd()]) {
        if (!/^kernel = /m.test(base)) continue;
        const text = editConfiguration(base, { alias: 'mine', base: name, hypervisor, files: [{ kind: 'kernel', name: 'vmlinux' }] });

        assert.equal(text.replace(own('kernel'), /^kernel = "(.*)"/m.exec(base)![1]!), base, name);
      }
    }
  });

  it('is refused where the base has no such key, naming what helps', () => {
    const base = rust.replace('firmware = ""\n', '');

    assert.throws(
      () => editConfiguration(base, { ...mine, files: [{ kind: 'firmware', name: 'OVMF.fd' }] }),
      (error) =>
        error instanceof KataError &&
        error.code === 'component-unfit' &&
        /has no key hypervisor\.qemu\.firmware/.test(error.complaint.found),
    );
  });
});
