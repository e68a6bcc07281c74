import { createHash } from 'node:crypto';
import type { TreeEntry } from '../../bundle/types.ts';
import { KataError } from '../../errors/index.ts';
import { type HostPath, type HostView, piecesOf } from '../../host/index.ts';

/**
 * The entries of a tree, each file with its SHA-1: SPDX wants it, and manifests have only the SHA-256. Every file is read, and compared with
 * its SHA-256 on the way. Throws `payload-damaged` for one that is missing or has other bytes.
 */
export async function withSha1(host: HostView, tree: HostPath, entries: TreeEntry[], signal?: AbortSignal): Promise<TreeEntry[]> {
  const all: TreeEntry[] = [];
  for (const entry of entries) {
    const isHashed = entry.kind !== 'file' || entry.sha1 !== undefined;
    all.push(isHashed ? entry : { ...entry, sha1: await sha1Of(host, `${tree}/${entry.path}`, entry, signal) });
  }
  return all;
}

async function sha1Of(host: HostView, path: HostPath, { digest }: TreeEntry, signal?: AbortSignal): Promise<string> {
  const [sha1, sha256] = [createHash('sha1'), createHash('sha256')];
  if ((await host.lstat(path))?.kind !== 'file') throw damaged(path, 'is no file');
  for await (const piece of piecesOf(await host.locate(path), { signal })) {
    sha1.update(piece);
    sha256.update(piece);
  }
  if (`sha256:${sha256.digest('hex')}` !== digest) throw damaged(path, 'has other bytes');
  return sha1.digest('hex');
}

function damaged(path: HostPath, what: string): KataError {
  return new KataError('payload-damaged', {
    subject: path,
    found: `${path} ${what}`,
    needed: 'the file as the manifest of its payload lists it',
    next: 'kata-sysext verify; then install that release again',
  });
}
