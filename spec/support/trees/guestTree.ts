import { rmSync } from 'node:fs';
import { bootGuests, type GuestBoot, type GuestRequest } from '../../../cli/guest/index.ts';
import type { Host } from '../../../cli/host/index.ts';
import { findGeneration } from '../../../cli/store/index.ts';
import { type GenerationTree, generationTree } from './generationTree.ts';
import { put } from './hostTrees.ts';

/** A tree with handlers whose hypervisor is a shell script: what it prints is what a guest shows. */
export interface GuestTree extends GenerationTree {
  host: Host;
  /** The generation's own configuration of a handler, or a fragment of the administrator's. */
  configure(handler: string, toml: string, fragment?: string): void;
  /** The hypervisor's text, at the path that the configurations name. */
  hypervisor(script: string): void;
  boot(request?: Partial<GuestRequest>, more?: { changed?: boolean; signal?: AbortSignal }): Promise<GuestBoot[]>;
  remove(): void;
}

const program = '/opt/kata/bin/qemu';
const usual = `[hypervisor.qemu]\npath = "${program}"\nkernel = "/opt/kata/vmlinux"\ninitrd = "/opt/kata/initrd"\n`;

/** Lines of a guest that comes up. */
export const comesUp = `printf 'Linux version 6.12.47 (x)\\r\\n[    0.5] Run /init as init process\\r\\nhello\\r\\n'; sleep 60`;

export async function guestTree(handlers: { name: string; family?: 'go' | 'rust'; hypervisor?: string }[]): Promise<GuestTree> {
  const tree = generationTree();
  const manifest = tree.add(1);
  const all = handlers.map((each) => ({ ...manifest.handlers[0]!, ...each }));
  put(tree.root, 'var/lib/kata-sysext/generations/1/manifest.json', JSON.stringify({ ...manifest, handlers: all }));
  tree.activate(1);
  const configure: GuestTree['configure'] = (handler, toml, fragment) =>
    put(
      tree.root,
      fragment === undefined
        ? `var/lib/kata-sysext/generations/1/config/${handler}/configuration.toml`
        : `etc/kata-containers/${handler}.d/${fragment}`,
      toml,
    );
  for (const { name } of handlers) configure(name, usual);
  for (const path of ['opt/kata/vmlinux', 'opt/kata/initrd', 'dev/kvm']) put(tree.root, path, 'x');
  const hypervisor = (script: string) => put(tree.root, program, `#!/bin/sh\n${script}\n`, 0o755);
  hypervisor(comesUp);
  const own = tree.host;
  const host: Host = { ...own, booted: true, watch: async (path, args, options) => own.watch(await own.locate(path), args, options) };
  return {
    ...tree,
    host,
    configure,
    hypervisor,
    boot: async (request, { changed = false, signal = new AbortController().signal } = {}) =>
      bootGuests(
        host,
        (await findGeneration(own, 1))!,
        { handlers: [], tcg: false, timeoutSeconds: 60, ...request },
        { changed, signal, emit: () => undefined },
      ),
    remove: () => rmSync(tree.root, { recursive: true, force: true }),
  };
}
