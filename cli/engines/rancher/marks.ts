import { withoutMark } from '../../documents/toml/index.ts';
import type { Finding } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { editedByOthers, foreignHandler, presentHandler } from '../common/complaints.ts';
import { lookForMarks, type SeenMark } from '../common/seen.ts';
import { parseVersion, type Version } from '../common/version.ts';
import { wiringKey } from '../common/wiringKey.ts';
import type { Instance, WantedHandler, Wiring, WiringPlan } from '../types.ts';
import { isSame, leadsToOurs, runtimesOf, shimIsType } from './containerd.ts';
import type { Inputs } from './inputs.ts';
import { isTemplate } from './rendered.ts';
import { asToml, madeTemplate, readTemplate } from './templates.ts';

/**
 * As `lookForMarks`. In a template also what an editor wrote below the last table counts, which the bytes alone do not show. One that kata-sysext made
 * goes whole while it has nothing else.
 */
export async function lookForInputMarks(host: HostView, recorded?: Wiring): Promise<SeenMark[]> {
  const seen = await lookForMarks(host, recorded);
  return seen.map((one) => {
    const { mark, now } = one;
    if (mark.kind !== 'range' || one.state !== 'intact' || now === undefined || !isTemplate(mark.path)) return one;
    const isWhole = readTemplate(now, mark.path) === undefined || withoutMark(asToml(now), mark.text, mark.path) !== undefined;
    if (!isWhole) return { ...one, state: 'altered' };
    return one.without === madeTemplate ? { ...one, without: 'absent' } : one;
  });
}

/** Where a handler is defined: in the drop-ins and the rendered file, and in the templates of others. */
function definitionsOf({ set, templates }: Inputs, name: string): { path: HostPath; value: unknown }[] {
  const docs = [...templates.flatMap(({ doc }) => doc ?? []), ...set.files.map(({ doc }) => doc)];
  return docs.flatMap((doc) => {
    const runtimes = runtimesOf(doc.value);
    return Object.hasOwn(runtimes, name) ? [{ path: doc.path, value: runtimes[name] }] : [];
  });
}

/** Sorts the wanted handlers: `missing` ones are to be written; `present` ones have the exact definition, which stays with its owner. */
export function sortWanted(
  inputs: Inputs,
  wanted: readonly WantedHandler[],
  version: Version | undefined,
): { missing: WantedHandler[]; present: Finding[] } {
  const present: Finding[] = [];
  const missing = wanted.filter((handler) => {
    const [first, ...others] = definitionsOf(inputs, handler.name);
    if (first === undefined) return true;
    const other = [first, ...others].find(({ value }) => !isSame(value, handler, version));
    if (other !== undefined) throw foreignHandler(handler.name, first.path);
    present.push(presentHandler(handler.name, first.path));
    return false;
  });
  return { missing, present };
}

/** Another program or user changed the text of kata-sysext. It stays if it still defines the wanted handlers; an edit would be a guess. */
export function keepAltered(
  instance: Instance,
  inputs: Inputs,
  wanted: WantedHandler[],
  findings: Finding[],
  recorded: Wiring,
): WiringPlan {
  // A template that the next start does not take serves no pod.
  const used = inputs.active === undefined ? inputs : { ...inputs, templates: [inputs.active] };
  const serves = wanted.every((handler) => definitionsOf(used, handler.name).some(({ value }) => leadsToOurs(value, handler)));
  const stale = recorded.handlers.some(
    ({ name }) => !wanted.some((handler) => handler.name === name) && definitionsOf(inputs, name).length > 0,
  );
  if (!serves || stale) throw editedByOthers(findings);
  const key = wiringKey(instance, wanted, inputs.set.schema ?? 0, shimIsType(parseVersion(instance.version)));
  return { wiring: { ...recorded, handlers: wanted, key }, changes: [], makeFolders: [], dropFolders: [], findings };
}
