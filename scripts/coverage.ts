import { readdirSync, readFileSync } from 'node:fs';
import { type Profiler, Session } from 'node:inspector';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';
import { decodeMappings, type Segment } from './mappings.ts';

/** The lines of one source file that have code, by number, and those of them that ran at least in part. */
export interface FileCoverage {
  path: string;
  lines: Set<number>;
  covered: Set<number>;
}

export interface Covered {
  lines: number;
  covered: number;
}

/** Names that a file takes from others or passes on: no line of them runs by itself. */
const passages = /^(?:import|export)\b(?:[^;'=]*\bfrom)? '[^']+';$/gm;
const inlineMap = /\/\/# sourceMappingURL=data:application\/json[^,]*;base64,([\w+/=]+)\s*$/;

/**
 * Counts from now on which lines of the TypeScript files below `folder` this process runs; the function that it gives ends that and tells.
 * A process that a spec starts does not count. Mocha loads a file with require(), and what the program loads with import() is a second
 * module with other code and the same address: reports by address, as c8 writes them, mix the two up. So each script is read by its number.
 */
export function measureCoverage(folder: string): () => Promise<FileCoverage[]> {
  const session = new Session();
  session.connect();
  ask(session, 'Profiler.enable');
  ask(session, 'Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  return async () => {
    const { result } = ask<Profiler.TakePreciseCoverageReturnType>(session, 'Profiler.takePreciseCoverage');
    ask(session, 'Profiler.stopPreciseCoverage');
    ask(session, 'Debugger.enable');
    const files = await filesWithCode(folder);
    for (const script of result) {
      const file = script.url.startsWith('file:') ? files.get(fileURLToPath(script.url)) : undefined;
      if (file === undefined) continue;
      const { scriptSource } = ask<{ scriptSource: string }>(session, 'Debugger.getScriptSource', { scriptId: script.scriptId });
      for (const line of linesRun(scriptSource, script.functions)) if (file.lines.has(line)) file.covered.add(line);
    }
    session.disconnect();
    return [...files.values()];
  };
}

/** V8 answers a session of the same thread before `post` returns. */
function ask<T>(session: Session, method: string, params: object = {}): T {
  const answers: T[] = [];
  session.post(method, params, (error, answer) => {
    if (error !== null) throw error;
    answers.push(answer as T);
  });
  return answers[0]!;
}

/** Every source file below the folder by its real path; what the loader never saw has lines too. */
async function filesWithCode(folder: string): Promise<Map<string, FileCoverage>> {
  const names = readdirSync(folder, { recursive: true }).map(String);
  const sources = names.filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts')).sort();
  const files = await Promise.all(
    sources.map(async (name): Promise<[string, FileCoverage]> => {
      const path = join(folder, name);
      const source = readFileSync(path, 'utf8').replace(passages, (text) => text.replace(/[^\n]+/g, ''));
      const { map } = await transform(source, { loader: 'ts', format: 'esm', sourcemap: 'external' });
      const lines = new Set(segmentsOf(map).map(({ line }) => line));
      return [path, { path: relative(folder, path), lines, covered: new Set() }];
    }),
  );
  return new Map(files);
}

function segmentsOf(map: string): Segment[] {
  return decodeMappings((JSON.parse(map) as { mappings: string }).mappings);
}

/** Lines of the source of which at least a part ran, by the map at the end of the code that the loader made. */
export function linesRun(code: string, functions: Profiler.FunctionCoverage[]): Set<number> {
  const map = inlineMap.exec(code)?.[1];
  if (map === undefined) return new Set();
  const runs = timesRun(code.length, functions);
  const starts = lineStarts(code);
  const segments = segmentsOf(Buffer.from(map, 'base64').toString());
  return new Set(segments.filter(({ row, column }) => (runs[starts[row]! + column] ?? 0) > 0).map(({ line }) => line));
}

/** How often each character of the code ran: an inner range has the last word. */
function timesRun(length: number, functions: Profiler.FunctionCoverage[]): Uint32Array {
  const ranges = functions.flatMap((each) => each.ranges).sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  const runs = new Uint32Array(length);
  for (const { startOffset, endOffset, count } of ranges) runs.fill(count, startOffset, endOffset);
  return runs;
}

function lineStarts(code: string): number[] {
  const starts = [0];
  for (let at = code.indexOf('\n'); at >= 0; at = code.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

export function sumOf(files: FileCoverage[]): Covered {
  const count = (of: (file: FileCoverage) => Set<number>) => files.reduce((sum, file) => sum + of(file).size, 0);
  return { lines: count((file) => file.lines), covered: count((file) => file.covered) };
}

/** By the first folder of each path, the least covered first. */
export function byFolder(files: FileCoverage[]): [folder: string, sum: Covered][] {
  const folderOf = ({ path }: FileCoverage) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : '.');
  const folders = [...new Set(files.map(folderOf))];
  const sums = folders.map((folder): [string, Covered] => [folder, sumOf(files.filter((file) => folderOf(file) === folder))]);
  return sums.sort(([, a], [, b]) => percentOf(a) - percentOf(b));
}

/** Rounded down: 79.99 is not 80. */
export function percentOf({ lines, covered }: Covered): number {
  return lines === 0 ? 100 : Math.floor((covered / lines) * 1000) / 10;
}

/** What a run says: the figure, that of each folder, and with KATA_SYSEXT_UNCOVERED=FOLDER each line of its files that did not run. */
export function coverageText(files: FileCoverage[], folder: string, minPercent: number): { text: string; isEnough: boolean } {
  const sum = sumOf(files);
  const isEnough = percentOf(sum) >= minPercent;
  const figure = `${percentOf(sum)} % of the ${sum.lines} lines of ${folder}/ that have code ran in the specs' own process`;
  const folders = byFolder(files).map(([name, own]) => `${name} ${percentOf(own)} %`);
  const wanted = process.env['KATA_SYSEXT_UNCOVERED'];
  const shown = wanted === undefined ? [] : files.filter(({ path }) => `${folder}/${path}`.startsWith(wanted)).flatMap(uncoveredText);
  const text = [`${isEnough ? '' : '! '}${figure}; at least ${minPercent} % are needed`, `of its folders: ${folders.join(', ')}`, ...shown];
  return { text: text.join('\n'), isEnough };
}

function uncoveredText({ path, lines, covered }: FileCoverage): string[] {
  const left = [...lines].filter((line) => !covered.has(line)).sort((a, b) => a - b);
  return left.length === 0 ? [] : [`${path}: ${left.join(' ')}`];
}
