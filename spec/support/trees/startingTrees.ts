import { readlinkSync } from 'node:fs';
import { type InProcessTree, inProcessTree, plainReleases } from './inProcessTree.ts';

export const pointer = 'etc/kata-sysext/current';

/** Where a link of the tree leads: its target is a path of a host whose root the tree is, on which /usr/local is a link. */
export function targetOf(host: InProcessTree, link: string): string {
  return host.path(readlinkSync(link).replace(/^\/usr\/local\//, '/var/usrlocal/'));
}

export function payloadOf(host: InProcessTree): string {
  return targetOf(host, `${targetOf(host, host.path(pointer))}/payload`);
}

/** What a spec begins with: a copy of a tree with nothing installed, or of one with two generations of which the second is active. */
export interface StartingTrees {
  bare(): InProcessTree;
  installed(): InProcessTree;
  /** Removes it after the spec. */
  keep(tree: InProcessTree): InProcessTree;
}

/** Call it in a `describe`. */
export function startingTrees(): StartingTrees {
  const trees: InProcessTree[] = [];
  const copies: InProcessTree[] = [];
  const keep = (tree: InProcessTree) => {
    copies.push(tree);
    return tree;
  };

  before(async () => {
    const { first, second } = await plainReleases();
    const bare = inProcessTree('fcos');
    const installed = bare.copy();
    trees.push(bare, installed);
    await installed.json(['install', first]);
    await installed.json(['install', second]);
  });
  afterEach(() => {
    for (const copy of copies.splice(0)) copy.remove();
  });
  after(() => {
    for (const tree of trees) tree.remove();
  });

  return { bare: () => keep(trees[0]!.copy()), installed: () => keep(trees[1]!.copy()), keep };
}
