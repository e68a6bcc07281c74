import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Put in place by the build (`scripts/build.ts`): repo-relative names to texts. Absent when run from the sources. */
declare const KATA_SYSEXT_ASSETS: Record<string, string> | undefined;

/** Put in place by the build: helpers/kvm/probe.c compiled, in base64, by Node's name of the architecture. */
declare const KATA_SYSEXT_KVM_PROBES: Record<string, string> | undefined;

/** The text of a table, template or unit by its repo-relative name, e.g. 'overlays/handlers.json'. The built program carries them inside. */
export function asset(name: string): string {
  if (typeof KATA_SYSEXT_ASSETS === 'undefined') return readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
  const text = KATA_SYSEXT_ASSETS[name];
  if (text === undefined) throw new Error(`the program was built without ${name}`);
  return text;
}

/** The names of all below a folder, in byte order, e.g. of 'templates/kubernetes'. */
export function assetsBelow(folder: string): string[] {
  if (typeof KATA_SYSEXT_ASSETS !== 'undefined') return Object.keys(KATA_SYSEXT_ASSETS).filter((name) => name.startsWith(`${folder}/`));
  const place = fileURLToPath(new URL(`../../${folder}`, import.meta.url));
  const entries = readdirSync(place, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return entries.map(({ parentPath, name }) => `${folder}${parentPath.slice(place.length)}/${name}`).sort();
}

/** Fills the `{{name}}` places of a template. A name without a value is a fault of the program. */
export function fill(template: string, values: Record<string, string>): string {
  return asset(template).replace(/\{\{(\w+)\}\}/g, (_all, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${template} names {{${name}}}, for which there is no value`);
    return value;
  });
}

/**
 * The program that asks KVM to run a guest, for this process's architecture. undefined from the sources, where nothing is compiled, and in a
 * build by a machine that lacks the compiler.
 */
export function kvmProbe(): Buffer | undefined {
  if (typeof KATA_SYSEXT_KVM_PROBES === 'undefined') return undefined;
  const text = KATA_SYSEXT_KVM_PROBES[process.arch];
  return text === undefined ? undefined : Buffer.from(text, 'base64');
}
