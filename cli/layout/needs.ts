import { asset } from '../assets/index.ts';
import { parseJson } from '../documents/index.ts';
import { rowMatcher } from './glob.ts';
import type { HandlerRow } from './tables.ts';

/** What a handler needs of the host, KVM aside: a row of overlays/needs.json. */
export interface NeedRow {
  code: string;
  /** Globs over the release's names, or hypervisors: either makes the row apply. */
  handlers?: string[];
  hypervisors?: string[];
  /** Where it is seen: a path that is there and (`says`) has such a text, or a folder with something in it. Without it nothing shows it. */
  look?: { path?: string; says?: string; below?: string };
  /** Files can be looked for in an offline tree as well; devices and kernel parameters cannot. */
  offline?: boolean;
  found: string;
  needed: string;
  next: string;
}

export const needTable = (parseJson(asset('overlays/needs.json')) as { needs: NeedRow[] }).needs;

/** The rows that apply to a handler. */
export function needsOf({ name, hypervisor }: Pick<HandlerRow, 'name' | 'hypervisor'>): NeedRow[] {
  return needTable.filter((row) => row.hypervisors?.includes(hypervisor) === true || rowMatcher(row.handlers ?? [])(name));
}
