import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { valueAt } from '../../../cli/documents/toml/index.ts';
import { containerd } from '../../../cli/engines/containerd/index.ts';
import type { Instance, WiringPlan } from '../../../cli/engines/types.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { openView } from '../../../cli/host/index.ts';
import type { HostView } from '../../../cli/host/types.ts';
import { type EngineTree, engineTree, handler } from '../trees/engineTree.ts';
import type { Binary } from './containerdBinary.ts';

/** The machine itself, to run a binary on it. */
export const machine = openView('/', {});
export const handlerNames = ['kata-qemu', 'kata-clh'];
export const wantedHandlers = handlerNames.map(handler);

/** Plans on the real file system in a temporary folder, for a daemon that is not running. */
export async function prepared(binary: Binary, files: Record<string, string>, version: string | undefined = binary.version) {
  const tree = await engineTree(files);
  const instance: Instance = {
    engine: 'containerd',
    ...(version === undefined ? {} : { version }),
    binary: binary.path,
    configPath: join(tree.root, 'etc/containerd/config.toml'),
    socket: '/nonexistent',
  };
  const scratch = async (name: string, text: string) => {
    mkdirSync(join(tree.root, 'scratch'), { recursive: true });
    writeFileSync(join(tree.root, 'scratch', name), text);
    return join(tree.root, 'scratch', name);
  };
  const apply = (plan: WiringPlan) => tree.apply(inside(tree, plan));
  return { tree, instance, scratch, apply };
}

function inside(tree: EngineTree, plan: WiringPlan): WiringPlan {
  const cut = (path: string) => path.slice(tree.root.length);
  return {
    ...plan,
    changes: plan.changes.map((change) => ({ ...change, path: cut(change.path) })),
    makeFolders: plan.makeFolders.map((folder) => ({ ...folder, path: cut(folder.path) })),
    dropFolders: plan.dropFolders.map(cut),
  };
}

/** A text that names files of /etc/containerd, for a tree. */
function ofTree(text: string, root: string): string {
  return text.replaceAll(/(["'])\/etc\/containerd\//g, `$1${root}/etc/containerd/`);
}

/**
 * Installs, changes and removes, each foretold on copies and then looked at in the real files: by the binary's own dumps, which may differ
 * in the handlers alone. Gives the method, or the code of what refuses the file, untouched. `live`: the machine, or what it shall seem to be.
 */
export async function roundByDump(binary: Binary, files: Record<string, string>, live: HostView = machine): Promise<string> {
  const { tree, instance, scratch, apply } = await prepared(binary, {});
  const { validate, dumpEffective, compare } = containerd.dump!;
  try {
    for (const [path, text] of Object.entries(files)) await tree.write(path, ofTree(text, tree.root));
    const untouched = tree.everything();
    const install = await containerd.plan(live, instance, wantedHandlers).catch(refusalCode);
    if (typeof install === 'string') {
      assert.deepEqual(tree.everything(), untouched);
      return install;
    }
    const before = await dumpEffective(live, instance).catch(refusalCode);
    if (typeof before === 'string') return 'refused by the binary';
    const foretold = await validate(live, instance, install, scratch).catch(refusalCode);
    if (typeof foretold === 'string') return foretold;
    await apply(install);
    const after = await dumpEffective(live, instance);
    const real = compare(before, after, handlerNames);
    const fewer = await containerd.plan(live, instance, [wantedHandlers[0]!], install.wiring);
    const less = await validate(live, instance, fewer, scratch);
    const remove = await containerd.plan(live, instance, [], install.wiring);
    const gone = await validate(live, instance, remove, scratch);
    await apply(remove);
    const back = compare(before, await dumpEffective(live, instance), []);

    assert.deepEqual([foretold.others, foretold.warnings, real.others, less.others, gone.others, back.others], [[], [], [], [], [], []]);
    const runtimes = pluginIds.map((id) => valueAt(after, ['plugins', id, 'containerd', 'runtimes'])).find(Boolean);
    for (const { name, shim, configuration } of wantedHandlers)
      assert.deepEqual(
        [valueAt(runtimes, [name, 'runtime_path']), valueAt(runtimes, [name, 'options', 'ConfigPath'])],
        [shim, configuration],
      );
    assert.deepEqual(real.ours, foretold.ours);
    assert.equal(gone.ours.length, foretold.ours.length);
    return install.wiring!.method;
  } finally {
    await tree.remove();
  }
}

export const pluginIds = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.runtime'];

function refusalCode(error: unknown): string {
  if (error instanceof KataError && error.code.startsWith('engine-')) return error.code;
  throw error;
}
