import { parseDocument, type TomlDocument } from '../../documents/toml/index.ts';

/** Takes in the configuration that the program has without a template. */
export const baseLine = '{{ template "base" . }}';

/** A template of kata-sysext's without its block: it goes where nothing else was written into it. */
export const madeTemplate = `# Made by kata-sysext, and removed by "kata-sysext uninstall" while nothing else is in it. Tables may be added below.\n${baseLine}\n`;

/** More than any template has: each is looked at with its line. */
const maxActions = 1000;

interface Action {
  at: number;
  /** Behind its last brace. */
  end: number;
  text: string;
}

/** Of Go's text/template: `{{ … }}`, and comments, which end at `*\/` and braces. undefined where they are too many. */
function actionsIn(text: string): Action[] | undefined {
  const found: Action[] = [];
  for (let at = text.indexOf('{{'); at >= 0; at = text.indexOf('{{', found.at(-1)!.end)) {
    const comment = /^\{\{-?\s*\/\*/.test(text.slice(at, at + 8)) ? text.indexOf('*/', at) : at;
    const close = comment < 0 ? -1 : text.indexOf('}}', comment);
    if (close < 0) break;
    found.push({ at, end: close + 2, text: text.slice(at, close + 2) });
    if (found.length > maxActions) return undefined;
  }
  return found;
}

/** How often a template takes the program's own configuration in, and where first. */
export function basesIn(text: string): { count: number; at: number } {
  const found = (actionsIn(text) ?? []).filter((each) => /^\{\{-?\s*template\s+(["`])base\1\s+\.\s*-?\}\}$/.test(each.text));
  return { count: found.length, at: found[0]?.at ?? -1 };
}

/**
 * A template as TOML: an action with its lines for itself is a comment, any other one a plain value, which is also a bare key and text.
 * Blocks of kata-sysext have no action, so they are in this text as they are in the template.
 */
export function asToml(text: string): string {
  const actions = actionsIn(text) ?? [];
  let out = '';
  let from = 0;
  for (const [index, { at, end }] of actions.entries()) {
    out += text.slice(from, at);
    from = end;
    out += isAlone(text, out, actions.slice(index + 1), end) ? '#' : '1e00';
  }
  return out + text.slice(from);
}

/** Nothing but actions is in its line; what is ahead of it is already in `out`. */
function isAlone(text: string, out: string, next: readonly Action[], end: number): boolean {
  if (!/^[\s#]*$/.test(out.slice(out.lastIndexOf('\n') + 1))) return false;
  const newline = text.indexOf('\n', end);
  const lineEnd = newline < 0 ? text.length : newline;
  let from = end;
  for (const action of next) {
    if (action.at > lineEnd) break;
    if (text.slice(from, action.at).trim() !== '') return false;
    from = action.end;
  }
  return text.slice(from, Math.max(from, lineEnd)).trim() === '';
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
