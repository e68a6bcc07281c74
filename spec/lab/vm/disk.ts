import { readFileSync } from 'node:fs';
import { chmod, cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from '../cache.ts';
import { CNI } from '../containerd.ts';
import { debianRoot } from '../roots.ts';
import { run } from '../run.ts';
import { vmContainerdConfig } from './engine.ts';
import { vmRoot } from './root.ts';

export type FileSystem = 'ext4' | 'xfs';

/** A host's disk: never started from itself, only from overlays and copies. */
export interface Disk {
  folder: string;
  /** raw, sparse, one file system without partitions */
  file: string;
  /** the private key that lets the lab in */
  key: string;
}

/**
 * The commits in the repository of each disk: what it is deployed with, an update of the OS, and one with forky's containerd 2 and its
 * configuration. Where forky cannot be installed today (`suiteAvailable`), the last has the same engine as the others.
 */
export const REFS = { first: 'lab/first', second: 'lab/second', engine: 'lab/engine' } as const;
export const VERSIONS: Record<keyof typeof REFS, string> = { first: '13', second: '13.1', engine: '13.2' };

const SCRIPTS = ['policy.sh', 'tree.sh', 'initramfs.sh', 'init', 'disk.sh'];
const scripts = join(import.meta.dirname, 'build');
/** What Debian's policy lacks for Kata. */
const policyModule = join(import.meta.dirname, '../../../examples/selinux/kata-reference.cil');
const ENGINE = ['containerd', 'containerd-shim-runc-v2', 'ctr'];

/** A real ostree deployment on a disk of its own, made once by content: about a minute. */
export async function vmDisk(fileSystem: FileSystem = 'ext4'): Promise<Disk> {
  const root = await vmRoot();
  const newer = await debianRoot('forky').catch(() => root);
  const schema = newer === root ? 2 : 3;
  const texts = SCRIPTS.map((name) => readFileSync(join(scripts, name), 'utf8'));
  const inputs = [
    root,
    newer,
    fileSystem,
    ...texts,
    readFileSync(policyModule, 'utf8'),
    ...ENGINE,
    ...Object.values(etc()),
    vmContainerdConfig(schema),
  ];
  const folder = await cached(`vm-disk-${fileSystem}`, inputs, (into) => build(into, root, { newer, schema, fileSystem }));
  return { folder, file: join(folder, 'disk.raw'), key: join(folder, 'key') };
}

function etc(): Record<string, string> {
  return { 'containerd/config.toml': vmContainerdConfig(2), 'cni/net.d/10-lab.conflist': CNI };
}

interface Variant {
  newer: string;
  schema: 2 | 3;
  fileSystem: FileSystem;
}

async function build(into: string, root: string, { newer, schema, fileSystem }: Variant): Promise<void> {
  const work = join(into, 'work');
  const [tree, files, engine] = [join(work, 'tree'), join(work, 'etc'), join(work, 'engine')];
  for (const [path, text] of Object.entries(etc())) await put(join(files, path), text);
  await put(join(work, 'engine.toml'), vmContainerdConfig(schema));
  await mkdir(engine);
  for (const name of ENGINE) await cp(join(newer, 'usr/bin', name), join(engine, name));
  await run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'lab', '-f', join(into, 'key')]);
  await run(['cp', '-a', root, tree]);
  await script('policy.sh', [tree, policyModule]);
  await script('tree.sh', [tree, join(into, 'key.pub')], { LAB_FILES: files });
  await script('initramfs.sh', [tree, work]);
  await script('disk.sh', [root, tree, work, into, fileSystem, engine, join(work, 'engine.toml')]);
  await chmod(join(into, 'key'), 0o600);
  await rm(work, { recursive: true });
}

async function put(file: string, text: string): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, text);
}

/** In a mount namespace of its own: whatever happens, no mount stays. */
async function script(name: string, args: string[], env: Record<string, string> = {}): Promise<void> {
  await run(['unshare', '--mount', '--propagation', 'private', 'bash', join(scripts, name), ...args], { timeoutMs: 1_200_000, env });
}
