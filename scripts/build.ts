import { chmodSync, rmSync } from 'node:fs';
import { build } from 'esbuild';
import { bundleOptions, hardening } from './bundle.ts';
import { compilable } from './helpers.ts';

/** Another folder for specs, so that runs beside each other do not take the program from under their hosts. */
const folder = process.argv[2] ?? 'dist';
const out = `${folder}/kata-sysext.mjs`;

// Only what this script makes: dist/single and dist/npm have scripts of their own.
for (const path of [out, `${folder}/parts`]) rmSync(path, { recursive: true, force: true });

// This build is for a checkout, which needs no compiler; what is published has both (scripts/package.ts, scripts/single.ts).
const probes = compilable();
if (probes.length < 2)
  console.log(`the KVM probe is in it for ${probes.join() || 'no architecture'}: a C compiler is missing on this machine`);

await build({
  ...bundleOptions(probes),
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
