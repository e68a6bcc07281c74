import { asset } from '../assets/index.ts';
import { parseJson } from '../documents/index.ts';

/** What a file is for; decides its type where the stock contexts would give one that a VMM cannot use. */
export type LabelClass = 'shim' | 'hypervisor' | 'program' | 'library' | 'data' | 'image' | 'link' | 'config' | 'store';

interface Family {
  /** Values of SELINUXTYPE that mean this family; the first family serves any other policy. */
  policies: string[];
  /** Types that mark a file as a program: what is started has one of them. */
  programs: string[];
  /** Types that a VMM may execute, map and read. */
  usable: string[];
  /** As in the policy's own file_contexts.subs_dist. */
  aliases: Record<string, string>;
  /** The first row that matches the whole path wins. */
  rows: { path: string; type: string }[];
  classes: Record<LabelClass, string>;
}

const table = (parseJson(asset('overlays/labels.json')) as { families: Record<string, Family> }).families;

/** The policy families that the table knows. */
export const families: string[] = Object.keys(table);

const rows = new Map(
  Object.entries(table).map(([name, family]) => [
    name,
    family.rows.map((row) => ({ fits: new RegExp(`^(?:${row.path})$`), type: row.type })),
  ]),
);

/** The SELinux type that the policy's own file contexts give this path, where the table knows it: such a label survives restorecon. */
export function stockLabel(family: string, hostPath: string): string | undefined {
  const { aliases } = familyOf(family);
  const alias = Object.keys(aliases).find((from) => hostPath === from || hostPath.startsWith(`${from}/`));
  const path = alias === undefined ? hostPath : `${aliases[alias]}${hostPath.slice(alias.length)}`;
  return rows.get(family)!.find((row) => row.fits.test(path))?.type;
}

/** The SELinux type for a file of kata-sysext: the stock one where there is one, else one that every family has and that a VMM may use. */
export function labelFor(family: string, hostPath: string, fileClass: LabelClass): string {
  return stockLabel(family, hostPath) ?? familyOf(family).classes[fileClass];
}

export function familyOfPolicy(policy: string): string {
  return families.find((name) => table[name]!.policies.includes(policy)) ?? families[0]!;
}

/** Whether a file of this class can be used with this type: a program started, anything else read by a VMM. */
export function isUsable(family: string, type: string, fileClass: LabelClass): boolean {
  const { programs, usable } = familyOf(family);
  return (fileClass === 'program' ? programs : usable).includes(type);
}

/** The type for a file that the stock contexts would make unusable. */
export function fallbackLabel(family: string, fileClass: LabelClass): string {
  return familyOf(family).classes[fileClass];
}

function familyOf(name: string): Family {
  const family = table[name];
  if (family === undefined) throw new Error(`overlays/labels.json has no policy family ${name}`);
  return family;
}
