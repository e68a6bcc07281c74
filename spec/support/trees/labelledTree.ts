import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { vmRoot } from '../../lab/vm/root.ts';
import { fedoraContexts } from '../policies/fedoraContexts.ts';
import { put, type TreeName } from './hostTrees.ts';
import { type TreeHost, treeHost } from './treeHost.ts';

export interface LabelledTree extends TreeHost {
  copy(): LabelledTree;
  /** The host's file contexts: `semanage fcontext` writes beside them. */
  contexts: string;
  /** Sets the type of a file, by its path inside. */
  relabel(inside: string, type: string): void;
  labelOf(inside: string): string;
  /** Paths inside with a label that restorecon would change, by setfiles. */
  wouldChange(): string[];
}

interface Policy {
  tree: TreeName;
  name: string;
  /** Where its file contexts are on this machine. */
  files(): Promise<string>;
}

const policies: Record<'fedora' | 'debian', Policy> = {
  fedora: {
    tree: 'fcos',
    name: 'targeted',
    files: async () => fedoraContexts(),
  },
  debian: { tree: 'microos', name: 'default', files: async () => join(await vmRoot(), 'etc/selinux/default/contexts/files') },
};

export type PolicyFamily = keyof typeof policies;

/** A host tree that has the file contexts of a policy and is labelled by them: labels are only xattrs here, this kernel enforces nothing. */
export async function labelledTree(family: PolicyFamily, file?: string): Promise<LabelledTree> {
  const policy = policies[family];
  const files = await policy.files();
  const inside = `etc/selinux/${policy.name}/contexts/files`;
  const prepare = (root: string) => {
    put(root, 'etc/selinux/config', `SELINUX=enforcing\nSELINUXTYPE=${policy.name}\n`);
    mkdirSync(join(root, inside), { recursive: true });
    // Not the compiled ones: they are for the libselinux of their own host.
    for (const name of ['file_contexts', 'file_contexts.subs_dist']) copyFileSync(join(files, name), join(root, inside, name));
    setfiles('-F', '-r', root, join(root, inside, 'file_contexts'), root);
  };
  const host = treeHost(policy.tree, prepare, file === undefined ? {} : { file });
  return withLabels(host, join(inside, 'file_contexts'));
}

function withLabels(host: TreeHost, inside: string): LabelledTree {
  const contexts = host.path(inside);
  return {
    ...host,
    contexts,
    copy: () => withLabels(host.copy(), inside),
    relabel: (inside, type) => setLabel(host.path(inside), type),
    labelOf: (inside) => labelAt(host.path(inside)),
    wouldChange: () => {
      const said = setfiles('-n', '-v', '-F', '-r', host.root, contexts, ...['usr', 'etc', 'var'].map((place) => host.path(place)));
      return [...said.matchAll(/would relabel (\S+) from/gi)].map(([, path]) => path!.slice(host.root.length + 1)).sort();
    },
  };
}

function setLabel(path: string, type: string): void {
  execFileSync('setfattr', ['--no-dereference', '-n', 'security.selinux', '-v', `system_u:object_r:${type}:s0`, path]);
}

function labelAt(path: string): string {
  const args = ['--no-dereference', '--absolute-names', '--only-values', '-n', 'security.selinux', path];
  return execFileSync('getfattr', args, { encoding: 'utf8' }).replace('\0', '');
}

function setfiles(...args: string[]): string {
  return execFileSync('setfiles', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Paths inside the tree of what is kata-sysext's and has this name. */
export function ownPaths(tree: LabelledTree, name: string): string[] {
  const all = ['etc/kata-sysext', 'etc/systemd', 'etc/extensions', 'var/usrlocal', 'usr/local', 'var/lib/kata-sysext'];
  const places = all.filter((place) => existsSync(tree.path(place)));
  const said = execFileSync('find', ['-P', ...places, '-name', name, '!', '-type', 'd'], { cwd: tree.root, encoding: 'utf8' });
  return said.split('\n').filter((path) => path !== '');
}

/** A path of the host as the tree has it: links on the way followed. */
export function realPath(tree: LabelledTree, path: string): string {
  const folder = execFileSync('readlink', ['-f', tree.path(path.slice(0, path.lastIndexOf('/')))], { encoding: 'utf8' }).trim();
  return `${relative(tree.root, folder)}${path.slice(path.lastIndexOf('/'))}`;
}
