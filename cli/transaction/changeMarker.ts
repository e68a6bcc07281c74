import { type Host, type HostPath, type HostView, tempPathFor } from '../host/index.ts';
import { dropTemporary } from '../steps/temporaries.ts';
import { deploymentWith } from '../store/index.ts';
import type { Intent } from './types.ts';

/** There as long as a change of this /etc is open. An /etc that is made of it meanwhile (an OS update) is half-done too, and has it as well. */
export const mark: HostPath = '/etc/.kata-sysext-unfinished';

function textOf({ id, verb, started }: Intent): string {
  return `${firstWords(id)} (${verb}, begun ${started}) is not finished here: kata-sysext recover\n`;
}

function firstWords(id: number): string {
  return `kata-sysext change ${id}`;
}

export function setChangeMarker(host: Host, intent: Intent): Promise<void> {
  return host.writeFile(mark, textOf(intent), { mode: 0o644 });
}

export async function hasChangeMarker(host: HostView, intent: Intent): Promise<boolean> {
  return (await host.readText(mark)) === textOf(intent);
}

/** The change that this /etc is in the middle of, by the mark alone, which every user may read. */
export async function markedChange(host: HostView): Promise<number | undefined> {
  const [, id] = /^kata-sysext change (\d{1,9}) /.exec((await host.readText(mark)) ?? '') ?? [];
  return id === undefined ? undefined : Number(id);
}

/** Removes the mark. `id`: the change that is undone or finished here; undefined when no change is open. */
export async function unmark(host: Host, id?: number): Promise<void> {
  // A temporary file that a loss of power left.
  await dropTemporary(host, tempPathFor(mark));
  const text = await host.readText(mark);
  if (text !== undefined && (id === undefined || text.startsWith(`${firstWords(id)} `))) await host.unlink(mark);
}

/** Another deployment whose /etc has the mark of this change. */
export function changeMarkerElsewhere(host: HostView, intent: Intent): Promise<string | undefined> {
  return deploymentWith(host, mark, textOf(intent));
}
