import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { shells } from '../../cli/commands/completion/index.ts';
import { optionsOf, verbs } from '../../cli/commands/table/index.ts';
import type { Verb } from '../../cli/commands/types.ts';
import { engines } from '../../cli/engines/index.ts';
import { codes } from '../../cli/errors/index.ts';
import { handlerTable } from '../../cli/layout/index.ts';
import { removeAfter } from '../support/endings.ts';
import { complete, hasShell, parseScript } from '../support/judges/shells.ts';
import { program, run } from '../support/program.ts';
import { scratch } from '../support/trees/treeHost.ts';

const overridable = Object.entries(codes).flatMap(([code, row]) => (row.overridable ? [code] : []));

/** The judge is the shell itself: its parser, its way to take a line apart, its list of what fits. */
for (const shell of shells) {
  describe(`completion for ${shell}`, function () {
    this.timeout(900_000);
    let tree: string;
    let asked: Record<string, string[]>;
    let said: string;
    const at = (line: string) => asked[line.replaceAll('TREE', tree)];

    before(function () {
      if (!hasShell(shell)) {
        console.log(`      ${shell} is not on this machine: apt-get install ${shell}`);
        this.skip();
      }
      tree = hostileTree();
      const lines = [...fixed, ...verbs.map(({ name }) => `kata-sysext ${name} --`)].map((line) => line.replaceAll('TREE', tree));
      const offered = complete(shell, lines, tree);
      [asked, said] = [offered.words, offered.stderr];
    });
    removeAfter(() => tree);

    it('is a script that the shell can read, and says nothing while it works', () => {
      parseScript(shell);

      assert.equal(said, '');
    });

    it('offers every verb, and every option of every verb', () => {
      const names = ['help', 'version', ...verbs.map(({ name }) => name)].sort();

      assert.deepEqual(at('kata-sysext '), names);
      assert.deepEqual(at('kata-sysext help '), verbs.map(({ name }) => name).sort());
      assert.deepEqual(at('kata-sysext ro'), ['rollback']);
      for (const verb of verbs) {
        const rows = Object.entries(optionsOf(verb));
        const flags = rows.flatMap(([name, { alias }]) => [
          `--${name}`,
          ...(alias !== undefined && alias.length > 1 ? [`--${alias}`] : []),
        ]);
        assert.deepEqual(at(`kata-sysext ${verb.name} --`), ['--help', ...flags].sort(), verb.name);
      }
    });

    it('offers choices, codes, engines and handlers', () => {
      assert.deepEqual(at('kata-sysext status --progress pl'), ['plain']);
      assert.deepEqual(at('kata-sysext explain '), Object.keys(codes).sort());
      assert.deepEqual(at('kata-sysext rollback --allow '), overridable.sort());
      assert.deepEqual(
        at('kata-sysext check --engine '),
        engines()
          .map(({ name }) => name)
          .sort(),
      );
      assert.deepEqual(at('kata-sysext install --handler '), handlerTable.handlers.map(({ name }) => name).sort());
      assert.deepEqual(at('kata-sysext install --handler kata-qemu-sn'), ['kata-qemu-snp', 'kata-qemu-snp-runtime-rs']);
      assert.deepEqual(at('kata-sysext completion '), ['bash', 'fish', 'zsh']);
    });

    it('offers numbers of the host that --root names, in the order of the words', () => {
      assert.deepEqual(at('kata-sysext rollback --root TREE --to '), ['1', '12', '2']);
      assert.deepEqual(at('kata-sysext rollback --root=TREE --to 1'), ['1', '12']);
      assert.deepEqual(at('kata-sysext diff --root TREE 1 '), ['1', '12', '2']);
      // Where no word is left, zsh goes on with options.
      assert.deepEqual(
        at('kata-sysext diff --root TREE 1 2 ')?.filter((word) => !word.startsWith('-')),
        [],
      );
      assert.deepEqual(at('kata-sysext history --root TREE '), ['1', '8']);
      assert.deepEqual(at('kata-sysext gc --keep '), []);
    });

    it('offers nothing from the disk that is no number or handler, and runs nothing that stands there', () => {
      const offered = Object.values(asked).flat();

      assert.deepEqual(
        offered.filter((word) => /[$`;]|reboot|touched/.test(word)),
        [],
      );
      assert.ok(!readdirSync(tree).includes('touched'));
    });

    it('takes rows of the table that it has never seen', () => {
      const lines = [
        'kata-sysext adopt ',
        'kata-sysext adopt --root TREE --handler ',
        'kata-sysext adopt --r',
        'kata-sysext pin --root TREE 1',
      ];
      const [adopt, handlers, flags, numbers] = lines.map((line) => line.replace('TREE', tree)) as [string, string, string, string];

      const { words } = complete(shell, [adopt, handlers, flags, numbers], tree, invented);

      assert.deepEqual(words[adopt], ['kata-deploy', 'layered', 'rendered']);
      assert.deepEqual(words[handlers], ['kata-qemu']);
      assert.deepEqual(words[flags], ['--root']);
      assert.deepEqual(words[numbers], ['1', '12']);
    });

    it('leaves files to the shell', () => {
      const files = shell === 'bash' ? ['compopt -o default'] : ['kata-static.tar.zst'];

      assert.deepEqual(at('kata-sysext install kata-s'), files);
      assert.deepEqual(at('kata-sysext install one.tar kata-s'), files);
      assert.deepEqual(at('kata-sysext report -o kata-s'), files);
      assert.ok(at('kata-sysext status --root v')?.some((word) => /^var\/?$|^compopt -o dirnames$/.test(word)));
    });
  });
}

const fixed = [
  'kata-sysext ',
  'kata-sysext ro',
  'kata-sysext help ',
  'kata-sysext status --progress pl',
  'kata-sysext explain ',
  'kata-sysext rollback --allow ',
  'kata-sysext check --engine ',
  'kata-sysext install --handler ',
  'kata-sysext install --handler kata-qemu-sn',
  'kata-sysext completion ',
  'kata-sysext rollback --root TREE --to ',
  'kata-sysext rollback --root=TREE --to 1',
  'kata-sysext diff --root TREE 1 ',
  'kata-sysext diff --root TREE 1 2 ',
  'kata-sysext history --root TREE ',
  'kata-sysext gc --keep ',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: for the shell
  'kata-sysext rollback --root $(touch${IFS}touched) --to ',
  'kata-sysext rollback --root /nowhere --to ',
  'kata-sysext install kata-s',
  'kata-sysext install one.tar kata-s',
  'kata-sysext report -o kata-s',
  'kata-sysext status --root v',
];

const handler = { type: 'list', describe: 'it’s a [handler]: "$HOME" `x`', placeholder: 'N' } as const;
const invented: Verb[] = [
  {
    ...verbs[0]!,
    name: 'adopt',
    words: '[kata-deploy|layered|rendered]',
    summary: "take `over` [it's]: $HOME",
    options: { handler },
  },
  { ...verbs[0]!, name: 'pin', words: 'N', options: {} },
];

/** A tree with generations 1, 2 and 12, changes 1 and 8, and names that a careless script would run or show. */
function hostileTree(): string {
  const root = scratch('completion');
  const state = join(root, 'var/lib/kata-sysext');
  for (const name of ['1', '2', '12', '3;reboot', '4 reboot', '$(touch touched)', '9`touch touched`'])
    mkdirSync(join(state, 'generations', name), { recursive: true });
  for (const name of ['kata-qemu', '$(touch touched)']) mkdirSync(join(state, 'generations/1/config', name), { recursive: true });
  mkdirSync(join(state, 'history'));
  for (const name of ['000001.json', '000008.json', 'sequence', '5$(touch touched).json']) writeFileSync(join(state, 'history', name), '');
  mkdirSync(join(root, 'etc/kata-sysext'), { recursive: true });
  symlinkSync('../../var/lib/kata-sysext/generations/1', join(root, 'etc/kata-sysext/current'));
  writeFileSync(join(root, 'kata-static.tar.zst'), '');
  return root;
}

describe('the verb completion', () => {
  it('prints the very script, without a shell it names them', async () => {
    const script = await run(['completion', 'bash']);
    const missing = await run(['completion']);
    const unknown = await run(['completion', 'tcsh', '--json']);

    assert.equal(script.status, 0);
    assert.match(script.stdout, /^complete -F _kata_sysext kata-sysext$/m);
    assert.equal(missing.status, 2);
    assert.match(missing.stderr, /bash\|zsh\|fish/);
    assert.deepEqual([unknown.status, (JSON.parse(unknown.stdout) as { needed: string }).needed], [2, 'one of bash, zsh, fish']);
  });

  it('is loaded by bash on a terminal: TAB finishes the verb', () => {
    const line = 'kata-sysext() { echo "ran <$*>"; }\nsource <("$NODE" "$PROGRAM" completion bash)\nkata-sysext rol\t--t\t7\nexit\n';

    const shown = execFileSync('/usr/bin/script', ['-qec', '/bin/bash --noprofile --norc -i', '/dev/null'], {
      input: line,
      encoding: 'utf8',
      timeout: 300_000,
      env: { NODE: process.execPath, PROGRAM: program(), PATH: '/usr/bin:/bin', TERM: 'dumb' },
    });

    assert.match(shown, /^ran <rollback --to 7>\r?$/m);
  });
});
