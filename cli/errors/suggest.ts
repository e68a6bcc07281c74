/** The (at most three) names with the smallest edit distance to `word`. */
export function nearest(word: string, names: string[]): string[] {
  // A handler's name is short; what is longer is no typing error and would only cost time.
  const short = word.slice(0, 64);
  const ranked = names.map((name) => ({ name, distance: editDistance(short, name) }));
  ranked.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return ranked.slice(0, 3).map((row) => row.name);
}

/** Levenshtein's distance. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const change = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(change, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
