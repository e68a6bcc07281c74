import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, rmdir, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Instance, WantedHandler, WiringPlan } from '../../../cli/engines/types.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { openView } from '../../../cli/host/index.ts';
import type { HostView } from '../../../cli/host/types.ts';
import { scratch } from './treeHost.ts';

/** A host tree in a temporary folder, for planners: they get the reading half, the spec applies what they plan. */
export interface EngineTree {
  root: string;
  host: HostView;
  write(path: string, text: string | Buffer): Promise<void>;
  read(path: string): Promise<string>;
  bytes(path: string): Promise<Buffer>;
  /** Does what a plan says, in its order. */
  apply(plan: WiringPlan): Promise<void>;
  /** Every file with its bytes. */
  everything(): Record<string, string>;
  remove(): Promise<void>;
}

export async function engineTree(files: Record<string, string | Buffer> = {}): Promise<EngineTree> {
  const root = scratch('engine');
  const tree: EngineTree = {
    root,
    host: openView(root, {}),
    async write(path, text) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    },
    read: (path) => readFile(join(root, path), 'utf8'),
    bytes: (path) => readFile(join(root, path)),
    async apply(plan) {
      for (const { path, mode } of plan.makeFolders) {
        await mkdir(join(root, path));
        await chmod(join(root, path), mode);
      }
      for (const change of plan.changes) {
        if (change.after === 'absent') await unlink(join(root, change.path));
        else await writeFile(join(root, change.path), change.after.text);
      }
      for (const folder of plan.dropFolders) await rmdir(join(root, folder)).catch(() => undefined);
    },
    everything() {
      const found: Record<string, string> = {};
      for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        found[path.slice(root.length)] = entry.isFile() ? `file ${readBytes(path)}` : 'folder';
      }
      return found;
    },
    remove: () => rm(root, { recursive: true, force: true }),
  };
  for (const [path, text] of Object.entries(files)) await tree.write(path, text);
  return tree;
}

function readBytes(path: string): string {
  return readFileSync(path).toString('latin1');
}

export function handler(name: string): WantedHandler {
  return {
    name,
    shim: '/etc/kata-sysext/current/payload/bin/containerd-shim-kata-v2',
    configuration: `/etc/kata-sysext/current/config/${name}/configuration.toml`,
  };
}

export function instanceOf(version?: string, configPath = '/etc/containerd/config.toml'): Instance {
  return { engine: 'containerd', configPath, socket: '/run/containerd/containerd.sock', ...(version === undefined ? {} : { version }) };
}

/** Makes trees for the specs of a describe; each is removed after the spec that made it. */
export function treesOfSpec(): (files?: Record<string, string | Buffer>) => Promise<EngineTree> {
  let made: EngineTree[] = [];
  afterEach(async () => {
    for (const tree of made) await tree.remove();
    made = [];
  });
  return async (files) => {
    const tree = await engineTree(files);
    made.push(tree);
    return tree;
  };
}

/** The code that something is refused with, or 'no error'. */
export async function refusalOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    if (error instanceof KataError) return error.code;
    throw error;
  }
}
