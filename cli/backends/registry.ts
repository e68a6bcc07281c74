import type { Unit } from '../systemd/types.ts';
import { facts as baked } from './baked/facts.ts';
import { facts as overlay } from './overlay/facts.ts';
import { facts as prefix } from './prefix/facts.ts';
import { facts as sysext } from './sysext/facts.ts';
import type { BackendFacts } from './types.ts';

const rows: readonly BackendFacts[] = [prefix, sysext, overlay, baked];

/** What `--backend` takes. */
export const backendNames: readonly string[] = ['auto', ...rows.map(({ name }) => name)];

/** The one that works on every host. */
export const plainBackend = prefix.name;
export const imagingBackend = sysext.name;
export const imageBackend = baked.name;

export function isOfImage(name: string): boolean {
  return rows.some((row) => row.ofImage && row.name === name);
}

export function backendUnits(): Unit[] {
  return rows.flatMap(({ units }) => units);
}
