import type { FileHandle } from 'node:fs/promises';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Fetching } from '../download/types.ts';
import { commandWord, errnoOf, KataError } from '../errors/index.ts';
import { putNew } from '../host/newFile.ts';
import { stopIfAsked } from '../host/stoppable.ts';
import type { Digest } from '../host/types.ts';
import type { Emit } from '../output/events.ts';
import type { ComponentSource } from './notices.ts';

/** What became of the sources of a component: a file, or a reason. */
export interface Collected {
  component: string;
  address?: string | undefined;
  /** A name in the folder. */
  file?: string | undefined;
  digest?: Digest | undefined;
  sizeBytes?: number | undefined;
  reason?: string | undefined;
}

export interface CollectRequest {
  sources: ComponentSource[];
  /** Real path of the folder; it is made where it is missing. */
  folder: string;
  fetching?: Fetching | undefined;
  emit: Emit;
  signal: AbortSignal;
  /** For all files together. */
  maxBytes?: number;
}

/** The sources of Linux have 150 MB, those of edk2 and QEMU less. */
const usualMaxBytes = 4 * 2 ** 30;
/** A server that fails is asked twice more: what is missing is listed with the reason. */
const failures = 2;
const listName = 'COLLECTED';

/**
 * Downloads the sources of each component into a folder, each address once. No digest of them is known beforehand: the digest of what came is
 * given and listed in the file COLLECTED. What cannot be fetched has a reason. Throws `usage` for a folder that cannot be used, and `interrupted`.
 */
export async function collectSources(request: CollectRequest): Promise<Collected[]> {
  const { sources, folder } = request;
  await mkdir(folder, { recursive: true }).catch((error: unknown) => Promise.reject(unusable(folder, error)));
  const byAddress = new Map<string, Collected>();
  const all: Collected[] = [];
  let leftBytes = request.maxBytes ?? usualMaxBytes;
  for (const source of sources) {
    const { name: component, address } = source;
    const known = byAddress.get(address ?? '');
    const one = known === undefined ? await collect(source, request, leftBytes) : { ...known, component };
    if (known === undefined) leftBytes -= one.sizeBytes ?? 0;
    if (address !== undefined) byAddress.set(address, one);
    all.push(one);
  }
  await put(folder, listName, (file) => file.writeFile(`${all.map(line).join('\n')}\n`));
  return all;
}

async function collect({ name, version, address }: ComponentSource, request: CollectRequest, leftBytes: number): Promise<Collected> {
  const { folder, fetching, emit, signal } = request;
  if (address === undefined) return { component: name, reason: 'the release names no address of the sources' };
  const { download } = await import('../download/index.ts');
  const { usualPatience } = await import('../download/types.ts');
  const patience = fetching?.patience ?? { ...usualPatience, failures };
  emit({ kind: 'phase', name: 'sources', detail: `fetching the sources of ${name}` });
  try {
    const from = await download({ caFile: fetching?.caFile, patience, address, signal, tell: (text) => emit({ kind: 'warning', text }) });
    try {
      const file = fileName(name, version, address);
      let sizeBytes = 0;
      await put(folder, file, async (onto) => {
        for await (const piece of from.pieces()) {
          stopIfAsked(signal);
          sizeBytes += piece.length;
          if (sizeBytes > leftBytes) throw tooLarge(address, leftBytes);
          emit({ kind: 'bytes', name: 'sources', doneBytes: sizeBytes, totalBytes: from.totalBytes ?? sizeBytes });
          await onto.writeFile(piece);
        }
      });
      return { component: name, address, file, digest: from.digest(), sizeBytes };
    } finally {
      await from.close();
    }
  } catch (error) {
    if (!(error instanceof KataError) || !error.code.startsWith('download-')) throw error;
    return { component: name, address, reason: error.complaint.found };
  }
}

/** The name of an archive of a tag is often the tag alone. */
function fileName(component: string, version: string | undefined, address: string): string {
  const name = basename(new URL(address).pathname);
  const whole = name.startsWith(component) ? name : `${component}-${name}`;
  return /^[\w.+-]{1,200}$/.test(whole) ? whole : `${component}-${(version ?? 'sources').replace(/[^\w.+-]+/g, '-').slice(0, 100)}`;
}

async function put(folder: string, name: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const path = join(folder, name);
  try {
    await putNew(path, write, () => unusable(path));
  } catch (error) {
    if (error instanceof KataError || errnoOf(error) === undefined) throw error;
    throw unusable(path, error);
  }
}

function line({ component, address, file, digest, sizeBytes, reason }: Collected): string {
  const what = file === undefined ? `not collected: ${reason}` : `${file} | ${sizeBytes} bytes | ${digest}`;
  return [component, what, ...(address === undefined ? [] : [address])].join(' | ');
}

function tooLarge(address: string, most: number): KataError {
  return new KataError('download-refused', {
    subject: address,
    found: `${address} has more than the ${most} bytes that are left for sources`,
    needed: 'an archive of sources, which is far smaller',
    next: `fetch it with a program of your own: curl -fLO ${commandWord(address)}`,
  });
}

function unusable(path: string, cause?: unknown): KataError {
  const errno = errnoOf(cause);
  return new KataError('usage', {
    subject: path,
    found: errno === undefined ? `${path} is there already` : `${path} cannot be written: ${errno}`,
    needed: 'a folder that can be written, without files of these names',
    next: 'choose another folder with --sources',
    cause,
  });
}
