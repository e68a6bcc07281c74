import { stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { digestOfSource } from '../bundle/index.ts';
import { KataError } from '../errors/index.ts';
import type { Digest, HostView } from '../host/index.ts';
import { handlerRow } from '../layout/index.ts';
import { type Generation, type GenerationManifest, isIntact, readPayload } from '../store/index.ts';
import type { InstallRequest } from './types.ts';

/** The handlers that an install is about, by the release's words: the named ones, else the installed ones; undefined: the release's default. */
export function wantedHandlers(request: InstallRequest, from: Generation | undefined): string[] | undefined {
  if (request.handlers.length > 0) return request.handlers.map((name) => handlerRow(name).name);
  return from?.manifest.handlers.map((handler) => handler.release);
}

/** Whether the active generation has these bundles and handlers. With all digests named it costs no reading, and only the shape of the installed files is looked at. */
export async function sameFiles(host: HostView, from: Generation, request: InstallRequest): Promise<boolean> {
  const installed = from.manifest.handlers.map((handler) => handler.release).sort();
  const wanted = [...(wantedHandlers(request, from) ?? [])].sort();
  if (wanted.join() !== installed.join()) return false;
  if (from.manifest.sources.length !== request.sources.length) return false;
  for (const [index, source] of from.manifest.sources.entries()) {
    // A digest that the user names is checked when the bytes are read; here it only says which release is meant.
    const path = request.sources[index]!;
    if ((await stat(path).catch(() => undefined)) === undefined) throw missing(path);
    const digest: Digest = request.digests[index] ?? (await digestOfSource(path));
    if (digest !== source.digest) return false;
  }
  const payload = await readPayload(host, from.manifest.payload);
  const named = request.sources.every((_, index) => request.digests[index] !== undefined);
  return payload !== undefined && isIntact(host, payload, named ? 'shape' : 'bytes');
}

/** A wrong path is a mistake even where nothing would be read from it. */
function missing(path: string): KataError {
  return new KataError('bundle-missing', {
    subject: path,
    found: `${path} is not there or cannot be read`,
    needed: 'the bundle',
    next: `look for it: ls -l ${posix.dirname(path)}`,
  });
}

/** A handler never changes its shim family silently: Go and Rust read different configuration. */
export function refuseFamilyChange(from: Generation | undefined, to: GenerationManifest): void {
  for (const before of from?.manifest.handlers ?? []) {
    const after = to.handlers.find((handler) => handler.name === before.name);
    if (after === undefined || after.family === before.family) continue;
    throw new KataError('bundle-lacks-handler', {
      subject: before.name,
      found: `${before.name} is a ${before.family} shim now and a ${after.family} shim in the bundle`,
      needed: `the same family`,
      next: `uninstall first, or choose another handler with --handler`,
    });
  }
}
