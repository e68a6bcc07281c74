import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Offline trees in the layout of the hosts that the program is for: docs/facts/hosts.md#layouts. Their programs are ELF heads only. */
export type TreeName = 'fcos' | 'rhcos' | 'flatcar' | 'microos';

const elfHead = Buffer.concat([
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]),
  Buffer.alloc(8),
  Buffer.from([3, 0, 62, 0]),
  Buffer.alloc(44),
]);
const v2 = `# Node configuration
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "pause:3.10"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`;
const v3 = `version = 3
imports = ["/etc/containerd/conf.d/*.toml"]
[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "runc"
`;

interface Tree {
  osRelease: string;
  ostree: boolean;
  links: Record<string, string>;
  config: string;
  engine: string;
}

const rows: Record<TreeName, Tree> = {
  fcos: {
    osRelease: 'ID=fedora\nVARIANT_ID=coreos\nVERSION_ID=44\n',
    ostree: true,
    links: { 'usr/local': '../var/usrlocal', opt: 'var/opt', root: 'var/roothome' },
    config: v2,
    engine: 'containerd@1.7',
  },
  rhcos: {
    osRelease: 'ID=rhel\nVARIANT_ID=coreos\nOPENSHIFT_VERSION=4.19\nVERSION_ID=9.6\n',
    ostree: true,
    links: { 'usr/local': '../var/usrlocal', opt: 'var/opt' },
    config: v2.replace(/\n$/, ''),
    engine: 'containerd@1.7.24',
  },
  flatcar: {
    osRelease: 'ID=flatcar\nVERSION_ID=4593.2.0\nSYSEXT_LEVEL=1.0\n',
    ostree: false,
    links: {},
    config: v2.replaceAll('\n', '\r\n'),
    engine: 'containerd@2.1',
  },
  microos: { osRelease: 'ID=opensuse-microos\nVERSION_ID=20260304\n', ostree: false, links: {}, config: v3, engine: 'containerd@2.2' },
};

/** Makes the tree below `root` and gives the `--engine` value that fits it. */
export function makeTree(name: TreeName, root: string): string {
  const row = rows[name];
  put(root, 'usr/lib/os-release', row.osRelease);
  put(root, 'usr/lib/systemd/systemd', elfHead, 0o755);
  put(root, 'etc/machine-id', '0123456789abcdef0123456789abcdef\n');
  put(root, 'etc/containerd/config.toml', row.config, 0o640);
  put(root, 'etc/hostname', `${name}\n`);
  if (row.ostree) put(root, 'ostree/repo/config', '[core]\nrepo_version=1\n');
  for (const folder of ['var/lib', 'var/usrlocal', 'var/opt', 'run', 'usr/bin']) mkdirSync(join(root, folder), { recursive: true });
  for (const [path, target] of Object.entries(row.links)) symlinkSync(target, join(root, path));
  symlinkSync('../usr/lib/os-release', join(root, 'etc/os-release'));
  if (name === 'microos') mkdirSync(join(root, 'etc/containerd/conf.d'));
  return row.engine;
}

export const treeNames = Object.keys(rows) as TreeName[];

/** A copy with owners, modes, links and xattrs. */
export function copyTree(from: string, to: string): void {
  // Node's cpSync keeps neither owners nor xattrs.
  execFileSync('cp', ['-a', '--', `${from}/.`, to]);
}

export function put(root: string, path: string, content: string | Buffer, mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
  chmodSync(join(root, path), mode);
}
