import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ownArchitecture } from '../facts/index.ts';
import type { TargetTree } from '../generate/index.ts';

/** e_machine of the two architectures that Kata is published for. */
const machines: Record<string, number> = { x86_64: 62, aarch64: 183 };

/**
 * A host tree like that of a target before Kata: what an offline installation looks at, and nothing else. `files` are those of the node's
 * own that it looks at, by their paths; `folders` are there already, so that an uninstall keeps them.
 */
export async function makeTargetTree(
  root: string,
  { osRelease, ostree, systemd }: TargetTree,
  { files, folders: more }: { files: Record<string, Buffer>; folders: string[] },
): Promise<void> {
  const folders = ['var/lib', 'var/usrlocal', 'var/opt', 'run', 'usr/bin', ...more];
  for (const folder of folders) await mkdir(join(root, folder), { recursive: true });
  await put(join(root, 'usr/lib/os-release'), osRelease);
  await put(join(root, 'usr/lib/systemd/systemd'), elfHead());
  if (systemd !== undefined) {
    await put(join(root, `usr/lib/systemd/libsystemd-shared-${systemd}.so`), '');
    await put(join(root, 'usr/lib/systemd/system/systemd-sysext.service'), '');
  }
  for (const [path, content] of Object.entries(files)) await put(join(root, path), content, 0o644);
  await symlink('../usr/lib/os-release', join(root, 'etc/os-release'));
  if (!ostree) return;
  await put(join(root, 'ostree/repo/config'), '[core]\nrepo_version=1\n');
  await symlink('../var/usrlocal', join(root, 'usr/local'));
  await symlink('var/opt', join(root, 'opt'));
}

/** A release for another architecture is refused by this. */
function elfHead(): Buffer {
  const head = Buffer.alloc(64);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  head.writeUInt16LE(3, 16);
  head.writeUInt16LE(machines[ownArchitecture() ?? ''] ?? 0, 18);
  return head;
}

async function put(path: string, content: string | Buffer, mode = 0o755): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content, { mode });
}
