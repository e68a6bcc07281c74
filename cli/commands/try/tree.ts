import { join } from 'node:path';
import fs from 'fs-extra';
import { asset } from '../../assets/index.ts';
import { engines } from '../../engines/index.ts';

/** The first bytes of an ELF program for x86-64: enough to tell the architecture of a tree. It cannot run, and nothing here does. */
const elfHead = Buffer.concat([
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]),
  Buffer.alloc(8),
  Buffer.from([3, 0, 62, 0]),
  Buffer.alloc(44),
]);

/** The engine that `try` configures: the first that has a sample. */
export function shownEngine(): { name: string; title: string; version: string; path: string; mode: number; asset: string } {
  const [shown] = engines().flatMap(({ name, title, sample }) => (sample === undefined ? [] : [{ name, title, ...sample }]));
  if (shown === undefined) throw new Error('no engine has a sample');
  return shown;
}

/** A host tree in the layout of Fedora CoreOS, with the configuration of an engine: for `try` and for specs. */
export async function makeHostTree(root: string): Promise<void> {
  const shown = shownEngine();
  const files: [string, string | Buffer, number?][] = [
    ['usr/lib/os-release', 'ID=fedora\nVARIANT_ID=coreos\nVERSION_ID=44\nPRETTY_NAME="Fedora CoreOS 44 (a throw-away tree)"\n'],
    ['usr/lib/systemd/systemd', elfHead, 0o755],
    ['ostree/repo/config', '[core]\nrepo_version=1\nmode=bare\n'],
    ['etc/machine-id', '0123456789abcdef0123456789abcdef\n'],
    [shown.path.slice(1), asset(shown.asset), shown.mode],
  ];
  for (const [path, content, mode] of files) await put(join(root, path), content, mode);
  for (const folder of ['var/usrlocal', 'var/lib', 'var/opt', 'etc/modules-load.d']) await fs.ensureDir(join(root, folder));
  await fs.symlink('../var/usrlocal', join(root, 'usr/local'));
  await fs.symlink('var/opt', join(root, 'opt'));
  await fs.symlink('../usr/lib/os-release', join(root, 'etc/os-release'));
}

/** A release of some kilobytes in the layout of kata-static, as an unpacked folder. Its programs are placeholders that only have bytes. */
export async function makeRelease(folder: string, version: string): Promise<void> {
  const kata = join(folder, 'opt/kata');
  const defaults = 'share/defaults/kata-containers/runtime-rs';
  const files: [string, string, number?][] = [
    ['VERSION', `${version}\n`],
    ['runtime-rs/bin/containerd-shim-kata-v2', `a stand-in for the shim of ${version}\n`, 0o755],
    ['bin/qemu-system-x86_64', `a stand-in for QEMU of ${version}, compiled for /opt/kata/share/kata-qemu/qemu\n`, 0o755],
    ['libexec/virtiofsd', 'a stand-in for virtiofsd\n', 0o755],
    ['share/kata-qemu/qemu/bios-256k.bin', 'a stand-in for a BIOS\n'],
    [`share/kata-containers/vmlinux-${version}`, `a stand-in for the guest kernel of ${version}\n`],
    [`share/kata-containers/kata-${version}.image`, `a stand-in for the guest image of ${version}\n`],
    [`${defaults}/configuration-qemu-runtime-rs.toml`, asset('templates/try/configuration.toml')],
    ['share/kata-containers/vmlinux-nvidia-gpu.container', 'a kernel that the default handler does not need, so it is left out\n'],
  ];
  for (const [path, content, mode] of files) await put(join(kata, path), content, mode);
  await fs.symlink(`vmlinux-${version}`, join(kata, 'share/kata-containers/vmlinux.container'));
  await fs.symlink(`kata-${version}.image`, join(kata, 'share/kata-containers/kata-containers.img'));
  await fs.symlink('configuration-qemu-runtime-rs.toml', join(kata, defaults, 'configuration.toml'));
}

async function put(path: string, content: string | Buffer, mode = 0o644): Promise<void> {
  await fs.outputFile(path, content);
  await fs.chmod(path, mode);
}
