import { backendOf } from '../backends/index.ts';
import { KataError } from '../errors/index.ts';
import { readFacts } from '../facts/index.ts';
import type { HostView } from '../host/index.ts';
import { type Generation, type GenerationManifest, generationDrift, installAgain, isIntact, payloadOf } from '../store/index.ts';
import { refuse } from './engine.ts';

/**
 * Overridable blockers that harm the whole host while the generation is active. So they are checked at every boot and at every switch to its
 * backend, unless the user allows them, now or at the installation. The other overridable blockers concern only the moment of a change.
 */
const harmful = ['sysext-mislabels-usr'];

export function isHarmful(code: string): boolean {
  return harmful.includes(code);
}

/** The system may be another one than when the generation was made. */
export async function refuseHarmful(
  host: HostView,
  from: Generation | undefined,
  { manifest, record }: Generation,
  allow: string[],
): Promise<void> {
  if (from?.manifest.backend === manifest.backend) return;
  const findings = await backendOf(manifest.backend).preflight(host, await readFacts(host));
  refuse(
    findings.filter(({ code }) => isHarmful(code)),
    [...allow, ...(record.allowed ?? [])],
  );
}

/** For a change that goes on with files that are stored already. Throws `payload-damaged` where some are missing or changed. */
export async function refuseDamaged(host: HostView, manifest: GenerationManifest, needed: string): Promise<void> {
  const payload = await payloadOf(host, manifest);
  const [drifted] = await generationDrift(host, manifest);
  if (drifted === undefined && payload !== undefined && (await isIntact(host, payload, 'shape'))) return;
  throw new KataError('payload-damaged', {
    subject: `generation ${manifest.number}`,
    found:
      drifted === undefined
        ? `its payload ${manifest.payloadFolder} is not there, or files of it are missing or changed`
        : `${drifted.path}: ${drifted.found}`,
    needed,
    next: `install that release again: ${installAgain(manifest)}`,
  });
}
