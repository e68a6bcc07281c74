import assert from 'node:assert/strict';
import { parseFully } from '../../cli/commands/parsing/fullParser.ts';
import { parsePlainly } from '../../cli/commands/parsing/parser.ts';
import { optionsOf, verbs, wordCounts } from '../../cli/commands/table/index.ts';
import { loopMs, sample } from '../support/sample.ts';

describe('the command line without yargs', function () {
  this.timeout(loopMs);

  it('short command lines mean the same with and without yargs', async () => {
    for (const verb of verbs.filter((row) => wordCounts(row).fewest === 0)) {
      const flags = Object.entries(optionsOf(verb)).flatMap(([name, row]) => (row.type === 'boolean' ? [`--${name}`] : []));
      for (const argv of [[verb.name], ...flags.map((flag) => [verb.name, flag]), [verb.name, ...flags]]) {
        const plain = parsePlainly(argv);

        const full = await parseFully(argv);

        assert.deepEqual(plain, full, argv.join(' '));
      }
    }
  });

  it('plain words and values mean the same with and without yargs, and what is not plain goes to yargs', async () => {
    const odd = [
      '-x',
      '--',
      '-',
      '',
      '"quoted"',
      "'q'",
      'a b',
      '--root',
      '--json',
      '--root=/x',
      '--no-json',
      '--constructor',
      '--__proto__',
      'ü',
      '$1',
    ];
    const plain = [
      'a.tar.zst',
      '/mnt/x',
      'kata@4.1.0',
      '007',
      '0x10',
      '1e3',
      'true',
      'null',
      'registry:5000/a/b@sha256:0f',
      'constructor',
      '.',
      '..',
    ];
    const [alike, left]: [string[][], string[][]] = [[], []];
    for (const verb of verbs) {
      const { fewest } = wordCounts(verb);
      for (const value of [...plain, ...odd]) {
        const needed = Array.from({ length: Math.max(fewest, 1) }, () => value);
        const own = Object.entries(optionsOf(verb)).map(([name, { choices }]) => [`--${name}`, choices?.[0] ?? value]);
        const lists = Object.entries(optionsOf(verb)).filter(([, { type }]) => type === 'list');
        const lines = [
          ...[needed, needed.slice(1), ['--root', value, ...needed.slice(1)], [...needed, '--progress', value]],
          ['--root', value, '--root', value],
          ...own.map((option) => [...needed.slice(0, fewest), ...option]),
          ...lists.map(([name, { choices }]) => [`--${name}`, value, `--${name}`, choices?.[0] ?? 'b', ...needed.slice(0, fewest)]),
        ];
        for (const line of lines) (parsePlainly([verb.name, ...line]) === undefined ? left : alike).push([verb.name, ...line]);
      }
    }

    for (const argv of alike) assert.ok(!argv.some((word) => odd.includes(word) && !['--root', '--json'].includes(word)), argv.join(' '));
    for (const argv of sample(alike, 150, 'plain')) assert.deepEqual(parsePlainly(argv), await parseFully(argv), argv.join(' '));
    assert.ok(alike.length > 1000 && left.length > 1000, `${alike.length} ${left.length}`);
  });
});
