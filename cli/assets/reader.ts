import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Tables, templates and units by their repo-relative names. */
export interface Reader {
  /** The text of one, e.g. of 'overlays/handlers.json'. */
  asset(name: string): string;
  /** The names of all below a folder, in byte order, e.g. of 'templates/kubernetes'. */
  assetsBelow(folder: string): string[];
  /** Fills the `{{name}}` places of a template. A name without a value is a fault of the program. */
  fill(template: string, values: Record<string, string>): string;
}

/** `built`: what the built program carries inside; undefined when run from the sources. */
export function readerOf(built: Record<string, string> | undefined): Reader {
  const asset = (name: string) => {
    if (built === undefined) return readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
    const text = built[name];
    if (text === undefined) throw new Error(`the program was built without ${name}`);
    return text;
  };
  const assetsBelow = (folder: string) => {
    if (built !== undefined) return Object.keys(built).filter((name) => name.startsWith(`${folder}/`));
    const place = fileURLToPath(new URL(`../../${folder}`, import.meta.url));
    const entries = readdirSync(place, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return entries.map(({ parentPath, name }) => `${folder}${parentPath.slice(place.length)}/${name}`).sort();
  };
  const fill = (template: string, values: Record<string, string>) =>
    asset(template).replace(/\{\{(\w+)\}\}/g, (_all, name: string) => {
      const value = values[name];
      if (value === undefined) throw new Error(`${template} names {{${name}}}, for which there is no value`);
      return value;
    });
  return { asset, assetsBelow, fill };
}
