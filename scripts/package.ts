import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { completionFiles } from '../cli/commands/completion/index.ts';
import { oneFileOptions } from './bundle.ts';
import { bundledLicences } from './licences.ts';
import { packaged } from './pages/packaged.ts';

/**
 * Makes dist/npm, the folder that is published: the program as one file and nothing to install with it (an install of the
 * repository's own dependencies would ignore its overrides, which count in a root project only).
 * Then: npm pack ./dist/npm. An argument names another folder, emptied first.
 * --without-probe: where a C compiler is missing; `check` then cannot ask KVM.
 */
const { values, positionals } = parseArgs({ options: { 'without-probe': { type: 'boolean' } }, allowPositionals: true });
const folder = positionals[0] ?? 'dist/npm';
const program = 'kata-sysext.cjs';
/** Texts of the repository that go along. */
const texts = ['LICENSE', 'README.md', 'CHANGELOG.md', 'man', 'docs', 'examples', 'schema'];
const manPage = 'man/kata-sysext.8';
const own = JSON.parse(readFileSync('package.json', 'utf8')) as Record<string, unknown>;

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const { metafile } = await build(oneFileOptions(`${folder}/${program}`, values['without-probe'] === true ? [] : ['x64', 'arm64']));
if (metafile === undefined) throw new Error('esbuild gave no list of what it bundled');
chmodSync(`${folder}/${program}`, 0o755);
writeFileSync(`${folder}/THIRD-PARTY-LICENSES`, bundledLicences(metafile));
for (const name of texts) cpSync(name, `${folder}/${name}`, { recursive: true });
const files = new Set(readdirSync(folder, { recursive: true }).map(String));
for (const name of [...files].filter((each) => each.endsWith('.md')))
  writeFileSync(`${folder}/${name}`, packaged(name, readFileSync(name, 'utf8'), files));
mkdirSync(`${folder}/completions`);
for (const [name, text] of Object.entries(completionFiles())) writeFileSync(`${folder}/completions/${name}`, text);
writeFileSync(`${folder}/package.json`, `${JSON.stringify(manifest(), undefined, 2)}\n`);
console.log(`${folder} is made`);

function manifest(): Record<string, unknown> {
  const taken = ['name', 'version', 'description', 'license', 'private', 'engines', 'keywords', 'repository', 'homepage', 'bugs', 'author'];
  const fields = taken.filter((name) => own[name] !== undefined).map((name) => [name, own[name]]);
  return {
    ...Object.fromEntries(fields),
    type: 'commonjs',
    os: ['linux'],
    bin: { 'kata-sysext': program },
    man: [`./${manPage}`],
    // A program, not a library: nothing to import.
    exports: { './package.json': './package.json' },
    files: [program, 'THIRD-PARTY-LICENSES', 'CHANGELOG.md', manPage, 'docs', 'examples', 'schema', 'completions'],
  };
}
