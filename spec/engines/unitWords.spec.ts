import assert from 'node:assert/strict';
import { environmentOf, expandVariables } from '../../cli/engines/common/unitEnvironment.ts';
import { expandWords, maxExpanded, wordsOf } from '../../cli/engines/common/unitWords.ts';
import { treesOfSpec } from '../support/trees/engineTree.ts';

describe('engines: words and variables of a unit', () => {
  const treeOf = treesOfSpec();

  it('are split by blanks outside of quotes; a quote without an end is none', () => {
    const rows: [command: string, values: string[]][] = [
      ['/usr/bin/a  -c\t/x', ['/usr/bin/a', '-c', '/x']],
      [`a "b c" 'd "e' f"g h"i`, ['a', 'b c', 'd "e', 'fg hi']],
      ['a "b \\" c" d', ['a', 'b \\" c', 'd']],
      [`a '' b`, ['a', '', 'b']],
      ['a "b c', ['a', 'b', 'c']],
      [`a 'b "c d" e`, ['a', 'b', 'c d', 'e']],
      ['', []],
    ];
    for (const [command, values] of rows)
      assert.deepEqual(
        wordsOf(command).map(({ value }) => value),
        values,
        command,
      );
  });

  it('take a time that grows with their length, and no more room than a bound, whatever is written', () => {
    const quotes = wordsOf(`"${'\\"'.repeat(500_000)}`);
    const values = new Map([['A', 'x'.repeat(4000)]]);
    const text = `\${A}`.repeat(200_000);

    const words = expandWords(wordsOf(text), values);
    const expanded = expandVariables(text, { values, filed: new Set(), isOpen: false });

    assert.ok(quotes.length > 0);
    assert.ok(words.join('').length <= maxExpanded);
    assert.equal(expanded, undefined);
  });

  it('come from Environment=, files, which win, and go by UnsetEnvironment=; a file that cannot be read may have any', async () => {
    const { host } = await treeOf({ '/etc/a.env': "# B=no\nB='file'\nC=file\n", '/etc/folder/x': '' });
    const texts = ['[Service]\nEnvironment=A=unit B=unit "D=two words" E=unit\nEnvironmentFile=/etc/a.env\nUnsetEnvironment=E C=other\n'];

    const told = await environmentOf(host, 'a.service', texts);
    const open = await environmentOf(host, 'a.service', ['[Service]\nEnvironmentFile=-/etc/%p.env\nEnvironmentFile=-/etc/folder\n']);

    assert.deepEqual(Object.fromEntries(told.values), { A: 'unit', B: 'file', C: 'file', D: 'two words' });
    assert.deepEqual([[...told.filed], told.isOpen], [['B', 'C'], false]);
    assert.deepEqual([open.values.get('B'), open.isOpen], ['file', true]);
    assert.deepEqual([expandVariables(`$A \${D} $X.`, told), expandVariables('$X', open)], ['unit two words .', undefined]);
  });

  /** By parse_env_file_internal of systemd 257 (src/basic/env-file.c). */
  const files: [text: string, set: Record<string, string>, isOpen?: true][] = [
    ['A=1\n\nB=2', { A: '1', B: '2' }],
    ['A = 1 \n  B=\t2', { A: '1', B: '2' }],
    ['A=--debug \\\n  --config=/x\nB=2\n', { A: '--debug   --config=/x', B: '2' }],
    ['A="--debug \\\n --config=/x"\nB=2\n', { A: '--debug  --config=/x', B: '2' }],
    ['A="two\nlines" \'and\' more\nB=2\n', { A: 'two\nlinesandmore', B: '2' }],
    ['A="say \\"\\$x\\" "\n', { A: 'say "$x" ' }],
    ['A=a\\ \nB=b" c"\n', { A: 'a ', B: 'b" c"' }],
    ['# A=no\n ; B=no\nA=1#2 # 3\n', { A: '1#2 # 3' }],
    ['A=1\r\nexport B=2\r\nC\r\n1D=3\n=4\nE=\n', { A: '1', E: '' }],
    ['# as shells do \\\nA=1\n', { A: '1' }, true],
    ['A="no end\nB=2\n', { A: 'no end\nB=2\n' }, true],
    ["A='a\\b'\n", { A: 'a\\b' }, true],
    ['A="a\\b"\n', { A: 'a\\b' }, true],
  ];
  for (const [text, set, isOpen = false] of files)
    it(`of a file are read as systemd does: ${JSON.stringify(text)}`, async () => {
      const { host } = await treeOf({ '/etc/a.env': text });

      const told = await environmentOf(host, 'a.service', ['[Service]\nEnvironmentFile=/etc/a.env\n']);

      assert.deepEqual([Object.fromEntries(told.values), told.isOpen], [set, isOpen]);
    });

  it('of a value or of files that are too long nothing is taken, and no earlier value stays in its place', async () => {
    const { host } = await treeOf({ '/etc/a.env': `A=${'x'.repeat(5000)}\nB=file\n`, '/etc/b.env': `C=file\n${'#'.repeat(1_000_000)}\n` });
    const read = (...paths: string[]) =>
      environmentOf(host, 'a.service', [`[Service]\nEnvironment=A=/unit\n${paths.map((path) => `EnvironmentFile=${path}\n`).join('')}`]);

    const long = await read('/etc/a.env');
    const many = await read('/etc/b.env', '/etc/b.env', '/etc/a.env');

    assert.deepEqual([Object.fromEntries(long.values), long.isOpen], [{ B: 'file' }, true]);
    assert.deepEqual([Object.fromEntries(many.values), many.isOpen], [{ A: '/unit', C: 'file' }, true]);
  });
});
