import { KataError } from '../errors/index.ts';
import { canRepair, surveyLabels } from '../labels/index.ts';
import { sameFiles } from '../planning/choices/wanted.ts';
import { guardOf, type OwnProgram } from '../planning/programCopy.ts';
import { findEnginesToWire } from '../preflight/engines.ts';
import { checkedSwitch } from '../preflight/switch.ts';
import { type Generation, isIntact, type PayloadManifest, payloadOf } from '../store/index.ts';

/** What would be installed. */
export interface Asked {
  sources: string[];
  /** By what the bundles were read with already; undefined: their bytes are read. */
  draft?: PayloadManifest | undefined;
  handlers: string[];
  backend: string;
  format: string;
  engines?: string[] | undefined;
  signal: AbortSignal;
}

/** Whether an install of just this would find that there is nothing to do: the active generation has it, and the host did not drift from it. */
export async function isInstalled(running: OwnProgram, from: Generation, asked: Asked): Promise<boolean> {
  const { host } = running;
  const { manifest } = from;
  const { sources, draft, handlers, backend, format, engines: wishes, signal } = asked;
  if (manifest.backend !== backend || manifest.format !== format) return false;
  const options = { dryRun: true, waitSeconds: 0, allow: [], engines: wishes };
  const digests = sources.map((_, index) => draft?.sources[index]?.digest);
  if (!(await sameFiles(host, from, { ...options, sources, digests, handlers }, signal))) return false;
  const payload = await payloadOf(host, manifest);
  if (payload === undefined || !(await isIntact(host, payload, 'bytes'))) return false;
  if ((await surveyLabels(host, from)).wrong.some(canRepair)) return false;
  try {
    const engines = await findEnginesToWire(host, wishes, from.record.wiring);
    const guard = await guardOf(running, manifest);
    const { steps } = await checkedSwitch(host, { verb: 'install', id: 0, engines, from, to: manifest, options, guard });
    return steps.length === 0;
  } catch (error) {
    // What prevents a change is among the findings.
    if (error instanceof KataError) return false;
    throw error;
  }
}
