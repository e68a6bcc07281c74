/** A cell: a text, or lines below each other. */
export type Cell = string | string[];

const gap = '  ';

/**
 * Rows in columns as wide as their widest cell, with the heads above. A row is as high as its highest cell. Columns without any text but
 * their head are left out; nothing is cut.
 */
export function tableLines(heads: string[], rows: Cell[][]): string[] {
  const used = heads.map((_, column) => rows.some((row) => linesOf(row[column]).some((line) => line !== '')));
  const lines = [heads, ...rows].flatMap((row) => {
    const cells = row.filter((_, column) => used[column]).map(linesOf);
    const height = Math.max(1, ...cells.map((cell) => cell.length));
    return Array.from({ length: height }, (_, index) => cells.map((cell) => cell[index] ?? ''));
  });
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => [...(line[column] ?? '')].length)));
  return lines.map((line) =>
    line
      .map((text, column) => text + ' '.repeat(widths[column]! - [...text].length))
      .join(gap)
      .trimEnd(),
  );
}

function linesOf(cell: Cell | undefined): string[] {
  // A name of the host may have lines; none of them may look like a row.
  return [cell ?? ''].flat().map((text) => text.replaceAll(/[\n\r\v\f\u0085\u2028\u2029]/gu, '␤'));
}

const units: [name: string, seconds: number][] = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
];

/** '3 d', '5 h', '12 min', '7 s': since an RFC 3339 time, rounded down; '–' for one in the future or none. */
export function age(at: string, now: Date): string {
  const seconds = Math.floor((now.getTime() - Date.parse(at)) / 1000);
  if (!(seconds >= 0)) return '–';
  const [name, unit] = units.find(([, each]) => seconds >= each) ?? ['s', 1];
  return `${Math.floor(seconds / unit)} ${name}`;
}
