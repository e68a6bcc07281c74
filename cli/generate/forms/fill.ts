import { asset } from '../../assets/index.ts';

/** Fills the `{{name}}` places of a template. A name without a value is a fault of the program. */
export function fill(template: string, values: Record<string, string>): string {
  return asset(`templates/first-boot/${template}`).replace(/\{\{(\w+)\}\}/g, (_all, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${template} names {{${name}}}, for which there is no value`);
    return value;
  });
}

/** One word of a shell's line, whatever is in it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
