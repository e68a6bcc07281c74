import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { byBytes } from '../../cli/host/index.ts';
import { version } from '../../cli/version.ts';
import { docPages } from '../../scripts/pages/list.ts';
import { linkedFiles } from '../../scripts/pages/packaged.ts';
import { run } from '../lab/run.ts';
import { denyExecmem } from '../support/execmem.ts';
import { needs } from '../support/needs.ts';
import { repo } from '../support/program.ts';

/** Exactly what a user gets. */
const whole = [
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'THIRD-PARTY-LICENSES',
  'completions/_kata-sysext',
  'completions/kata-sysext.bash',
  'completions/kata-sysext.fish',
  ...docPages().sort(byBytes),
  ...readdirSync(join(repo, 'examples'), { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(repo, join(entry.parentPath, entry.name)))
    .sort(byBytes),
  'kata-sysext.cjs',
  'man/kata-sysext.8',
  'package.json',
  ...readdirSync(join(repo, 'schema'))
    .map((name) => `schema/${name}`)
    .sort(byBytes),
];

interface Packed {
  filename: string;
  files: { path: string; mode: number }[];
}

describe('the npm package', function () {
  this.timeout(900_000);
  const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-npm-'));
  const npm = ['npm', '--offline', '--cache', join(folder, 'cache'), '--no-audit', '--no-fund'];
  let packed: Packed;

  before(async () => {
    await run(['npm', 'run', '--silent', 'package', '--', join(folder, 'package')], { cwd: repo });
    const { stdout } = await run([...npm, 'pack', '--json', join(folder, 'package')], { cwd: folder });
    packed = (JSON.parse(stdout) as Packed[])[0]!;
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('has exactly the program, its texts, schemas, man page and completions', () => {
    const names = packed.files.map((file) => file.path);

    assert.deepEqual(names.toSorted(byBytes), whole);
    assert.equal(packed.files.find((file) => file.path === 'kata-sysext.cjs')?.mode, 0o755);
  });

  it('has no link that leads to a file which it lacks', () => {
    const pages = packed.files.map(({ path }) => path).filter((path) => path.endsWith('.md'));

    const dead = pages.flatMap((path) => {
      const page = readFileSync(join(folder, 'package', path), 'utf8');
      return linkedFiles(path, page).filter((target) => !packed.files.some((file) => file.path === target));
    });

    assert.ok(pages.length > 10);
    assert.deepEqual(dead, []);
    assert.match(readFileSync(join(folder, 'package/README.md'), 'utf8'), /\]\(docs\/commands\.md\)/);
  });

  it('asks for nothing to be installed with it', () => {
    const manifest = JSON.parse(readFileSync(join(folder, 'package/package.json'), 'utf8')) as Record<string, unknown>;

    assert.deepEqual(
      Object.keys(manifest).filter((name) => /dependencies|scripts/i.test(name)),
      [],
    );
    assert.equal(manifest['version'], version);
  });

  it('is one that publint has nothing to say of', async () => {
    const publint = [process.execPath, join(repo, 'node_modules/publint/src/cli.js'), 'run', join(folder, 'package'), '--strict'];

    const told = await run(publint, { cwd: folder });

    assert.match(told.stdout, /All good!/);
  });

  it('installs without a network, and the installed program goes through a whole round', async () => {
    const prefix = join(folder, 'prefix');
    await run([...npm, 'install', '--global', '--prefix', prefix, join(folder, packed.filename)], { cwd: folder });
    const program = join(prefix, 'bin/kata-sysext');

    const told = await run([program, '--version'], { cwd: '/' });
    const page = await run(['man', '--warnings', '-M', join(prefix, 'share/man'), 'kata-sysext'], {
      env: { MANPAGER: 'cat', MANWIDTH: '80' },
    });
    const tried = await run([program, 'try', '--json', '--progress', 'none'], { cwd: '/' });

    assert.deepEqual(told, { code: 0, stdout: `${version}\n`, stderr: '' });
    assert.match(page.stdout, /^NAME\n\s+kata-sysext - /m);
    assert.equal((JSON.parse(tried.stdout) as Record<string, unknown>)['same'], true);
  });

  it('runs where a policy denies executable memory, by its own name', async function () {
    needs(this, 'python3');
    const program = join(folder, 'prefix/bin/kata-sysext');

    const told = await run([...denyExecmem, program, '--version'], { cwd: '/' });

    assert.deepEqual(told, { code: 0, stdout: `${version}\n`, stderr: '' });
  });
});
