import { parseDocument, type TomlDocument } from '../../documents/toml/index.ts';

/** Takes in the configuration that the program has without a template. */
export const baseLine = '{{ template "base" . }}';

/** A template of kata-sysext's without its block: it goes where nothing else was written into it. */
export const madeTemplate = `# Made by kata-sysext, and removed by "kata-sysext uninstall" while nothing else is in it. Tables may be added below.\n${baseLine}\n`;

/** Go's text/template: `{{ … }}` is an action, `{{/* … *\/}}` a comment. */
const action = /\{\{[\s\S]*?\}\}/g;

/** How often a template takes the program's own configuration in, and where first. */
export function basesIn(text: string): { count: number; at: number } {
  const found = [...text.matchAll(action)].filter(([each]) => /^\{\{-?\s*template\s+(["`])base\1\s+\.\s*-?\}\}$/.test(each));
  return { count: found.length, at: found[0]?.index ?? -1 };
}

/**
 * A template as TOML: an action with its lines for itself is a comment, any other one a plain value, which is also a bare key and text. Blocks of kata-sysext
 * have no action, so they are in this text as they are in the template.
 */
export function asToml(text: string): string {
  let out = '';
  let from = 0;
  for (const found of text.matchAll(action)) {
    out += text.slice(from, found.index);
    from = found.index + found[0].length;
    const ahead = out.slice(out.lastIndexOf('\n') + 1);
    const lineEnd = text.indexOf('\n', from);
    const behind = text.slice(from, lineEnd < 0 ? undefined : lineEnd).replace(action, '');
    out += /^[\s#]*$/.test(ahead) && behind.trim() === '' ? '#' : '1e00';
  }
  return out + text.slice(from);
}

/** What a template says around its actions; undefined where that is no TOML: then only bytes can be judged. */
export function readTemplate(text: string, path: string): TomlDocument | undefined {
  try {
    return parseDocument(asToml(text), path);
  } catch {
    return undefined;
  }
}

/** The same lines as the program renders them: no empty line but one before each header. */
export function asRendered(lines: readonly string[]): string {
  return lines
    .filter((line) => line.trim() !== '')
    .map((line) => (line.startsWith('[') ? `\n${line}\n` : `${line}\n`))
    .join('');
}
