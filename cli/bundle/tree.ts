import { rejected } from './complaints.ts';
import { type Count, countOf } from './limits.ts';
import type { Bundle } from './types.ts';

type Kind = 'file' | 'directory' | 'symlink';

interface Place {
  kind: Kind;
  sizeBytes: number;
  target?: string | undefined;
  /** Which source claimed it; several may claim a folder. */
  source: number;
  /** Folders: made known by a member below, not yet by one of its own. */
  mode?: number;
}

/** The merged tree while it is read: who claimed which path. */
export interface Tree {
  listing: Bundle['listing'];
  places: Map<string, Place>;
  /** Of all sources together, with the folders that are only named by what is in them. */
  count: Count;
}

export interface Claim {
  path: string;
  kind: Kind;
  mode: number;
  sizeBytes: number;
  target?: string;
  source: number;
  /** For messages. */
  sourceName: string;
}

export function emptyTree(): Tree {
  const places = new Map<string, Place>();
  return { listing: places, places, count: countOf('the bundle') };
}

/**
 * Takes a path for a member. 'same' means that an earlier bundle has it too, as far as kind, size and target tell: the caller compares
 * the bytes. Throws `bundle-member-duplicate`, or `bundle-member-escapes` for a member that would be written through a link.
 */
export function claim(tree: Tree, member: Claim): 'new' | 'same' {
  claimParents(tree, member);
  const { path, kind, mode, sizeBytes, target, source } = member;
  const before = tree.places.get(path);
  if (before === undefined) {
    tree.count.add('members', 1);
    tree.count.add('nameBytes', path.length + (target?.length ?? 0));
    tree.places.set(path, { kind, sizeBytes, source, mode, target });
    return 'new';
  }
  if (kind === 'directory' && before.kind === 'directory') {
    before.mode ??= mode;
    return 'same';
  }
  const twice = before.source === source;
  if (twice || before.kind !== kind || before.sizeBytes !== sizeBytes || before.target !== target) throw duplicate(member, twice);
  before.source = source;
  return 'same';
}

/** `bundle-member-duplicate`: twice in one archive, or with other content in another. */
export function duplicate(member: Claim, twice: boolean): Error {
  const found = twice ? 'is in the archive twice' : 'is also in another bundle, with other content';
  return rejected(
    'bundle-member-duplicate',
    member.sourceName,
    member.path,
    found,
    'one content for one path: archives of the same release',
  );
}

function claimParents(tree: Tree, member: Claim): void {
  for (let at = member.path.lastIndexOf('/'); at > 0; at = member.path.lastIndexOf('/', at - 1)) {
    const parent = member.path.slice(0, at);
    const before = tree.places.get(parent);
    // A known folder's own parents were claimed with it.
    if (before?.kind === 'directory') return;
    if (before?.kind === 'symlink') {
      const found = `would be written through the link ${parent}`;
      throw rejected('bundle-member-escapes', member.sourceName, member.path, found, 'members whose folders are folders');
    }
    if (before?.kind === 'file') throw duplicate({ ...member, path: parent }, before.source === member.source);
    tree.count.add('members', 1);
    tree.count.add('nameBytes', parent.length);
    tree.places.set(parent, { kind: 'directory', sizeBytes: 0, source: member.source });
  }
}
