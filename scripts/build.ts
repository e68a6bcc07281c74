import { chmodSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

/** Folders of tables, templates and units that the built program carries inside (cli/assets). */
const assetFolders = ['overlays', 'templates', 'units'];

function assets(): Record<string, string> {
  const files = assetFolders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath}/${entry.name}`),
  );
  return Object.fromEntries(files.sort().map((file) => [file, readFileSync(file, 'utf8')]));
}

const out = 'dist/kata-sysext.mjs';

rmSync('dist', { recursive: true, force: true });

await build({
  entryPoints: ['cli/main.ts'],
  outdir: 'dist',
  entryNames: 'kata-sysext',
  chunkNames: 'parts/[name]-[hash]',
  outExtension: { '.js': '.mjs' },
  // Parts are loaded when a verb needs them: `status` reads a tenth of the program.
  splitting: true,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  minify: true,
  keepNames: true,
  legalComments: 'none',
  define: { KATA_SYSEXT_ASSETS: JSON.stringify(assets()) },
  // CommonJS packages inside an ES module bundle still call require for Node's own modules.
  banner: { js: 'import { createRequire as ownRequire } from "node:module"; const require = ownRequire(import.meta.url);' },
  // dbus-next asks for these only for session buses over X11 and for passing file descriptors; neither is used.
  external: ['x11', 'usocket'],
  logLevel: 'warning',
});
chmodSync(out, 0o755);
