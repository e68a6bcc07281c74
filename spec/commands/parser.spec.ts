import assert from 'node:assert/strict';
import { helpWidth } from '../../cli/commands/parsing/fullParser.ts';
import { parse } from '../../cli/commands/parsing/parser.ts';
import { verbs, wordCounts } from '../../cli/commands/table/index.ts';
import { otherWords } from '../../cli/commands/table/otherWords.ts';
import { checkJson } from '../support/judges/schemas.ts';

describe('the command line', () => {
  it('takes as many words as the usage line of a verb has', () => {
    const lines = ['', 'N', '[N]', '[A [B]]', '[CODE|-]', 'BUNDLE...', '[BUNDLE...]', 'rendered|layered [BUNDLE...]', 'a|b BUNDLE...'];

    const counts = lines.map((words) => Object.values(wordCounts({ words })));

    assert.deepEqual(counts, [
      [0, 0],
      [1, 1],
      [0, 1],
      [0, 2],
      [0, 1],
      [1, 16],
      [0, 16],
      [1, 17],
      [2, 17],
    ]);
  });

  const wrong: [string, string[]][] = [
    ['options without a verb', ['--json']],
    ['an unknown verb', ['instal']],
    ['an unknown option', ['status', '--shading']],
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
      ['install', 'a.tar', 'b.tar', '--handler', 'qemu', '--handler', 'clh', '--cri', 'containerd@1.7', '--engine', 'crio', '--dry-run'],
      '0',
    );

    assert.equal(parsed.kind, 'verb');
    const { words, options } = parsed as Extract<typeof parsed, { kind: 'verb' }>;
    assert.deepEqual(words, ['a.tar', 'b.tar']);
    assert.deepEqual(options['handler'], ['qemu', 'clh']);
    assert.deepEqual(options['engine'], ['containerd@1.7', 'crio']);
    assert.equal(options['dry-run'], true);
  });

  it('options in front of the verb mean the same as behind it', async () => {
    const rows: [front: string[], behind: string[]][] = [
      [
        ['--json', 'status'],
        ['status', '--json'],
      ],
      [
        ['--root', '/mnt', '--json', 'check', 'x.tar'],
        ['check', '--root', '/mnt', '--json', 'x.tar'],
      ],
      [
        ['--root=/mnt', '--dry-run', 'rollback', '--to', '2'],
        ['rollback', '--root=/mnt', '--dry-run', '--to', '2'],
      ],
      [
        ['--keep', '3', 'gc'],
        ['gc', '--keep', '3'],
      ],
      [
        ['--keep', 'try'],
        ['try', '--keep'],
      ],
      [
        ['--progress', 'none', 'gc', '--help'],
        ['gc', '--help'],
      ],
    ];
    for (const [front, behind] of rows) {
      const parsed = await parse(front, '0');

      assert.deepEqual(parsed, await parse(behind, '0'), front.join(' '));
    }
  });

  it('the version is one JSON object where that is asked', async () => {
    for (const argv of [
      ['version', '--json'],
      ['--json', 'version'],
      ['--version', '--json'],
    ]) {
      const parsed = await parse(argv, '0.1');

      assert.equal(parsed.kind, 'text');
      const value = JSON.parse((parsed as { text: string }).text) as Record<string, unknown>;
      checkJson(value);
      assert.deepEqual(value, { apiVersion: 'kata-sysext/v1', kind: 'Version', version: '0.1' });
    }
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

  it('help and version answer in every form that people type', async () => {
    const forms = (argvs: string[][]) => Promise.all(argvs.map(async (argv) => await parse(argv, '0.1')));

    const [top, ...tops] = await forms([['--help'], [], ['-h'], ['help'], ['--help', '--json']]);
    const [one, ...ones] = await forms([
      ['gc', '--help'],
      ['gc', '-h'],
      ['help', 'gc'],
      ['gc', '--keep', '1', '-h'],
      ['help', '-h', 'gc'],
    ]);
    const versions = await forms([['--version'], ['-V'], ['version'], ['status', '-V']]);

    for (const each of tops) assert.deepEqual(each, top);
    for (const each of ones) assert.deepEqual(each, one);
    assert.match((top as { text: string }).text, /kata-sysext VERB(.|\n)*\n {2}kata-sysext uninstall (.|\n)*\n {2}kata-sysext version /);
    assert.match((one as { text: string }).text, /^kata-sysext gc \[OPTIONS\]\n(.|\n)*--keep/);
    for (const each of versions) assert.deepEqual(each, { kind: 'text', text: '0.1' });
  });

  it('a word of another program names the verb that does it here', async () => {
    for (const word of ['upgrade', 'update', 'remove', 'list', 'delete', 'info', 'show', 'clean', 'prune'])
      assert.ok(otherWords.has(word), word);
    for (const [word, verb] of otherWords) {
      const refused = parse([word], '0');

      assert.ok(verbs.some(({ name }) => name === verb) && !verbs.some(({ name }) => name === word), word);
      await assert.rejects(refused, says(`there is no verb “${word}”; ${verb} does that`, `kata-sysext help ${verb}`));
    }
  });

  const nearest: [string[], string][] = [
    [['instal', 'x'], 'did you mean install?'],
    [['statsu'], 'did you mean status?'],
    [['help', 'verfy'], 'did you mean verify?'],
    [['install', 'x', '--handlr', 'qemu'], 'did you mean --handler?'],
    [['install', 'x', '--handlr=qemu'], 'did you mean --handler?'],
    [['rollback', '--dryrun'], 'did you mean --dry-run?'],
    [['uninstall', '--purg'], 'did you mean --purge?'],
    [['--jsn', 'status'], 'no verb has an option --jsn; did you mean --json?'],
    [['--rooot', '/mnt', 'status'], 'did you mean --root?'],
    [['--helo'], 'did you mean --help?'],
    [['rollback', '2'], 'rollback takes no words, not “2”; did you mean --to 2?'],
    [['gc', '3', '--dry-run'], 'did you mean --keep 3?'],
    [['uninstall', 'qemu'], 'did you mean --handler qemu?'],
    [['configure', 'default_memory=1'], 'did you mean --set default_memory=1?'],
    [['install', 'x', '--backend', 'sysxt'], '--backend sysxt; did you mean sysext?'],
    [['status', '--progress', 'plian'], 'did you mean plain?'],
  ];
  for (const [argv, hint] of nearest)
    it(`a mistyped word has its nearest neighbour: ${argv.join(' ')}`, async () => {
      const refused = parse(argv, '0');

      await assert.rejects(refused, says(hint, 'kata-sysext help'));
    });

  it('what is nothing like a word of ours gets no neighbour', async () => {
    for (const argv of [['frobnicate'], ['constructor'], ['__proto__'], ['status', '--shading'], ['gc', '-k'], ['x'.repeat(100_000)]]) {
      const refused = parse(argv, '0');

      await assert.rejects(
        refused,
        (error: { code?: string; message: string }) => error.code === 'usage' && !error.message.includes('mean'),
      );
    }
  });

  it('what is behind -- is words, whatever it looks like', async () => {
    const parsed = await parse(['install', '--dry-run', '--', '-odd.tar.zst', '--wait'], '0');

    assert.deepEqual((parsed as { words: string[] }).words, ['-odd.tar.zst', '--wait']);
  });

  it('letters that stand together, values that look like options, and words behind -- are no mistyped options', async () => {
    const together = await parse(['report', '-vo', 'file'], '0');
    const value = await parse(['install', 'x', '--set', '--a=b'], '0').catch((error: Error) => error.message);
    const words = await parse(['install', '--', '--handlr'], '0').catch((error: Error) => error.message);

    assert.deepEqual((together as { options: Record<string, unknown> }).options['output'], 'file');
    assert.doesNotMatch(String(value), /has no option/);
    assert.doesNotMatch(String(words), /has no option/);
  });

  it('a terminal of any width gets help', async () => {
    const widths = [undefined, 0, 1, 39, 40, 100, 500].map(helpWidth);
    const columns = Object.getOwnPropertyDescriptor(process.stdout, 'columns');
    const texts: string[] = [];
    for (const value of [0, 1]) {
      Object.defineProperty(process.stdout, 'columns', { value, configurable: true });
      texts.push(((await parse(['install', '--help'], '0')) as { text: string }).text);
    }
    if (columns === undefined) Reflect.deleteProperty(process.stdout, 'columns');
    else Object.defineProperty(process.stdout, 'columns', columns);

    assert.deepEqual(widths, [110, 80, 40, 40, 40, 100, 110]);
    for (const text of texts) assert.match(text, /--handler/);
  });
});

function says(found: string, next: string) {
  return (error: { code?: string; exitCode?: number; complaint?: { found: string; next: string } }) =>
    error.code === 'usage' && error.exitCode === 2 && error.complaint!.found.includes(found) && error.complaint!.next.startsWith(next);
}
