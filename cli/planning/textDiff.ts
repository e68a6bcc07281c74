import type { FileChange } from '../engines/index.ts';
import type { HostView } from '../host/index.ts';
import { type Drawn, folderOf, type Generation } from '../store/index.ts';

/** The diff of one file, made of the texts of kata-sysext only: lines of other programs may hold secrets and are never shown. */
export function insideLines(change: FileChange): string[] {
  if (change.after === 'absent') return change.ours.flatMap((text) => signed('-', text, 1));
  const { text } = change.after;
  return change.ours.flatMap((inserted) => {
    const at = text.indexOf(inserted);
    return at < 0 ? signed('-', inserted, 0) : signed('+', inserted, text.slice(0, at).split('\n').length);
  });
}

function signed(sign: string, text: string, line: number): string[] {
  const lines = text
    .replace(/^\r?\n/, '')
    .replace(/\r?\n$/, '')
    .split(/\r?\n/);
  const head = line === 0 ? [] : [`@@ line ${line} @@`];
  return [...head, ...lines.map((each) => `${sign}${each}`)];
}

/** How many lines of a diff are looked for: what differs in more is another file. */
const maxDifferences = 400;

/** The lines that differ between two texts of kata-sysext, each with its number in the new text and the TOML table around it. */
export function lineDiff(before: string, after: string): string[] {
  const [a, b] = [before.split(/\r?\n/), after.split(/\r?\n/)];
  const script = shortest(a, b);
  if (script === undefined) return [`more than ${maxDifferences} lines differ`];
  const lines: string[] = [];
  let last = -2;
  for (const { sign, x, y } of script) {
    if (y !== last && y !== last + 1) lines.push(`@@ line ${y + 1}${tableOf(b, y)} @@`);
    lines.push(`${sign}${sign === '-' ? a[x] : b[y]}`);
    last = y;
  }
  return lines;
}

/** Kata's files have the same key in several tables. */
function tableOf(lines: string[], index: number): string {
  const header = lines.slice(0, index + 1).findLast((line) => /^\[.+\]\s*$/.test(line));
  return header === undefined ? '' : ` ${header.trim()}`;
}

interface Difference {
  sign: '+' | '-';
  /** Line of the old text, line of the new one. */
  x: number;
  y: number;
}

/** Myers' O(ND) algorithm: the fewest lines that go and come. */
function shortest(a: string[], b: string[]): Difference[] | undefined {
  const reached = new Map<number, number>([[1, 0]]);
  const trace: Map<number, number>[] = [];
  for (let cost = 0; cost <= maxDifferences; cost++) {
    trace.push(new Map(reached));
    for (let k = -cost; k <= cost; k += 2) {
      const down = k === -cost || (k !== cost && (reached.get(k - 1) ?? -1) < (reached.get(k + 1) ?? -1));
      let x = down ? reached.get(k + 1)! : reached.get(k - 1)! + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      reached.set(k, x);
      if (x >= a.length && x - k >= b.length) return walkBack(trace, a.length, b.length);
    }
  }
  return undefined;
}

function walkBack(trace: Map<number, number>[], endX: number, endY: number): Difference[] {
  const found: Difference[] = [];
  let [x, y] = [endX, endY];
  for (let cost = trace.length - 1; cost > 0; cost--) {
    const reached = trace[cost]!;
    const k = x - y;
    const down = k === -cost || (k !== cost && (reached.get(k - 1) ?? -1) < (reached.get(k + 1) ?? -1));
    const before = down ? k + 1 : k - 1;
    x = reached.get(before)!;
    y = x - before;
    found.push({ sign: down ? '+' : '-', x, y });
  }
  return found.reverse();
}

/** What a change does to the configuration that kata-sysext wrote for a handler. */
export interface ConfigurationDiff {
  handler: string;
  diff: string[];
}

/**
 * What the choices of a drawn generation make of each handler's configuration: against what the handler has now where its files stay
 * the same, else against the release's own (a new release differs in more than what was chosen). Unchanged ones are left out.
 */
export async function configurationDiffs(host: HostView, from: Generation | undefined, drawn: Drawn): Promise<ConfigurationDiff[]> {
  const stays = from !== undefined && from.manifest.payload === drawn.manifest.payload && from.manifest.backend === drawn.manifest.backend;
  const found: ConfigurationDiff[] = [];
  for (const [handler, text] of drawn.configurations) {
    const had = stays ? await host.readText(`${folderOf(from.manifest)}/config/${handler}/configuration.toml`) : undefined;
    const before = had ?? drawn.plain.get(handler) ?? '';
    if (before !== text) found.push({ handler, diff: lineDiff(before, text) });
  }
  return found;
}
