import { type Token, tokensOf } from './lex.ts';

/** A part of a template, as Go's text/template has them. */
export type Part =
  | { is: 'text'; text: string }
  | { is: 'output'; value: Pipeline }
  | { is: 'set'; name: string; declares: boolean; value: Pipeline }
  | { is: 'if' | 'with'; value: Pipeline; body: Part[]; otherwise: Part[] }
  | { is: 'range'; names: string[]; value: Pipeline; body: Part[]; otherwise: Part[] };

/** Commands; each gets what the one before gave as its last argument. */
export type Pipeline = Command[];
type Command = Operand[];

/** `fields` are looked up in it, one in the other. */
export type Operand = { fields: string[] } & (
  | { is: 'value'; value: string | number | boolean }
  | { is: 'dot' }
  | { is: 'variable'; name: string }
  | { is: 'function'; name: string }
  | { is: 'pipeline'; value: Pipeline }
);

/** Whole templates by their names. */
export type Defined = Map<string, Part[]>;

interface Reader {
  tokens: Token[];
  at: number;
  where: string;
  defined: Defined;
}

/** The parts of a source; what it defines goes into `defined`. Throws an Error for what is no template of the subset: the chart is at fault. */
export function parse(source: string, where: string, defined: Defined): Part[] {
  const reader: Reader = { tokens: tokensOf(source, where), at: 0, where, defined };
  const { parts, end } = partsUntil(reader, []);
  if (end !== undefined) throw fault(reader, `${end} closes nothing`);
  return parts;
}

/** Parts up to an action with one of these words, which is read as well; `end` is that word. */
function partsUntil(reader: Reader, ends: string[]): { parts: Part[]; end: string | undefined } {
  const parts: Part[] = [];
  for (let token = next(reader); token !== undefined; token = next(reader)) {
    if (token.is === 'text') {
      if (token.text !== '') parts.push({ is: 'text', text: token.text });
      continue;
    }
    if (token.is !== 'open') throw fault(reader, `“${token.text}” outside an action`);
    const word = peek(reader);
    if (word?.is === 'word' && ends.includes(word.text)) {
      next(reader);
      return { parts, end: word.text };
    }
    const part = action(reader);
    if (part !== undefined) parts.push(part);
  }
  if (ends.length > 0) throw fault(reader, `the source ends before ${ends.join(' or ')}`);
  return { parts, end: undefined };
}

/** Between the braces; `define` gives none. */
function action(reader: Reader): Part | undefined {
  const first = peek(reader);
  if (first?.is === 'word' && Object.hasOwn(blocks, first.text)) {
    next(reader);
    return blocks[first.text as keyof typeof blocks](reader);
  }
  if (first?.is === 'word' && ['end', 'else', 'template', 'block', 'break', 'continue'].includes(first.text))
    throw fault(reader, `“${first.text}” has no place here`);
  const name = reader.tokens[reader.at];
  const sign = reader.tokens[reader.at + 1];
  if (name?.is === 'variable' && sign?.is === 'sign' && [':=', '='].includes(sign.text)) {
    reader.at += 2;
    const value = pipeline(reader);
    close(reader);
    return { is: 'set', name: name.text, declares: sign.text === ':=', value };
  }
  const value = pipeline(reader);
  close(reader);
  return { is: 'output', value };
}

const blocks = {
  if: (reader: Reader) => conditional(reader, 'if'),
  with: (reader: Reader) => conditional(reader, 'with'),
  range: (reader: Reader): Part => {
    const names: string[] = [];
    const begins = reader.at;
    for (let token = next(reader); token?.is === 'variable'; token = next(reader)) {
      names.push(token.text);
      const sign = next(reader);
      if (sign?.is === 'sign' && sign.text === ':=') break;
      // A variable that is the value itself, as in {{ range $list }}.
      if (sign?.is !== 'sign' || sign.text !== ',') names.length = 0;
      if (names.length === 0) break;
    }
    if (names.length === 0) reader.at = begins;
    const value = pipeline(reader);
    close(reader);
    return { is: 'range', names, value, ...bodies(reader) };
  },
  define: (reader: Reader): undefined => {
    const name = next(reader);
    if (name?.is !== 'string') throw fault(reader, 'define without a name');
    close(reader);
    const { parts } = partsUntil(reader, ['end']);
    close(reader);
    if (reader.defined.has(name.text)) throw fault(reader, `${name.text} is defined twice`);
    reader.defined.set(name.text, parts);
    return undefined;
  },
};

function conditional(reader: Reader, is: 'if' | 'with'): Part {
  const value = pipeline(reader);
  close(reader);
  return { is, value, ...bodies(reader) };
}

/** Up to the `end`, with what `else` and `else if` say. */
function bodies(reader: Reader): { body: Part[]; otherwise: Part[] } {
  const { parts, end } = partsUntil(reader, ['else', 'end']);
  if (end === 'end') {
    close(reader);
    return { body: parts, otherwise: [] };
  }
  const word = peek(reader);
  if (word?.is === 'word' && word.text === 'if') {
    next(reader);
    return { body: parts, otherwise: [conditional(reader, 'if')] };
  }
  close(reader);
  const rest = partsUntil(reader, ['end']);
  close(reader);
  return { body: parts, otherwise: rest.parts };
}

function pipeline(reader: Reader): Pipeline {
  const commands: Pipeline = [command(reader)];
  for (let token = peek(reader); token?.is === 'sign' && token.text === '|'; token = peek(reader)) {
    next(reader);
    commands.push(command(reader));
  }
  return commands;
}

function command(reader: Reader): Command {
  const operands: Command = [];
  for (let operand = operandAt(reader); operand !== undefined; operand = operandAt(reader)) operands.push(operand);
  if (operands.length === 0) throw fault(reader, 'an action without a value');
  return operands;
}

/** undefined at what ends a command. */
function operandAt(reader: Reader): Operand | undefined {
  const token = peek(reader);
  if (token === undefined || token.is === 'text' || token.is === 'open' || token.is === 'close') return undefined;
  if (token.is === 'sign' && token.text !== '(') return undefined;
  next(reader);
  if (token.is === 'sign') {
    const value = pipeline(reader);
    const end = next(reader);
    if (end?.is !== 'sign' || end.text !== ')') throw fault(reader, 'a bracket that is not closed');
    return { is: 'pipeline', value, fields: end.fields };
  }
  const { fields, text } = token;
  if (token.is === 'string') return { is: 'value', value: text, fields };
  if (token.is === 'number') return { is: 'value', value: Number(text), fields };
  if (token.is === 'variable') return { is: 'variable', name: text, fields };
  if (token.is === 'dot') return { is: 'dot', fields };
  if (text === 'true' || text === 'false') return { is: 'value', value: text === 'true', fields };
  return { is: 'function', name: text, fields };
}

function close(reader: Reader): void {
  const token = next(reader);
  if (token?.is !== 'close') throw fault(reader, `“${token?.text ?? 'the end'}” where an action ends`);
}

function peek({ tokens, at }: Reader): Token | undefined {
  return tokens[at];
}

function next(reader: Reader): Token | undefined {
  const token = reader.tokens[reader.at];
  reader.at += 1;
  return token;
}

function fault({ where, tokens, at }: Reader, what: string): Error {
  return new Error(`${where}:${tokens[Math.min(at, tokens.length) - 1]?.line ?? 1}: ${what}`);
}
