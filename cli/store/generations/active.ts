import { exactOptional } from 'valibot';
import { count, listOf, tableOf } from '../../documents/shapes.ts';
import type { Mark } from '../../engines/types.ts';
import { deploymentOf } from '../../facts/index.ts';
import type { HostView } from '../../host/index.ts';
import { damaged, readJson } from '../json.ts';
import { generationFolder, imageNumber, journalFolder } from '../paths.ts';
import { editedShape, type Generation, type GenerationRecord, wiringShape } from '../types.ts';
import { activeNumber, findGeneration, readGenerations } from './records.ts';
import { handlerMarks } from './wirings.ts';

const wiredShape = { wiring: exactOptional(wiringShape), edited: exactOptional(editedShape) };
type Wired = Pick<GenerationRecord, 'wiring' | 'edited'>;

/**
 * The active one, with the wiring of this deployment: the one that was written here if the files have it, else whichever of all recorded
 * ones the files have, because an /etc is made from that of another deployment, and not always from the one that was wired last.
 */
export async function activeGeneration(host: HostView): Promise<Generation | undefined> {
  const number = await activeNumber(host);
  const found = number === undefined ? undefined : await findGeneration(host, number);
  if (number !== undefined && found === undefined) await refuseLost(host, number);
  if (found === undefined || (found.record.wiring !== undefined && found.record.wirings === undefined)) return found;
  const own = found.record.wirings?.[await deploymentOf(host)];
  const known = [...(own === undefined ? [] : [own]), ...wirings(found.record)];
  for (const wired of known) if (await isPresent(host, wired, 'whole')) return wiredAs(found, wired);
  for (const { wired } of await recorded(host)) if (await isPresent(host, wired, 'whole')) return wiredAs(found, wired);
  return own === undefined ? found : wiredAs(found, own);
}

/**
 * A pointer that leads nowhere is one of another deployment or of another image. One to a folder that is there, without its record or its
 * manifest: nothing else says what the engine was wired with. Throws `state-damaged`.
 */
export async function refuseLost(host: HostView, number: number): Promise<void> {
  const folder = generationFolder(number);
  const there = number === imageNumber ? [] : await host.readdir(folder);
  const lost = ['manifest.json', 'record.json'].find((name) => !there.includes(name));
  if (there.length > 0 && lost !== undefined) throw damaged(`${folder}/${lost}`, 'it is gone, and the generation is active');
}

/** The newest generation with a recorded wiring that the files have, whole or at least in part; it has that wiring. */
export async function wiredGeneration(host: HostView): Promise<Generation | undefined> {
  const all = await recorded(host);
  for (const extent of ['whole', 'part'] as const)
    for (const { generation, wired } of all) if (await isPresent(host, wired, extent)) return wiredAs(generation, wired);
  return undefined;
}

function wiredAs({ manifest, record }: Generation, { wiring, edited }: Wired): Generation {
  const { wiring: _wiring, edited: _edited, ...rest } = record;
  return { manifest, record: { ...rest, ...(wiring && { wiring }), ...(edited && { edited }) } };
}

function wirings(record: GenerationRecord): Wired[] {
  return [record, ...Object.values(record.wirings ?? {})];
}

/** All that any deployment wrote, the newest generation first; what an unfinished change wrote is known to the journal alone. */
async function recorded(host: HostView): Promise<{ generation: Generation; wired: Wired }[]> {
  const open = await unfinished(host);
  return (await readGenerations(host)).reverse().flatMap((generation) => {
    const written = open.filter(({ number }) => number === generation.manifest.number);
    return [...written, ...wirings(generation.record)].map((wired) => ({ generation, wired }));
  });
}

/** What the wiring is looked for in; the rest of an intent is the journal's. */
const writtenIntent = tableOf({
  schema: count,
  afterwards: tableOf({ records: listOf(tableOf({ number: count, ...wiredShape })) }),
});

async function unfinished(host: HostView): Promise<({ number: number } & Wired)[]> {
  const names = (await host.readdir(journalFolder)).filter((name) => /^\d+$/.test(name));
  const intents = await Promise.all(names.map((name) => readJson(host, `${journalFolder}/${name}/intent.json`, writtenIntent)));
  return intents.flatMap((intent) => intent?.afterwards.records ?? []);
}

async function isPresent(host: HostView, { wiring }: Wired, extent: 'whole' | 'part'): Promise<boolean> {
  const marks = handlerMarks(wiring);
  const there = await Promise.all(marks.map(async (mark) => isMarked(mark, await host.readText(mark.path))));
  return extent === 'whole' ? marks.length > 0 && there.every(Boolean) : there.some(Boolean);
}

/** As `activeGeneration`; where the pointer is gone, the generation that the engine's files still have. What plans a wiring starts from it. */
export async function startingGeneration(host: HostView): Promise<Generation | undefined> {
  return (await activeGeneration(host)) ?? (await wiredGeneration(host));
}

/** Whether the text of a file is, or has in it, what was recorded. */
export function isMarked({ kind, text, or = [] }: Mark, now: string | undefined): boolean {
  if (now === undefined) return false;
  return kind === 'file' ? [text, ...or].includes(now) : now.includes(text);
}
