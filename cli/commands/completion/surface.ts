import { engines } from '../../engines/index.ts';
import { codes } from '../../errors/index.ts';
import { handlerTable, installedName } from '../../layout/index.ts';
import { optionsOf, verbs } from '../table/index.ts';
import { topWords } from '../table/otherWords.ts';
import type { OptionRow, Takes, Verb } from '../types.ts';

/** What a shell offers at one place: words that are known now, what lies on the disk then, or nothing. */
export type Offer =
  | { kind: 'words'; words: string[] }
  | { kind: Exclude<Takes, 'code' | 'overridable-code' | 'engine'> }
  | { kind: 'nothing' };

export interface SurfaceOption {
  /** '--handler', '-v': the first is the long name. */
  flags: string[];
  describe: string;
  /** undefined for a flag without a value. */
  value?: { name: string; offer: Offer } | undefined;
  repeats: boolean;
}

export interface SurfaceVerb {
  name: string;
  summary: string;
  options: SurfaceOption[];
  /** One for each word; the last one goes for those that follow when `repeats`. */
  words: { name: string; offer: Offer }[];
  repeats: boolean;
}

/** The placeholders of the verb table that say what they mean. */
const placeholders: Record<string, Takes> = {
  DIR: 'folder',
  FILE: 'file',
  BUNDLE: 'file',
  URL: 'file',
  CODE: 'code',
  A: 'generation',
  B: 'generation',
  N: 'generation',
  HANDLER: 'installed-handler',
};

const help: SurfaceOption = { flags: ['--help', '-h'], describe: 'show the options of the verb', repeats: false };

/** Options that need no verb. */
export const topOptions: SurfaceOption[] = [
  { ...help, describe: 'show the verbs' },
  { flags: ['--version', '-V'], describe: 'print the version', repeats: false },
];

/** The verb table as the shells need it. */
export function surface(rows: readonly Verb[] = verbs): SurfaceVerb[] {
  return [...rows.map(verbOf), ...topWords.map((row) => topVerb(row, rows))];
}

function verbOf(verb: Verb): SurfaceVerb {
  return {
    name: verb.name,
    summary: verb.summary,
    options: [...Object.entries(optionsOf(verb)).map(([name, row]) => optionOf(verb, name, row)), help],
    words: wordsOf(verb),
    repeats: verb.words.includes('...'),
  };
}

/** A word that the parser answers by itself: no option of a verb belongs to it. */
function topVerb({ name, words, summary }: (typeof topWords)[number], rows: readonly Verb[]): SurfaceVerb {
  const offer: Offer = { kind: 'words', words: rows.map((verb) => verb.name) };
  return { name, summary, options: [], words: words === '' ? [] : [{ name: 'VERB', offer }], repeats: false };
}

/** 'install --handler', 'report -o': the options that take a value, each with its verb. */
export function valuedOptions(surface: SurfaceVerb[]): string[] {
  return surface.flatMap(({ name, options }) =>
    options.filter(({ value }) => value !== undefined).flatMap(({ flags }) => flags.map((flag) => `${name} ${flag}`)),
  );
}

/** All handlers by the release's word and by the name that a RuntimeClass points at. */
export function handlerNames(): { short: string[]; full: string[] } {
  const short = handlerTable.handlers.map(({ name }) => name).sort();
  return { short, full: short.map(installedName) };
}

function optionOf(verb: Verb, name: string, row: OptionRow): SurfaceOption {
  const alias = row.alias === undefined ? [] : [row.alias.length === 1 ? `-${row.alias}` : `--${row.alias}`];
  const value = row.type === 'boolean' ? undefined : { name: row.placeholder ?? 'VALUE', offer: optionValue(verb, name, row) };
  return {
    flags: [`--${name}`, ...alias],
    describe: row.describe,
    repeats: row.type === 'list',
    value,
  };
}

function optionValue(verb: Verb, name: string, row: OptionRow): Offer {
  if (row.choices !== undefined) return { kind: 'words', words: [...row.choices] };
  const { placeholder = '' } = row;
  // N is no generation where it counts something, as in gc --keep N.
  const placeholderKind = placeholder === 'N' ? undefined : placeholders[placeholder];
  return offerOf(row.takes ?? byName(verb, name) ?? (placeholderKind === 'code' ? 'overridable-code' : placeholderKind));
}

/** Options that mean the same with every verb. A verb that takes a bundle may name any handler of it, the others what is installed. */
function byName(verb: Verb, name: string): Takes | undefined {
  if (/^(?:add-)?handler$/.test(name)) return verb.words.includes('BUNDLE') ? 'handler' : 'installed-handler';
  return ({ 'remove-handler': 'installed-handler', to: 'generation', engine: 'engine' } as const)[name];
}

/** '[A [B]]' → A, B; 'bash|zsh' → one place with two words; 'BUNDLE|URL...' → BUNDLE. */
function wordsOf(verb: Verb): { name: string; offer: Offer }[] {
  const places = verb.words.match(/[^\s[\].]+/g) ?? [];
  return places.map((place, index) => {
    const names = place.split('|');
    const fixed = names.filter((name) => /^[a-z]/.test(name));
    const offer: Offer = fixed.length > 0 ? { kind: 'words', words: fixed } : offerOf(verb.takes?.[index] ?? placeholders[names[0]!]);
    return { name: place, offer };
  });
}

function offerOf(takes: Takes | undefined): Offer {
  if (takes === undefined) return { kind: 'nothing' };
  const known = Object.entries(codes);
  if (takes === 'code') return { kind: 'words', words: known.map(([code]) => code) };
  if (takes === 'overridable-code') return { kind: 'words', words: known.flatMap(([code, row]) => (row.overridable ? [code] : [])) };
  if (takes === 'engine') return { kind: 'words', words: engines().map(({ name }) => name) };
  return { kind: takes };
}
