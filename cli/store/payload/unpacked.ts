import { createReadStream } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { posix } from 'node:path';
import { kindOf, type ReadAt } from '../../bundle/index.ts';
import { type Host, type HostPath, openRegular } from '../../host/index.ts';
import type { Layout } from '../../layout/index.ts';

/** Drops what no handler needs, puts the files where the layout has them, and adds its links. */
export async function arrangeTree(host: Host, { entries, moves, texts, dropped }: Layout, tree: HostPath, into: string): Promise<void> {
  const folders = new Set<string>();
  for (const path of dropped) {
    if ((await host.lstat(`${tree}/${path}`))?.kind === 'directory') folders.add(path);
    else await host.removeTree(`${tree}/${path}`);
  }
  for (const { path, kind, mode } of entries) {
    if (kind === 'directory' && (await host.lstat(`${tree}/${path}`)) === undefined) await host.mkdir(`${tree}/${path}`, mode);
  }
  for (const { from, to } of moves) await host.rename(`${tree}/${from}`, `${tree}/${to}`);
  // Deepest first, and empty by now.
  for (const path of folders) await host.removeTree(`${tree}/${path}`);
  for (const [path, text] of texts) await rewrite(host, `${tree}/${path}`, text);
  for (const { path, kind, target = '' } of entries) {
    if (kind !== 'symlink' || (await host.lstat(`${tree}/${path}`)) !== undefined) continue;
    // Made directly: the whole tree is synced at once afterwards.
    await symlink(target, posix.join(into, path));
  }
}

/** A file keeps its mode, which the release gave it. */
async function rewrite(host: Host, path: HostPath, text: string): Promise<void> {
  const mode = (await host.lstat(path))!.mode;
  await host.writeFile(path, text, { mode });
}

/** What an unpacked file (a real path) is by its bytes: see `kindOf`. */
export async function kindOfFile(path: string): Promise<'program' | 'library' | undefined> {
  const file = await openRegular(path);
  if (file === undefined) return undefined;
  const readAt: ReadAt = async (offset, length) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  };
  try {
    return await kindOf(readAt, posix.basename(path));
  } finally {
    await file.close();
  }
}

/** Which of the needles occur in the file's bytes, read in a stream: hypervisors have tens of megabytes. */
export async function stringsIn(path: string, needles: string[], signal: AbortSignal): Promise<string[]> {
  const found = new Set<string>();
  const longest = Math.max(...needles.map((needle) => needle.length), 1);
  let tail = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal })) {
    const window = Buffer.concat([tail, chunk as Buffer]);
    for (const needle of needles) if (!found.has(needle) && window.includes(needle)) found.add(needle);
    tail = window.subarray(Math.max(0, window.length - longest));
  }
  return needles.filter((needle) => found.has(needle));
}
