import assert from 'node:assert/strict';
import { parseFully } from '../../cli/commands/parsing/fullParser.ts';
import { parse, parsePlainly } from '../../cli/commands/parsing/parser.ts';
import { optionsOf, verbs } from '../../cli/commands/table/index.ts';

describe('the command line', () => {
  it('short command lines mean the same with and without yargs', async () => {
    for (const verb of verbs.filter((row) => row.fewest === 0)) {
      const flags = Object.entries(optionsOf(verb)).flatMap(([name, row]) => (row.type === 'boolean' ? [`--${name}`] : []));
      for (const argv of [[verb.name], ...flags.map((flag) => [verb.name, flag]), [verb.name, ...flags]]) {
        const plain = parsePlainly(argv);

        const full = await parseFully(argv);

        assert.deepEqual(plain, full, argv.join(' '));
      }
    }
  });

  const wrong: [string, string[]][] = [
    ['no verb', []],
    ['an unknown verb', ['instal']],
    ['an unknown option', ['status', '--colour']],
    ['an option without its value', ['install', 'x', '--engine']],
    ['a number that is none', ['rollback', '--to', 'two']],
    ['a negative number', ['gc', '--keep', '-1']],
    ['an option given twice', ['rollback', '--to', '1', '--to', '2']],
    ['a missing bundle', ['install']],
    ['too many words', ['status', 'now']],
    ['a choice that is none', ['install', 'x', '--backend', 'magic']],
    ['an empty value, as of a variable that is not set', ['uninstall', '--root', '']],
    ['the same in another form', ['uninstall', '--root=']],
    ['an empty value in a list', ['install', 'x', '--handler', 'qemu', '--handler', '']],
    ['an empty word', ['install', '']],
  ];
  for (const [title, argv] of wrong) {
    it(`refuses ${title}`, async () => {
      await assert.rejects(
        parse(argv, '0'),
        (error: { code?: string; exitCode?: number }) => error.code === 'usage' && error.exitCode === 2,
      );
    });
  }

  it('reads options with values, lists and aliases', async () => {
    const parsed = await parse(
      ['install', 'a.tar', 'b.tar', '--handler', 'qemu', '--handler', 'clh', '--cri', 'containerd@1.7', '--dry-run'],
      '0',
    );

    assert.equal(parsed.kind, 'verb');
    const { words, options } = parsed as Extract<typeof parsed, { kind: 'verb' }>;
    assert.deepEqual(words, ['a.tar', 'b.tar']);
    assert.deepEqual(options['handler'], ['qemu', 'clh']);
    assert.equal(options['engine'], 'containerd@1.7');
    assert.equal(options['dry-run'], true);
  });

  it('takes words and values as they are typed, also where they look like numbers', async () => {
    const parsed = await parse(['install', '0x10', '007', '--handler', '1e3', '--root', '010', '--wait', '5'], '0');

    const { words, options } = parsed as Extract<typeof parsed, { kind: 'verb' }>;
    assert.deepEqual(words, ['0x10', '007']);
    assert.deepEqual([options['handler'], options['root'], options['wait']], [['1e3'], '010', 5]);
  });

  it('every verb has help with an example', async () => {
    for (const verb of verbs) {
      const parsed = await parse([verb.name, '--help'], '0');

      assert.equal(parsed.kind, 'text');
      assert.match((parsed as { text: string }).text, /Examples:/, verb.name);
    }
  });
});
