import { chmodSync, readdirSync, readFileSync } from 'node:fs';
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

const out = 'dist/kata-sysext.cjs';

await build({
  entryPoints: ['cli/main.ts'],
  outfile: out,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  minify: true,
  keepNames: true,
  legalComments: 'none',
  // yargs reads import.meta.url, which a CommonJS bundle does not have (facts: npm.md §1.1).
  define: { 'import.meta.url': '__ownUrl', KATA_SYSEXT_ASSETS: JSON.stringify(assets()) },
  banner: { js: '#!/usr/bin/env node\nconst __ownUrl=require("node:url").pathToFileURL(__filename).href;' },
  // dbus-next asks for these only for session buses over X11 and for passing file descriptors; neither is used.
  external: ['x11', 'usocket'],
  logLevel: 'warning',
});
chmodSync(out, 0o755);
