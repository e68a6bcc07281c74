import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';
import { oneFileOptions } from './bundle.ts';
import { bundledLicences } from './licences.ts';

/**
 * Makes dist/npm, the folder that is published: the program as one file and nothing to install with it (an install of the
 * repository's own dependencies would ignore its overrides, which count in a root project only).
 * Then: npm pack ./dist/npm. An argument names another folder, emptied first.
 */
const folder = process.argv[2] ?? 'dist/npm';
const program = 'kata-sysext.cjs';
/** Texts of the repository that go along, each when it exists. */
const texts = ['LICENSE', 'README.md', 'CHANGELOG.md', 'man', 'completions'];
const own = JSON.parse(readFileSync('package.json', 'utf8')) as Record<string, unknown>;

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const { metafile } = await build(oneFileOptions(`${folder}/${program}`));
if (metafile === undefined) throw new Error('esbuild gave no list of what it bundled');
chmodSync(`${folder}/${program}`, 0o755);
writeFileSync(`${folder}/THIRD-PARTY-LICENSES`, bundledLicences(metafile));
const present = texts.filter((name) => existsSync(name));
for (const name of present) cpSync(name, `${folder}/${name}`, { recursive: true });
writeFileSync(`${folder}/package.json`, `${JSON.stringify(manifest(), undefined, 2)}\n`);
const left = texts.filter((name) => !present.includes(name));
console.log(`${folder} is made${left.length === 0 ? '' : `; the repository has no ${left.join(', ')} to put into it`}`);

function manifest(): Record<string, unknown> {
  const taken = ['name', 'version', 'description', 'license', 'private', 'engines', 'keywords', 'repository', 'homepage', 'bugs', 'author'];
  const fields = taken.filter((name) => own[name] !== undefined).map((name) => [name, own[name]]);
  return {
    ...Object.fromEntries(fields),
    os: ['linux'],
    bin: { 'kata-sysext': program },
    // A program, not a library: nothing to import.
    exports: { './package.json': './package.json' },
    files: [program, 'THIRD-PARTY-LICENSES', ...present.filter((name) => !['README.md', 'LICENSE'].includes(name))],
  };
}
