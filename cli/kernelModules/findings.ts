import type { Finding } from '../errors/index.ts';
import { type ModuleState, moduleState } from '../facts/index.ts';
import type { HostView } from '../host/index.ts';
import { type NeededModule, neededModules, type Use } from './table.ts';

/** A module with what the host has of it. */
export interface SeenModule extends NeededModule {
  state: ModuleState;
}

/** Why modules are not there when a pod starts; one cause is one finding, whatever the number of modules. */
interface Cause {
  found(names: string): string;
  next(first: string): string;
}

/** The modules that an installation needs, as they are on the host now. */
export async function seenModules(host: HostView, use: Use): Promise<SeenModule[]> {
  const seen: SeenModule[] = [];
  for (const each of await neededModules(host, use)) seen.push({ ...each, state: await moduleState(host, each.row.name, each.row.device) });
  return seen;
}

/**
 * The modules of these handlers that a change of this host could not load, as warnings: pods will not start, the installation works. What
 * images and merges need has codes of its own, which refuse.
 */
export async function moduleFindings(host: HostView, handlers: Use['handlers']): Promise<Finding[]> {
  const groups = new Map<string, { cause: Cause; handlers: string; rows: SeenModule['row'][] }>();
  for (const { row, state, handlers: names } of await seenModules(host, { handlers })) {
    const cause = causeOf(state);
    if (cause === undefined) continue;
    const key = `${names.join(', ')} ${cause.found('')}`;
    const group = groups.get(key) ?? { cause, handlers: names.join(', '), rows: [] };
    groups.set(key, { ...group, rows: [...group.rows, row] });
  }
  return [...groups.values()].map(({ cause, handlers: subject, rows }) => ({
    code: 'handler-needs-module',
    level: 'warning',
    subject,
    found: `${subject}: ${cause.found(rows.map(({ name }) => name).join(', '))}`,
    needed: `kernel modules for its pods: ${rows.map(({ name, why }) => `${name} (${why})`).join(', ')}`,
    next: cause.next(rows[0]!.name),
  }));
}

/** undefined: the module is there, or a change loads it. */
function causeOf({ now, atBoot, keptOut, lost }: ModuleState): Cause | undefined {
  if (now === 'built in') return undefined;
  if (keptOut !== undefined && atBoot !== 'built in') return deniedBy(keptOut, now);
  if (now === 'absent' && lost !== undefined) return lostIn(lost);
  if (now === 'absent') return absent('not in the running kernel, neither built in nor as a module', 'boot a kernel with it');
  if (now === 'unknown' && atBoot === 'absent') return absent('in no kernel below /usr/lib/modules', 'put a kernel with it into the tree');
  return undefined;
}

function deniedBy(by: string, now: ModuleState['now']): Cause {
  const line = by.startsWith('/');
  return {
    found: (names) =>
      now === 'loaded' ? `not loaded at the next boot, because ${by} denies it: ${names}` : `not loaded, because ${by} denies it: ${names}`,
    next: (first) => (line ? `take the line out of ${by}; then: modprobe ${first}` : `take ${first} out of ${by}, and boot`),
  };
}

function lostIn(folder: string): Cause {
  return {
    found: (names) => `not loaded, and the modules of the running kernel are not in ${folder}: ${names}`,
    next: (first) => `in a container, load it on the machine: modprobe ${first}; after an update of the kernel, boot into it`,
  };
}

function absent(where: string, remedy: string): Cause {
  return {
    found: (names) => `${where}: ${names}`,
    next: (first) =>
      `${remedy} (Ubuntu: its package linux-modules-extra); this prints a file then: find /usr/lib/modules -name '${first.replaceAll('_', '[-_]')}.ko*'`,
  };
}
