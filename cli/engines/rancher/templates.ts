import { parseDocument, type TomlDocument } from '../../documents/toml/index.ts';

/** Takes in the configuration that the program has without a template. */
export const baseLine = '{{ template "base" . }}';

/** A template of kata-sysext's without its block: it goes where nothing else was written into it. */
export const madeTemplate = `# Made by kata-sysext, and removed by "kata-sysext uninstall" while nothing else is in it. Tables may be added below.\n${baseLine}\n`;

/** In place of an action that is a value, a key or text. */
export const actionValue = '1e00';

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

/** How often a template takes the program's own configuration in, and where first. `$` is the data of the whole template, as `.` is outside of actions. */
export function basesIn(text: string): { count: number; at: number } {
  const found = (actionsIn(text) ?? []).filter(isBase);
  return { count: found.length, at: found[0]?.at ?? -1 };
}

function isBase({ text }: Action): boolean {
  return /^\{\{-?\s*template\s+(["`])base\1\s+[.$]\s*-?\}\}$/.test(text);
}

/** Whether it does or notes anything that its TOML does not show. */
export function hasOtherActions(text: string): boolean {
  return actionsIn(text)?.some((each) => !isBase(each)) ?? true;
}

/** It may leave text out, or repeat it. */
export function hasBranches(text: string): boolean {
  return actionsIn(text)?.some((each) => /^\{\{-?\s*(?:if|range|with|define|block)\b/.test(each.text)) ?? true;
}

/**
 * A template as TOML: an action with its lines for itself is a comment, any other one a plain value, which is also a bare key and text.
 * Blocks of kata-sysext have no action, so they are in this text as they are in the template.
 */
export function asToml(text: string): string {
  const actions = actionsIn(text) ?? [];
  const blankBehind = areBlankBehind(text, actions);
  const parts: string[] = [];
  let from = 0;
  /** What is ahead in the line, as TOML: nothing but blanks and comments. */
  let isBlankAhead = true;
  for (const [index, { at, end }] of actions.entries()) {
    const between = text.slice(from, at);
    const newline = between.lastIndexOf('\n');
    isBlankAhead = (newline >= 0 || isBlankAhead) && /^[\s#]*$/.test(between.slice(newline + 1));
    isBlankAhead &&= blankBehind[index]!;
    parts.push(between, isBlankAhead ? '#' : actionValue);
    from = end;
  }
  return [...parts, text.slice(from)].join('');
}

/** For each action, whether nothing but actions is behind it in its line. From the last one on, so that no text is looked at twice. */
function areBlankBehind(text: string, actions: readonly Action[]): boolean[] {
  const found: boolean[] = [];
  for (let index = actions.length - 1; index >= 0; index -= 1) {
    const next = actions[index + 1];
    const between = text.slice(actions[index]!.end, next?.at ?? text.length);
    const newline = between.indexOf('\n');
    const isLineEnd = newline >= 0 || next === undefined || next.text.includes('\n');
    found[index] = between.slice(0, newline < 0 ? undefined : newline).trim() === '' && (isLineEnd || found[index + 1]!);
  }
  return found;
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
