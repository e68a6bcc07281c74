/** The (at most three) names with the smallest edit distance to `word`. */
export function nearest(word: string, names: string[]): string[] {
  // A handler's name is short; what is longer is no typing error and would only cost time.
  const short = word.slice(0, 64);
  const ranked = names.map((name) => ({ name, distance: editDistance(short, name) }));
  ranked.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return ranked.slice(0, 3).map((row) => row.name);
}

/** The nearest of the names, if a typing error could make the word of it. */
export function nearName(word: string, names: readonly string[]): string | undefined {
  // What is longer is no typing error, and would only cost time.
  if (word.length > 40) return undefined;
  const most = Math.max(1, Math.floor(word.length / 3));
  const ranked = names.map((name) => ({ name, distance: editDistance(word, name) })).sort((a, b) => a.distance - b.distance);
  return ranked.find(({ distance, name }) => distance <= most || (word.length > 3 && name.startsWith(word)))?.name;
}

/** The end of a sentence about a word that is none of the names: a question for the nearest, or nothing. */
export function didYouMean(word: string, names: readonly string[], before = ''): string {
  const near = nearName(word, names);
  return near === undefined ? '' : `; did you mean ${before}${near}?`;
}

/** Levenshtein's distance, in which two neighbours that changed places are one mistake: the commonest of those who type. */
export function editDistance(a: string, b: string): number {
  let [before, previous] = [[] as number[], Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const change = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swap = swapped ? before[column - 2]! + 1 : Number.POSITIVE_INFINITY;
      current.push(Math.min(change, swap, previous[column]! + 1, current[column - 1]! + 1));
    }
    [before, previous] = [previous, current];
  }
  return previous[b.length]!;
}
