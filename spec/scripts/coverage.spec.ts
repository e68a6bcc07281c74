import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { transformSync } from 'esbuild';
import { coverageText, type FileCoverage, percentOf } from '../../scripts/coverage.ts';
import { decodeMappings } from '../../scripts/mappings.ts';
import { repo } from '../support/program.ts';
import { textFiles } from '../support/textFiles.ts';

const both = `import { readFileSync } from 'node:fs';

/** A comment is no line of code. */
interface Shape {
  a: string;
}

export function required(): string {
  return 'by require()';
}

export function imported(yes: boolean): string {
  if (!yes) return 'never';
  return 'by import()';
}

export function neither(file: string): Shape {
  const a = readFileSync(file, 'utf8');
  return { a };
}
`;
const main = (folder: string) => `
import { createRequire } from 'node:module';
import { measureCoverage } from ${JSON.stringify(`${repo}/scripts/coverage.ts`)};
const end = measureCoverage(${JSON.stringify(folder)});
createRequire(import.meta.url)(${JSON.stringify(`${folder}/both.ts`)}).required();
(await import(${JSON.stringify(`${folder}/both.ts`)})).imported(true);
const files = await end();
console.log(JSON.stringify(files.map(({ path, lines, covered }) => ({ path, lines: [...lines].sort((a, b) => a - b), left: [...lines].filter((line) => !covered.has(line)) }))));
process.exit(0);
`;

describe('the coverage of a tier', function () {
  this.timeout(300_000);
  const texts = textFiles();

  it('counts lines with code by what ran of each module, whether it was required or imported; a file that nobody loads counts too', () => {
    texts.put('both.ts', both);
    texts.put('unloaded.ts', 'export const a = 1;\nexport function b() {\n  return a;\n}\n');
    texts.put('types.ts', 'export interface Only {\n  types: string;\n}\n');
    const program = texts.put('main.mts', main(texts.folder));

    const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', program], { cwd: repo, encoding: 'utf8' });

    assert.equal(stderr, '');
    const [seen, types, unloaded] = JSON.parse(stdout.trim().split('\n').at(-1)!) as { path: string; lines: number[]; left: number[] }[];
    const line = (text: string) => both.split('\n').findIndex((each) => each.includes(text)) + 1;
    assert.deepEqual([seen?.path, types?.path, unloaded?.path], ['both.ts', 'types.ts', 'unloaded.ts']);
    for (const ran of ["return 'by require()'", "return 'by import()'", 'if (!yes)'])
      assert.ok(seen!.lines.includes(line(ran)) && !seen!.left.includes(line(ran)), ran);
    for (const left of ['const a = readFileSync', 'return { a }']) assert.ok(seen!.left.includes(line(left)), left);
    for (const none of ['import {', 'A comment', 'interface Shape', 'a: string']) assert.ok(!seen!.lines.includes(line(none)), none);
    assert.deepEqual([types!.lines, unloaded!.lines.length > 1, unloaded!.left.length], [[], true, unloaded!.lines.length]);
  });

  it('reads the map of a compiler: each place of the code has the line that it was made of', () => {
    const source = 'interface A {\n  b: string;\n}\n\nexport const c = (d: A) =>\n  d.b;\nexport const e = 5;\n';
    const { code, map } = transformSync(source, { loader: 'ts', sourcemap: 'external' });

    const segments = decodeMappings((JSON.parse(map) as { mappings: string }).mappings);

    const rows = code.split('\n');
    for (const name of ['c =', 'e =', 'd.b']) {
      const row = rows.findIndex((text) => text.includes(name));
      const line = source.split('\n').findIndex((text) => text.includes(name)) + 1;
      assert.ok(
        segments.some((segment) => segment.row === row && segment.line === line && segment.column <= rows[row]!.indexOf(name)),
        name,
      );
    }
  });

  const file = (path: string, lines: number, covered: number): FileCoverage => {
    const numbers = Array.from({ length: lines }, (_, index) => index + 1);
    return { path, lines: new Set(numbers), covered: new Set(numbers.slice(0, covered)) };
  };

  it('is too little below the least, and is never rounded up to it', () => {
    const judged = [8000, 7999].map((covered) => coverageText([file('a/b.ts', 10_000, covered)], 'cli', 80));

    assert.deepEqual(
      judged.map(({ isEnough }) => isEnough),
      [true, false],
    );
    assert.match(judged[0]!.text, /^80 % of the 10000 lines of cli\//);
    assert.match(judged[1]!.text, /^! 79\.9 % of the 10000 lines of cli\/ .*; at least 80 % are needed\n/);
  });

  it('is told for each folder, the least covered first', () => {
    const { text } = coverageText([file('a/x.ts', 10, 9), file('b/x.ts', 10, 1), file('b/y.ts', 10, 2), file('main.ts', 4, 2)], 'cli', 1);

    // `npm run coverage` lists lines behind it.
    assert.match(text, /\nof its folders: b 15 %, \. 50 %, a 90 %$/m);
    assert.equal(percentOf({ lines: 0, covered: 0 }), 100);
  });
});
