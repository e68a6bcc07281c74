import { existsSync, readFileSync } from 'node:fs';
import type { Bundle, TreeEntry } from '../../cli/bundle/index.ts';
import { type Architecture, type HandlerRow, handlerTable } from '../../cli/layout/index.ts';

const realFolder = new URL('../../../shared/real-data/kata-config/', import.meta.url);

/** Kata's own file for a handler, where there is a copy of it. */
export function realConfiguration(row: HandlerRow): string | undefined {
  const file = new URL(`${row.family === 'rust' ? 'rust' : 'go'}/${row.configuration.split('/').at(-1)}`, realFolder);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

const images: Record<string, string> = {
  'rootfs-image': 'kata-containers.img',
  'rootfs-image-confidential': 'kata-containers-confidential.img',
  'rootfs-image-mariner': 'kata-containers-mariner.img',
  'rootfs-image-nvidia': 'kata-containers-nvidia.img',
  'rootfs-image-nvidia-gpu': 'kata-containers-nvidia-gpu.img',
  'rootfs-image-nvidia-gpu-confidential': 'kata-containers-nvidia-gpu-confidential.img',
};
const initrds: Record<string, string> = {
  'rootfs-initrd': 'kata-containers-initrd.img',
  'rootfs-initrd-confidential': 'kata-containers-initrd-confidential.img',
};
const extensions: Record<string, string> = {
  'rootfs-image-coco-extension': 'kata-containers-coco-extension.img',
  'rootfs-image-nvidia-gpu-extension': 'kata-containers-nvidia-gpu-extension.img',
};
const kernels: Record<string, string> = {
  kernel: 'vmlinux.container',
  'kernel-nvidia-gpu': 'vmlinux-nvidia-gpu.container',
  'kernel-dragonball-experimental': 'vmlinux-dragonball-experimental.container',
  'boot-image-se': 'kata-containers-se.img',
  'boot-image-se-runtime-rs': 'kata-containers-se-runtime-rs.img',
};
const firmware: Record<string, string> = { ovmf: 'ovmf/OVMF.fd', 'ovmf-sev': 'ovmf/AMDSEV.fd', 'ovmf-tdx': 'ovmf/OVMF.inteltdx.fd' };
const binaries: Record<string, string> = {
  qemu: 'qemu-system-ARCH',
  'qemu-no-shared-fs': 'qemu-system-ARCH-no-shared-fs',
  'qemu-snp-experimental': 'qemu-system-ARCH-snp-experimental',
  'qemu-tdx-experimental': 'qemu-system-ARCH-tdx-experimental',
  'cloud-hypervisor': 'cloud-hypervisor',
  firecracker: 'firecracker',
  openvmm: 'openvmm',
};

/** A configuration of the shape that Kata's have, for a handler of which there is no copy. */
function madeConfiguration(row: HandlerRow, arch: Architecture): string {
  const components = row.components[arch] ?? [];
  const first = (table: Record<string, string>): string | undefined =>
    components.map((name) => table[name]).find((value) => value !== undefined);
  const line = (key: string, folder: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`${key} = "/opt/kata/${folder}/${value}"`];
  const boot = components.find((name) => name.startsWith('boot-image'));
  return [
    `[hypervisor.${row.hypervisor}]`,
    ...line('path', 'bin', first(binaries)?.replace('ARCH', arch)),
    ...line('kernel', 'share/kata-containers', boot === undefined ? first(kernels) : kernels[boot]),
    ...(first(images) === undefined
      ? line('initrd', 'share/kata-containers', first(initrds))
      : line('image', 'share/kata-containers', first(images))),
    ...line('firmware', 'share', first(firmware)),
    ...line('virtio_fs_daemon', 'libexec', components.includes('virtiofsd') ? 'virtiofsd' : undefined),
    ...components.flatMap((name) =>
      extensions[name]
        ? [`[[hypervisor.${row.hypervisor}.guest_extension_images]]`, ...line('path', 'share/kata-containers', extensions[name])]
        : [],
    ),
    '',
  ].join('\n');
}

/** A release of both archives for one architecture as names, links, sizes and configurations. */
export interface FakeRelease {
  /** path → content of a configuration, size of another file, or ['link', target]. */
  files: Map<string, string | number | ['link', string]>;
  arch: Architecture;
}

export function completeRelease(arch: Architecture = 'x86_64'): FakeRelease {
  const files: FakeRelease['files'] = new Map();
  const kata = 'share/kata-containers';
  files.set('VERSION', '4.1.0\n').set('versions.yaml', 'x\n');
  for (const name of Object.values(binaries)) files.set(`bin/${name.replace('ARCH', arch)}`, 1000);
  for (const name of ['bin/jailer', 'bin/containerd-shim-kata-v2', 'bin/kata-runtime', 'runtime-rs/bin/containerd-shim-kata-v2'])
    files.set(name, 1000);
  for (const name of ['libexec/virtiofsd', 'libexec/nydusd', 'lib/kata-qemu/libz.so.1', 'lib/kata-qemu-modules/accel-tcg.so'])
    files.set(name, 100);
  for (const flavour of ['', '-no-shared-fs', '-snp-experimental', '-tdx-experimental'])
    files.set(`share/kata-qemu${flavour}/qemu/bios-256k.bin`, 256);
  for (const suffix of ['', '-nvidia-gpu', '-dragonball-experimental', '-debug']) {
    for (const kind of ['vmlinux', 'vmlinuz']) {
      files.set(`${kata}/${kind}-6.18.35-202${suffix}`, 10_000);
      files.set(`${kata}/${kind}${suffix}.container`, ['link', `${kind}-6.18.35-202${suffix}`]);
    }
    files.set(`${kata}/config-6.18.35-202${suffix}`, 10);
  }
  for (const name of [...Object.values(images), ...Object.values(extensions)]) {
    const variant = name.replace('kata-containers', '').replace('.img', '').replace('nvidia-gpu', 'nvidia-gpu-595.58.03');
    files.set(`${kata}/kata-ubuntu-resolute${variant}.image`, 100_000);
    files.set(`${kata}/${name}`, ['link', `kata-ubuntu-resolute${variant}.image`]);
  }
  for (const name of Object.values(initrds)) {
    const variant = name.includes('confidential') ? '-confidential' : '';
    files.set(`${kata}/kata-ubuntu-resolute${variant}.initrd`, 50_000);
    files.set(`${kata}/${name}`, ['link', `kata-ubuntu-resolute${variant}.initrd`]);
  }
  for (const name of ['kata-containers-se.img', 'kata-containers-se-runtime-rs.img']) files.set(`${kata}/${name}`, 100);
  for (const name of ['ovmf/OVMF.fd', 'ovmf/AMDSEV.fd', 'ovmf/OVMF.inteltdx.fd', 'aavmf/AAVMF_CODE.fd']) files.set(`share/${name}`, 64);
  for (const row of handlerTable.handlers) {
    const real = arch === 'x86_64' ? realConfiguration(row) : undefined;
    files.set(row.configuration, real ?? madeConfiguration(row, arch));
  }
  files.set('share/defaults/kata-containers/configuration.toml', ['link', 'configuration-qemu.toml']);
  files.set('share/defaults/kata-containers/runtime-rs/configuration.toml', ['link', 'configuration-qemu-runtime-rs.toml']);
  return { files, arch };
}

/** The release as `readBundles` gives it. */
export function bundleOf({ files }: FakeRelease, keep: (path: string) => boolean = () => true): Bundle {
  const listing: Bundle['listing'] = new Map();
  const entries = new Map<string, TreeEntry>();
  let skippedFiles = 0;
  let skippedBytes = 0;
  for (const [path, content] of files) {
    const target = Array.isArray(content) ? content[1] : undefined;
    const sizeBytes = typeof content === 'number' ? content : typeof content === 'string' ? content.length : 0;
    const kind = target === undefined ? 'file' : 'symlink';
    for (const folder of parents(path)) listing.set(folder, { kind: 'directory', sizeBytes: 0 });
    listing.set(path, { kind, sizeBytes, ...(target === undefined ? {} : { target }) });
    if (!keep(path)) {
      if (kind === 'file') skippedFiles++;
      skippedBytes += sizeBytes;
      continue;
    }
    for (const folder of parents(path)) entries.set(folder, { path: folder, kind: 'directory', mode: 0o755 });
    entries.set(
      path,
      target === undefined ? { path, kind: 'file', mode: 0o644, sizeBytes } : { path, kind: 'symlink', mode: 0o777, target },
    );
  }
  const sources = [{ name: 'kata-static-4.1.0-amd64.tar.zst', digest: `sha256:${'0'.repeat(64)}` as const, sizeBytes: 1 }];
  const sorted = [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { sources, entries: sorted, listing, version: '4.1.0', skippedFiles, skippedBytes };
}

export function readerOf({ files }: FakeRelease): (path: string) => string {
  return (path) => {
    const content = files.get(path);
    if (typeof content !== 'string') throw new Error(`nobody should read ${path}`);
    return content;
  };
}

function parents(path: string): string[] {
  return path
    .split('/')
    .slice(0, -1)
    .map((_, at, all) => all.slice(0, at + 1).join('/'));
}
