import { backendOf } from '../backends/index.ts';
import { KataError } from '../errors/index.ts';
import { digestOf, type HostView } from '../host/index.ts';
import { sameChoices } from '../planning/choices/choices.ts';
import { activeOne, handlersOf } from '../planning/choices/installed.ts';
import { choiceFindings, withSettings } from '../planning/choices/settings.ts';
import type { ChangeOptions, SettingsRequest } from '../planning/choices/types.ts';
import { nothingAfterwards } from '../planning/records.ts';
import { emptyPlan } from '../planning/shownPlan.ts';
import { refuse } from '../preflight/engine.ts';
import { findEngines } from '../preflight/engines.ts';
import { etcFindings } from '../preflight/refusals.ts';
import type { OperationPlan, View } from '../runner/types.ts';
import { drawGeneration, type Generation, type GenerationManifest, installAgain, isIntact, payloadOf } from '../store/index.ts';
import { planNew } from './activateNew.ts';

export interface ConfigureRequest extends ChangeOptions {
  /** Names of installed handlers; none: all of them. */
  handlers: string[];
  settings: SettingsRequest;
}

/** The same files with other settings: a generation without a payload of its own. Nothing restarts, running sandboxes keep what they read. */
export async function planConfigure(view: View, request: ConfigureRequest): Promise<OperationPlan> {
  const { host, program, started } = view;
  refuse(await etcFindings(host), request.allow);
  const from = await activeOne(host);
  const origin = from.manifest;
  const readText = await payloadReader(host, from);
  const asked = { handlers: handlersOf(origin, request.handlers), requested: request.settings, readText };
  const choices = await withSettings(origin.choices, asked);
  const findings = await choiceFindings(host, origin.choices, choices, asked);
  const { backend } = origin;
  const drawing = { origin, choices, backend, home: backendOf(backend).payloadDir(origin.payloadFolder), readText };
  const drawn = await drawGeneration({ ...drawing, number: origin.number, program, created: started.toISOString() });
  if (sameChoices(choices, origin.choices) && sameTexts(drawn.manifest, origin)) return unchanged(origin);
  const engines = await findEngines(host, request.engines, from.record.wiring);
  return planNew(view, { verb: 'configure', options: request, engines, from }, { ...drawing, findings });
}

/** Reads files of the payload as they were installed. What is read decides what is written, so that a damaged file is refused. */
export async function payloadReader(host: HostView, { manifest }: Generation): Promise<(path: string) => Promise<string>> {
  const payload = await payloadOf(host, manifest);
  if (payload === undefined || !(await isIntact(host, payload, 'shape'))) throw damaged(manifest, manifest.payloadFolder);
  const digests = new Map(payload.entries.map((entry) => [entry.path, entry.digest]));
  return async (path) => {
    const text = (await host.readFile(`${manifest.payloadFolder}/${path}`)).toString();
    const wanted = digests.get(path);
    if (wanted !== undefined && wanted !== digestOf(text)) throw damaged(manifest, `${manifest.payloadFolder}/${path}`);
    return text;
  };
}

function damaged(manifest: GenerationManifest, path: string): KataError {
  return new KataError('payload-damaged', {
    subject: path,
    found: `${path} is missing or was changed`,
    needed: 'the files of the release as they were installed',
    next: `install that release again: ${installAgain(manifest)}`,
  });
}

function sameTexts(drawn: GenerationManifest, now: GenerationManifest): boolean {
  const digests = ({ handlers }: GenerationManifest) => handlers.map((handler) => `${handler.name} ${handler.configurationDigest}`).join();
  return digests(drawn) === digests(now);
}

function unchanged(to: GenerationManifest): OperationPlan {
  const { number } = to;
  const plan = { ...emptyPlan('configure'), from: number, to: number };
  return { verb: 'configure', plan, idle: true, from: number, to, afterwards: nothingAfterwards };
}
