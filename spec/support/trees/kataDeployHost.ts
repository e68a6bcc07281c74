import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type InProcessTree, inProcessTree } from './inProcessTree.ts';
import type { KataDeployShape } from './kataDeploy.ts';

/** The host before kata-deploy, and with it. */
export function hostOf(shape: KataDeployShape): { host: InProcessTree; before: string[] } {
  let before: string[] = [];
  const host = inProcessTree(
    shape.tree,
    (root) => {
      if (/^(?:crio|k3s|rke2|k0s)/.test(shape.engine)) rmSync(join(root, 'etc/containerd'), { recursive: true });
      for (const folder of ['opt', 'etc/systemd/system', 'usr/local/bin', 'var/usrlocal/bin', 'etc/modules-load.d', 'etc/udev/rules.d'])
        if (!existsSync(join(root, folder)) && !(folder.startsWith('usr/local') && existsSync(join(root, 'usr/local'))))
          mkdirSync(join(root, folder), { recursive: true });
      shape.host?.(root);
    },
    shape.engine,
  );
  before = host.listing();
  shape.deploy(host.root);
  return { host, before };
}

/** The words that let settings of users go. */
export const allowing = ({ settings }: KataDeployShape) => (settings === true ? ['--allow', 'kata-deploy-settings'] : []);
