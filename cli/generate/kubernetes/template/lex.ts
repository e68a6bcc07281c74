import { parseJson } from '../../../documents/index.ts';

/** A word of an action, or the text between actions. */
export interface Token {
  is: 'text' | 'open' | 'close' | 'word' | 'variable' | 'dot' | 'string' | 'number' | 'sign';
  /** A string without its quotes, a variable without its dollar sign. */
  text: string;
  /** What follows directly, as in `.Values.mode` and `(lookup …).items`. */
  fields: string[];
  line: number;
}

const maxSource = 262_144;
const space = /\s*/y;
const comment = /\{\{(- )?\/\*[\s\S]*?\*\/( -)?\}\}/y;
const words =
  /(?<string>"(?:[^"\\\n]|\\.)*")|(?<number>\d+)|(?<variable>\$\w*)|(?<dot>\.)(?=[\s)|])|(?<chain>(?:\.\w+)+)|(?<word>\w+)|(?<sign>:=|[=|(),])/y;
const chain = /(?:\.\w+)*/y;

/** What a source consists of. The white space beside `{{-` and `-}}` is gone. Throws an Error for a sign that no action has. */
export function tokensOf(source: string, where: string): Token[] {
  if (source.length > maxSource) throw new Error(`${where} has ${source.length} signs, more than ${maxSource}`);
  const tokens: Token[] = [];
  let trims = false;
  for (let at = 0; at < source.length; ) {
    const open = source.indexOf('{{', at);
    const raw = source.slice(at, open < 0 ? undefined : open);
    const left = trims ? raw.trimStart() : raw;
    const trimsLeft = open >= 0 && source.startsWith('{{- ', open);
    tokens.push({ is: 'text', text: trimsLeft ? left.trimEnd() : left, fields: [], line: lineAt(source, at) });
    if (open < 0) break;
    const said = matchAt(comment, source, open);
    const read =
      said === undefined
        ? actionAt(source, open + (trimsLeft ? 3 : 2), where, tokens)
        : { end: open + said[0].length, trims: said[2] !== undefined };
    ({ end: at, trims } = read);
  }
  return tokens;
}

/** The words of one action, up to and with its braces. */
function actionAt(source: string, begin: number, where: string, tokens: Token[]): { end: number; trims: boolean } {
  tokens.push({ is: 'open', text: '{{', fields: [], line: lineAt(source, begin) });
  for (let at = begin; at < source.length; ) {
    at += matchAt(space, source, at)![0].length;
    if (at === source.length) break;
    const line = lineAt(source, at);
    // A blank comes before the minus sign.
    const trims = source.startsWith('-}}', at);
    if (trims || source.startsWith('}}', at)) {
      tokens.push({ is: 'close', text: '}}', fields: [], line });
      return { end: at + (trims ? 3 : 2), trims };
    }
    const found = matchAt(words, source, at);
    if (found === undefined) throw new Error(`${where}:${line}: an action with ${JSON.stringify(source.slice(at, at + 10))}`);
    at += found[0].length;
    const token = tokenOf(found, line);
    if (['variable', 'sign'].includes(token.is) && (token.is === 'variable' || token.text === ')')) {
      const further = matchAt(chain, source, at)![0];
      token.fields = fieldsOf(further);
      at += further.length;
    }
    tokens.push(token);
  }
  throw new Error(`${where}: an action that is not closed`);
}

function tokenOf({ 0: text, groups = {} }: RegExpExecArray, line: number): Token {
  if (groups['string'] !== undefined) return { is: 'string', text: parseJson(text) as string, fields: [], line };
  if (groups['number'] !== undefined) return { is: 'number', text, fields: [], line };
  if (groups['variable'] !== undefined) return { is: 'variable', text: text.slice(1), fields: [], line };
  if (groups['dot'] !== undefined) return { is: 'dot', text, fields: [], line };
  if (groups['chain'] !== undefined) return { is: 'dot', text, fields: fieldsOf(text), line };
  return { is: groups['word'] === undefined ? 'sign' : 'word', text, fields: [], line };
}

function fieldsOf(text: string): string[] {
  return text.split('.').slice(1);
}

function matchAt(pattern: RegExp, source: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(source) ?? undefined;
}

function lineAt(source: string, at: number): number {
  return source.slice(0, at).split('\n').length;
}
