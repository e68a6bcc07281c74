import { chmodSync, rmSync } from 'node:fs';
import { build } from 'esbuild';
import { bundleOptions, hardening } from './bundle.ts';

/** Another folder for specs, so that runs beside each other do not take the program from under their hosts. */
const folder = process.argv[2] ?? 'dist';
const out = `${folder}/kata-sysext.mjs`;

// Only what this script makes: dist/single and dist/npm have scripts of their own.
for (const path of [out, `${folder}/parts`]) rmSync(path, { recursive: true, force: true });

await build({
  ...bundleOptions(),
  outdir: folder,
  entryNames: 'kata-sysext',
  chunkNames: 'parts/[name]-[hash]',
  outExtension: { '.js': '.mjs' },
  // Parts are loaded when a verb needs them: `status` reads a tenth of the program.
  splitting: true,
  format: 'esm',
  // CommonJS packages inside an ES module bundle still call require for Node's own modules.
  banner: {
    js: `import { createRequire as ownRequire } from "node:module"; ${hardening()} const require = ownRequire(import.meta.url);`,
  },
});
chmodSync(out, 0o755);
