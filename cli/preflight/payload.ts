import { KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import { type GenerationManifest, installAgain, isIntact, payloadOf } from '../store/index.ts';

/** For a change that goes on with files that are stored already. Throws `payload-damaged` where some are missing or changed. */
export async function refuseDamaged(host: HostView, manifest: GenerationManifest, needed: string): Promise<void> {
  const payload = await payloadOf(host, manifest);
  if (payload !== undefined && (await isIntact(host, payload, 'shape'))) return;
  throw new KataError('payload-damaged', {
    subject: `generation ${manifest.number}`,
    found: `its payload ${manifest.payloadFolder} is not there, or files of it are missing or changed`,
    needed,
    next: `install that release again: ${installAgain(manifest)}`,
  });
}
