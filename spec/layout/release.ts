import { existsSync, readFileSync } from 'node:fs';
import type { Bundle, TreeEntry } from '../../cli/bundle/index.ts';
import type { Architecture } from '../../cli/facts/index.ts';
import { type HandlerRow, handlerTable } from '../../cli/layout/index.ts';

const realFolder = new URL('../../../shared/real-data/kata-config/', import.meta.url);

/** The small ones of this project: the same keys, and in comments the same traps. */
const ownFolder = new URL('../lab/release/toml/', import.meta.url);

/** Kata's own file for a handler, where there is a copy of it. */
function realConfiguration(row: HandlerRow): string | undefined {
  return configurationIn(realFolder, row);
}

function configurationIn(folder: URL, row: HandlerRow): string | undefined {
  const file = new URL(`${row.family === 'rust' ? 'rust' : 'go'}/${row.configuration.split('/').at(-1)}`, folder);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

export interface ConfigurationSet {
  /** How titles call it. */
  from: string;
  files: { row: HandlerRow; text: string }[];
}

/** Configurations of all hypervisors: those of this project, and where shared/ lies beside the checkout Kata's own too. */
export function configurationSets(): ConfigurationSet[] {
  const rows = handlerTable.handlers.filter(({ name }) => name !== 'firecracker');
  const sets = [
    { from: 'the small files', folder: ownFolder },
    { from: "Kata's own files", folder: realFolder },
  ].map(({ from, folder }) => ({
    from,
    files: rows.flatMap((row) => {
      const text = configurationIn(folder, row);
      return text === undefined ? [] : [{ row, text }];
    }),
  }));
  const there = sets.filter(({ files }) => files.length > 0);
  if (there.length < sets.length) console.log("      Kata's own configurations are not beside this checkout: the small files alone");
  return there;
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
const binaries: Record<string, string> = {
  qemu: 'qemu-system-ARCH',
  'qemu-no-shared-fs': 'qemu-system-ARCH-no-shared-fs',
  'qemu-snp-experimental': 'qemu-system-ARCH-snp-experimental',
  'qemu-tdx-experimental': 'qemu-system-ARCH-tdx-experimental',
  'cloud-hypervisor': 'cloud-hypervisor',
  firecracker: 'firecracker',
  openvmm: 'openvmm',
};

interface Named {
  handlers: Record<string, Partial<Record<Architecture, Record<string, string | string[]>>>>;
}
const named = (JSON.parse(readFileSync(new URL('named.json', import.meta.url), 'utf8')) as Named).handlers;

/** The files of the release that Kata's own configuration of a handler names, by key: paths below opt/kata, or of the host. */
export function namedFiles(row: HandlerRow, arch: Architecture): Record<string, string | string[]> | undefined {
  return named[row.name === 'firecracker' ? 'fc' : row.name]?.[arch];
}

/** A configuration that names the same files in the same keys as Kata's own does; undefined where Kata makes none. */
function madeConfiguration(row: HandlerRow, arch: Architecture): string | undefined {
  const files = namedFiles(row, arch);
  if (files === undefined) return undefined;
  const full = (path: string) => JSON.stringify(path.startsWith('/') ? path : `/opt/kata/${path}`);
  const entries = Object.entries(files).flatMap(([key, value]) => [value].flat().map((path): [string, string] => [key, path]));
  const patterns: Record<string, string> = {
    path: 'valid_hypervisor_paths',
    virtio_fs_daemon: 'valid_virtio_fs_daemon_paths',
    jailer_path: 'valid_jailer_paths',
  };
  return [
    `[hypervisor.${row.hypervisor}]`,
    ...entries.filter(([key]) => !key.includes('.')).map(([key, path]) => `${key} = ${full(path)}`),
    ...entries.flatMap(([key, path]) => (patterns[key] === undefined ? [] : [`${patterns[key]} = [${full(path)}]`])),
    ...entries
      .filter(([key]) => key.includes('.'))
      .flatMap(([key, path]) => ['', `[[hypervisor.${row.hypervisor}.${key.split('.')[0]}]]`, `path = ${full(path)}`]),
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
  const machine = arch === 'ppc64le' ? 'ppc64' : arch;
  for (const name of Object.values(binaries)) files.set(`bin/${name.replace('ARCH', machine)}`, 1000);
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
  for (const name of ['ovmf/OVMF.fd', 'ovmf/AMDSEV.fd', 'ovmf/OVMF.inteltdx.fd', 'aavmf/AAVMF_CODE.fd', 'aavmf/AAVMF_VARS.fd'])
    files.set(`share/${name}`, 64);
  for (const row of handlerTable.handlers) {
    const real = arch === 'x86_64' ? realConfiguration(row) : undefined;
    const text = real ?? madeConfiguration(row, arch);
    if (text !== undefined) files.set(row.configuration, text);
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
      target === undefined
        ? { path, kind: 'file', mode: kindOf(path) === undefined ? 0o644 : 0o755, sizeBytes }
        : { path, kind: 'symlink', mode: 0o777, target },
    );
  }
  const sources = [{ name: 'kata-static-4.1.0-amd64.tar.zst', digest: `sha256:${'0'.repeat(64)}` as const, sizeBytes: 1 }];
  const sorted = [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { sources, entries: sorted, listing, version: '4.1.0', skippedFiles, skippedBytes };
}

/** What the file of a release is by its bytes; those of a fake one are not there. */
export function kindOf(path: string): 'program' | 'library' | undefined {
  if (/\.so(?:\.|$)/.test(path)) return 'library';
  return /(?:^|\/)(?:bin|libexec)\/[^/]+$/.test(path) ? 'program' : undefined;
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
