const limit = 8000;

/**
 * What a tier said about its failures, for the end of the run: of a long output the end is what people and CI's records keep.
 * `said` is the whole output of a tier; of one that died before its sum, that is its last lines. At most 8,000 characters.
 */
export function failuresOf(said: string, died: boolean): string {
  if (died) return said.slice(-limit).trim();
  const leftOut = said.split('\n').filter((line) => line.startsWith('! ') || line.startsWith('left out, '));
  // Mocha closes with “N failing” and the failures under numbers; colours come before and after.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's colours begin with one
  const at = said.search(/^(\u001b\[\d+m)* *(\u001b\[\d+m)* *\d+ failing/m);
  const failing = at < 0 ? '' : said.slice(at).replace(/(\n+\w+: \d+ s)?\n+\d+ passed, \d+ failed, \d+ skipped\n$/, '');
  const all = [...leftOut, failing].join('\n').trim();
  return all.length <= limit ? all : `${all.slice(0, limit)}\n… (the whole is in the tier's own output above)`;
}
