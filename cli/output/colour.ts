/** What a line begins with, and the colour of that: 31 red, 32 green, 33 yellow, 36 cyan (ECMA-48, SGR). */
const signs: Record<string, number> = { '✓': 32, '●': 32, '✗': 31, 'error:': 31, '!': 33, 'warning:': 33, '›': 36 };

const begins = /^( *)(✓|●|✗|!|›|error:|warning:)(?= )/gm;
/** Of a plan's differences: behind seven blanks. */
const changes = /^( {7})([+-].*|@@.*@@)$/gm;

/** The same text with colours; what it says stays readable without them. */
export function coloured(text: string): string {
  return text
    .replace(begins, (_, blanks: string, sign: string) => `${blanks}${inColour(sign, signs[sign]!)}`)
    .replace(
      changes,
      (_, blanks: string, line: string) => `${blanks}${inColour(line, line.startsWith('+') ? 32 : line.startsWith('-') ? 31 : 36)}`,
    );
}

function inColour(text: string, colour: number): string {
  return `\u001b[${colour}m${text}\u001b[0m`;
}

export type ColourMode = 'auto' | 'always' | 'never';

/** `auto`: on a terminal that is not dumb, unless the environment has NO_COLOR (https://no-color.org). */
export function takesColour(mode: ColourMode, isTTY: boolean | undefined, env: Readonly<Record<string, string | undefined>>): boolean {
  if (mode !== 'auto') return mode === 'always';
  return isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
}
