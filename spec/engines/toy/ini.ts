import { KataError } from '../../../cli/errors/index.ts';

/** One section of the file, with the lines that it takes: `[kind name]`, then `key = value`. */
export interface Section {
  kind: string;
  name: string;
  keys: Record<string, string>;
  /** Its text, header and all, up to the next header. */
  text: string;
}

/** Comments (`;`), empty lines, headers and keys below a header: all else is refused with line and column. */
export function sectionsOf(text: string, path: string): Section[] {
  const sections: Section[] = [];
  for (const [index, whole] of text.split(/(?<=\n)/).entries()) {
    const line = whole.replace(/\n$/, '');
    const [, kind, name] = /^\[(\w+)(?: ([\w-]+))?\]\s*$/.exec(line) ?? [];
    if (kind !== undefined) sections.push({ kind, name: name ?? '', keys: Object.create(null) as Record<string, string>, text: '' });
    const section = sections.at(-1);
    const [, key, value] = /^(\w+) *= *(.*?)\s*$/.exec(line) ?? [];
    if (section !== undefined) section.text += whole;
    if (section !== undefined && key !== undefined) section.keys[key] = value!;
    else if (kind === undefined && !/^\s*(?:;.*)?$/.test(line)) throw invalid(path, index + 1);
  }
  return sections;
}

function invalid(path: string, line: number): KataError {
  return new KataError('engine-config-invalid', {
    subject: path,
    found: `${path}: line ${line}, column 1 is neither a section nor a key of one`,
    needed: 'a file that toy itself can read',
    next: `look at ${path}`,
  });
}
