import { rmSync } from 'node:fs';
import { cri as containerdCri } from '../../../cli/engines/containerd/cri.ts';
import type { Engine, Instance } from '../../../cli/engines/index.ts';
import type { Host } from '../../../cli/host/index.ts';
import type { PodSession } from '../../../cli/pod/index.ts';
import { findGeneration, type Generation } from '../../../cli/store/index.ts';
import { type FakeCri, fakeCri } from '../fakeCri.ts';
import { type ScriptedSystemd, scriptedSystemd } from '../scriptedSystemd.ts';
import { type GenerationTree, generationTree } from './generationTree.ts';
import { put } from './hostTrees.ts';

/** A tree with a generation of some handlers, and an engine that starts pods of them. */
export interface PodTree extends GenerationTree {
  live: Host;
  cri: FakeCri;
  systemd: ScriptedSystemd;
  instance: Instance;
  generation: Generation;
  session(more?: Partial<PodSession>): PodSession;
  remove(): void;
}

export const socket = '/run/c.sock';

export async function podTree(handlers = ['kata-qemu']): Promise<PodTree> {
  const tree = generationTree();
  const manifest = tree.add(1);
  const all = handlers.map((name) => ({ ...manifest.handlers[0]!, name }));
  put(tree.root, 'var/lib/kata-sysext/generations/1/manifest.json', JSON.stringify({ ...manifest, handlers: all }));
  for (const name of handlers) put(tree.root, `${configFolder}/${name}/configuration.toml`, '[hypervisor.qemu]\npath = "/x"\n');
  tree.activate(1);
  processIn(tree, process.pid, '4242');
  put(tree.root, 'proc/sys/kernel/osrelease', '6.1.0-host\n');
  const cri = await fakeCri(tree.path('run/c.sock'), ['runc', ...handlers]);
  const systemd = scriptedSystemd(() => undefined);
  const live: Host = { ...tree.host, live: true, booted: true, systemd: async () => systemd.systemd };
  const engine = { name: 'containerd', cri: containerdCri } as unknown as Engine;
  const instance: Instance = { engine: 'containerd', configPath: '/etc/containerd/config.toml', socket, unit: 'containerd.service' };
  const session: PodTree['session'] = (more) => ({
    host: live,
    engine,
    instance,
    request: { handlers: [], timeoutSeconds: 60 },
    emit: () => undefined,
    signal: new AbortController().signal,
    ...more,
  });
  return {
    ...tree,
    live,
    cri,
    systemd,
    instance,
    generation: (await findGeneration(tree.host, 1))!,
    session,
    remove: () => {
      cri.stop();
      rmSync(tree.root, { recursive: true, force: true });
    },
  };
}

export const configFolder = 'var/lib/kata-sysext/generations/1/config';

/** A process as /proc shows it: its start in ticks is the 22nd field, and its name may hold anything. */
export function processIn({ root }: Pick<GenerationTree, 'root'>, pid: number, started: string, name = 'a) S 1 (b'): void {
  put(root, `proc/${pid}/stat`, `${pid} (${name}) S ${'1 '.repeat(18)}${started} 0 0\n`);
}
