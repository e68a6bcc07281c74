import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { verbs } from '../../cli/commands/table/index.ts';
import { codes } from '../../cli/errors/codes/index.ts';
import { foreignElf } from '../support/archives/elf.ts';
import { runInProcess } from '../support/inProcess.ts';
import { checkJson } from '../support/judges/schemas.ts';
import { plainReleases } from '../support/trees/inProcessTree.ts';
import { scratch } from '../support/trees/treeHost.ts';

const digest = `sha256:${'1'.repeat(64)}`;
const hook = [
  'https://files.example.org/kata.tar.zst',
  '--digest',
  digest,
  '--program',
  'https://files.example.org/p',
  '--program-digest',
  digest,
];

describe('verbs that need no host', function () {
  this.timeout(300_000);
  let folder: string;
  beforeEach(() => {
    folder = scratch('verbs');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function json(argv: string[], wanted = 0): Promise<Record<string, unknown>> {
    const { status, stdout, stderr } = await runInProcess([...argv, '--json'], { cwd: folder });
    assert.equal(status, wanted, `${argv.join(' ')}: ${stdout}${stderr}`);
    const value = JSON.parse(stdout) as Record<string, unknown>;
    checkJson(value);
    return value;
  }

  describe('generate', () => {
    const rows: [kind: string, target: string, more: string[], file: RegExp, has: RegExp][] = [
      ['ignition', 'fcos', [], /\.ign$/, /"ignition"/],
      ['ignition', 'flatcar', ['--kernel-argument', 'hugepages=4'], /\.ign$/, /hugepages=4/],
      ['butane', 'fcos', [], /\.bu$/, /^variant: "?fcos"?$/m],
      ['machineconfig', 'openshift-4.18', ['--pool', 'infra'], /machineconfig\.yaml$/, /kind: "?MachineConfig"?$/m],
    ];
    for (const [kind, target, more, file, has] of rows)
      it(`${kind} for ${target}: has one file of that kind, and a second run writes nothing else`, async () => {
        const request = ['generate', kind, ...hook, '--target', target, '-o', 'out', ...more];

        const made = await json(request);
        const again = await json(request);

        const name = readdirSync(join(folder, 'out')).find((each) => file.test(each))!;
        assert.ok(has.test(readFileSync(join(folder, 'out', name), 'utf8')), String(has));
        assert.deepEqual(
          (made['files'] as { sha256?: string }[]).map((each) => ({ ...each, written: undefined })),
          (again['files'] as object[]).map((each) => ({ ...each, written: undefined })),
        );
      });

    it('from files of this machine names them by their digest', async () => {
      const { first } = await plainReleases();
      writeFileSync(join(folder, 'p'), foreignElf, { mode: 0o755 });

      const made = await json(['generate', 'containerfile', first, '--target', 'fcos', '--program', 'p', '-o', 'out', '--form', 'baked']);

      assert.ok(JSON.stringify(made).includes('sha256:'));
      assert.match(readFileSync(join(folder, 'out/Containerfile'), 'utf8'), /--backend baked/);
    });

    it('--form rendered has an archive of what an installation leaves, and a hook that fetches it', async () => {
      const { first } = await plainReleases();
      const request = [
        '--target',
        'fcos',
        '--form',
        'rendered',
        '--engine',
        'crio@1.34',
        '--from',
        'https://files.example.org/kata',
        '-o',
        'out',
      ];

      await json(['generate', 'ignition', first, ...request]);
      await json(['generate', 'butane', first, ...request.with(-1, 'out2')]);

      const names = readdirSync(join(folder, 'out'));
      assert.ok(names.some((name) => name.endsWith('.tar.gz')));
      assert.match(readFileSync(join(folder, 'out/kata-sysext.ign'), 'utf8'), /kata-sysext-first-boot/);
      assert.ok(existsSync(join(folder, 'out2')));
    });

    const refused: [what: string, argv: string[], code: string][] = [
      ['an output that there is not', ['ignitoin', ...hook, '--target', 'fcos', '-o', 'out'], 'usage'],
      ['no folder', ['ignition', ...hook, '--target', 'fcos'], 'usage'],
      ['no target', ['ignition', ...hook, '-o', 'out'], 'usage'],
      ['a MachineConfig for another system', ['machineconfig', ...hook, '--target', 'fcos', '-o', 'out'], 'usage'],
      ['a pool for Ignition', ['ignition', ...hook, '--target', 'fcos', '--pool', 'x', '-o', 'out'], 'usage'],
      ['form baked for Ignition', ['ignition', ...hook, '--target', 'fcos', '--form', 'baked', '-o', 'out'], 'usage'],
      ['backend baked for a hook', ['ignition', ...hook, '--target', 'fcos', '--backend', 'baked', '-o', 'out'], 'usage'],
      ['an engine configuration for a hook', ['ignition', ...hook, '--target', 'fcos', '--engine-config', 'x', '-o', 'out'], 'usage'],
      [
        'kernel arguments for a Containerfile',
        ['containerfile', ...hook, '--target', 'fcos', '--kernel-argument', 'a', '-o', 'out'],
        'usage',
      ],
      ['an address without a digest', ['ignition', hook[0]!, '--target', 'fcos', '-o', 'out'], 'usage'],
    ];
    for (const [what, argv, code] of refused)
      it(`${what} is refused, and nothing is written`, async () => {
        const error = await json(['generate', ...argv], codes[code]!.exit);

        assert.equal(error['code'], code);
        assert.deepEqual(readdirSync(folder), []);
      });
  });

  it('explain has every code of the table, each with its exit status, and names the nearest of a mistyped one', async () => {
    const all = await runInProcess(['explain']);
    const some = Object.keys(codes).filter((_, index) => index % 12 === 0);
    const each = [];
    for (const code of some) each.push((await runInProcess(['explain', code])).stdout);
    const mistyped = await json(['explain', 'foreign-fiel'], 2);

    for (const code of Object.keys(codes)) assert.ok(all.stdout.includes(code), code);
    for (const [index, code] of some.entries())
      assert.match(each[index]!, new RegExp(`^${code} \\(exit status .*${codes[code]!.exit}`), code);
    assert.ok(JSON.stringify(mistyped).includes('foreign-file'));
  });

  it('try goes the whole round on a tree of its own, and says that it is as it was', async () => {
    const { status, stdout } = await runInProcess(['try']);

    assert.equal(status, 0);
    assert.match(stdout, /✓ the same, byte for byte/);
    assert.match(stdout, / files, 0 differ/);
  });

  it('completion has a script for each shell that names every verb', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { status, stdout } = await runInProcess(['completion', shell]);

      assert.equal(status, 0);
      for (const { name } of verbs) assert.ok(stdout.includes(name), `${shell}: ${name}`);
    }
  });

  it('help and version are said on standard output, a mistake on standard error with status 2', async () => {
    const said = [await runInProcess(['--version']), await runInProcess(['--help']), await runInProcess(['instal'])];

    assert.deepEqual(
      said.map(({ status }) => status),
      [0, 0, 2],
    );
    assert.match(said[0]!.stdout, /^\d+\.\d+\.\d+/);
    for (const { name } of verbs) assert.ok(said[1]!.stdout.includes(name), name);
    assert.match(said[2]!.stderr, /install/);
    assert.equal(said[2]!.stdout, '');
  });

  it('a root that is not there is refused as usage', async () => {
    const error = await json(['status', '--root', join(folder, 'nowhere')], 2);

    assert.equal(error['code'], 'usage');
  });
});
