import { asset } from '../assets/index.ts';
import { parseJson } from '../documents/index.ts';
import type { FileLabel, HostPath } from '../host/index.ts';

/** Who has to use a file, and how: what a type must allow. */
export type LabelUse = 'executable' | 'library' | 'data' | 'link' | 'folder' | 'wiring' | 'unit' | 'state';

export type Fallback = 'program' | 'data' | 'link';

/** A path of kata-sysext on the host whose label matters. */
export interface LabelledPlace {
  path: HostPath;
  use: LabelUse;
  /** Of a file that a virtual machine, a shim or systemd uses: the class of overlays/labels.json that decides where the stock type keeps it out. */
  fallback?: Fallback;
  /** kata-sysext writes its whole label. Elsewhere user and role are those of the file's creator, as restorecon accepts them. */
  exact?: true;
  /** A file of another program with kata-sysext's text in it: its label is its owner's. */
  foreign?: true;
  /** As a merge or a mount shows it below /usr: it cannot be labelled there. */
  shown?: true;
}

export interface WrongLabel {
  place: LabelledPlace;
  /** undefined: the file has none. */
  found?: string | undefined;
  needed: string;
  stock?: string | undefined;
  /** The type is another one, but gives the same access to the file. */
  sameAccess: boolean;
}

/** What the policy's family says: `fallbackLabel` of cli/layout. */
export interface LabelRules {
  family: string;
  fallbackType(fileClass: Fallback): string;
}

interface AccessTable {
  keepsOut: string[];
  families: Record<string, Record<LabelUse, string[]>>;
}

const table = parseJson(asset('overlays/labelAccess.json')) as AccessTable;

/**
 * Compares the label of a file with the one that it needs: the host's own stock label, an administrator's rules included, unless that label
 * denies the use of the file; then the one that an install writes. undefined where it has that label, and where nothing has to hold.
 */
export function wrongLabel(place: LabelledPlace, { found, stock }: FileLabel, rules: LabelRules): WrongLabel | undefined {
  const needed = neededLabel(place, stock, rules);
  if (needed === undefined || found === needed) return undefined;
  const [is, should] = [partsOf(found), partsOf(needed)];
  const sameRange = is.range === should.range;
  if (is.type === should.type && sameRange && place.exact === undefined) return undefined;
  return {
    place,
    needed,
    found,
    stock,
    sameAccess: sameRange && (is.type === should.type || serves(rules.family, place.use, is.type)),
  };
}

/** Another program's file keeps its label, and what a merge shows is labelled where it is stored. */
export function canRepair({ place }: WrongLabel): boolean {
  return place.foreign === undefined && place.shown === undefined;
}

function neededLabel({ use, fallback }: LabelledPlace, stock: string | undefined, rules: LabelRules): string | undefined {
  if (fallback === undefined) return stock;
  const type = partsOf(stock).type;
  const keepsOut = stock === undefined || (table.keepsOut.includes(type) && !serves(rules.family, use, type));
  return keepsOut ? `system_u:object_r:${rules.fallbackType(fallback)}:s0` : stock;
}

/** Whether files of this type are known to serve this use. */
function serves(family: string, use: LabelUse, type: string): boolean {
  return Object.hasOwn(table.families, family) && table.families[family]![use].includes(type);
}

/** USER:ROLE:TYPE:RANGE; a range may have colons itself, and policies without MLS have none. */
function partsOf(label: string | undefined): { type: string; range: string } {
  const [, , type = '', ...range] = (label ?? '').split(':');
  return { type, range: range.join(':') };
}
