import type { Member } from './tar.ts';
import type { Tomls } from './toml.ts';

export type Archive = 'static' | 'go';

/** What a release is made of. Names are file names; the bytes are real ones (sample) or dummies (tiny). */
export interface Parts {
  qemu: Buffer;
  virtiofsd: Buffer;
  /** shared libraries of QEMU and virtiofsd */
  libraries: Record<string, Buffer>;
  /** modules that QEMU loads by name */
  modules: Record<string, Buffer>;
  roms: Record<string, Buffer>;
  kernel: { name: string; bytes: Buffer };
  initrd: Buffer;
  image: Buffer;
  /** the shim of each archive */
  shim: Record<Archive, Buffer>;
  tomls: Tomls;
  /** further files of an archive below opt/kata: path → bytes, executable where they lie in bin/ or libexec/ */
  extra?: Record<string, Buffer>;
}

/** The members of one release archive, laid out as Kata 4.1's own (facts: ./opt/kata/ first, owner 0:0, real files + links). */
export function membersOf(version: string, archive: Archive, parts: Parts): Member[] {
  const files = new Map<string, Member>();
  const file = (path: string, bytes: Buffer | string, mode = /^(bin|libexec|runtime-rs\/bin)\//.test(path) ? 0o755 : 0o644): void => {
    files.set(path, { path: `./opt/kata/${path}`, kind: 'file', bytes: Buffer.from(bytes), mode });
  };
  const link = (path: string, target: string): void => {
    files.set(path, { path: `./opt/kata/${path}`, kind: 'link', target });
  };
  file('VERSION', `${version}\n`);
  file('versions.yaml', versionsYaml(version));
  file('bin/qemu-system-x86_64', parts.qemu);
  file('libexec/virtiofsd', parts.virtiofsd);
  for (const [name, bytes] of Object.entries(parts.libraries)) file(`lib/kata-qemu/${name}`, bytes);
  for (const [name, bytes] of Object.entries(parts.modules)) file(`lib/kata-qemu-modules/${name}`, bytes);
  for (const [name, bytes] of Object.entries(parts.roms)) file(`share/kata-qemu/qemu/${name}`, bytes);
  const guest = 'share/kata-containers';
  file(`${guest}/${parts.kernel.name}`, parts.kernel.bytes);
  link(`${guest}/vmlinuz.container`, parts.kernel.name);
  // the sample's kernel is one bzImage; QEMU boots it under either name
  link(`${guest}/vmlinux.container`, parts.kernel.name);
  file(`${guest}/kata-ubuntu-resolute.image`, parts.image);
  file(`${guest}/kata-ubuntu-resolute.initrd`, parts.initrd);
  link(`${guest}/kata-containers.img`, 'kata-ubuntu-resolute.image');
  link(`${guest}/kata-containers-initrd.img`, 'kata-ubuntu-resolute.initrd');
  if (archive === 'go') goFiles(version, parts, file, link);
  else rustFiles(parts, file, link);
  for (const [path, bytes] of Object.entries(parts.extra ?? {})) file(path, bytes);
  return withFolders([...files.values()]);
}

type PutFile = (path: string, bytes: Buffer | string) => void;
type PutLink = (path: string, target: string) => void;

function goFiles(version: string, parts: Parts, file: PutFile, link: PutLink): void {
  file('bin/containerd-shim-kata-v2', parts.shim.go);
  file('bin/kata-runtime', `#!/bin/sh\n# the lab's stand-in\necho "kata-runtime  : ${version}"\n`);
  file('bin/kata-collect-data.sh', "#!/bin/sh\n# the lab's stand-in\nexit 0\n");
  for (const [name, bytes] of Object.entries(parts.tomls.go)) file(`share/defaults/kata-containers/${name}`, bytes);
  link('share/defaults/kata-containers/configuration.toml', 'configuration-qemu.toml');
}

function rustFiles(parts: Parts, file: PutFile, link: PutLink): void {
  file('runtime-rs/bin/containerd-shim-kata-v2', parts.shim.static);
  for (const [name, bytes] of Object.entries(parts.tomls.rust)) file(`share/defaults/kata-containers/runtime-rs/${name}`, bytes);
  link('share/defaults/kata-containers/runtime-rs/configuration.toml', 'configuration-qemu-runtime-rs.toml');
  // dangling in the real archive too: the shim's build script makes it for the Go files that are not in this one
  link('share/defaults/kata-containers/configuration.toml', 'configuration-qemu.toml');
}

function withFolders(files: Member[]): Member[] {
  const folders = new Set<string>(['./']);
  for (const { path } of files) {
    const names = path.split('/');
    for (let depth = 2; depth < names.length; depth++) folders.add(`${names.slice(0, depth).join('/')}/`);
  }
  const all: Member[] = [...[...folders].map((path): Member => ({ path, kind: 'folder' })), ...files];
  return all.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function versionsYaml(version: string): string {
  return `# the lab's sample release ${version}: Debian's parts, not Kata's\nassets:\n  hypervisor:\n    qemu:\n      version: "v7.2.0"\n  kernel:\n    version: "v6.1"\nexternals:\n  virtiofsd:\n    version: "7.2.0"\n`;
}
