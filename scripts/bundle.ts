import { readdirSync, readFileSync } from 'node:fs';
import { type BuildOptions, transformSync } from 'esbuild';
import { type Arch, kvmProbe } from './helpers.ts';

/** Folders of tables, templates and units that the built program carries inside (cli/assets); an engine's own lie in its folder. */
const assetFolders = ['overlays', 'templates', 'units', 'cli/engines'];

/** What cli/assets/long.ts gives: a part that few verbs load. */
const long = /^templates\/(?:licenses|notices|kubernetes|completion)\//;

function assets(isWanted: (name: string) => boolean): Record<string, string> {
  const files = assetFolders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !/\.(?:md|ts)$/.test(entry.name))
      .map((entry) => `${entry.parentPath}/${entry.name}`),
  );
  return Object.fromEntries(
    files
      .filter(isWanted)
      .sort()
      .map((file) => [file, readFileSync(file, 'utf8')]),
  );
}

/**
 * The text of cli/harden.ts, for the head of every file: the entry imports parts, and an imported part is evaluated before the first line of
 * whoever imports it.
 */
export function hardening(): string {
  const { code } = transformSync(readFileSync('cli/harden.ts', 'utf8'), { loader: 'ts', minify: true, target: 'node20' });
  return `{${code.trim()}}`;
}

/** What every shape of the built program has in common, with the KVM probes of these architectures inside. Throws where one has no compiler. */
export function bundleOptions(probes: readonly Arch[]): BuildOptions {
  const compiled = Object.fromEntries(probes.map((arch) => [arch, kvmProbe(arch).toString('base64')]));
  return {
    entryPoints: ['cli/main.ts'],
    bundle: true,
    platform: 'node',
    target: 'node20',
    minify: true,
    keepNames: true,
    legalComments: 'none',
    define: {
      KATA_SYSEXT_ASSETS: JSON.stringify(assets((name) => !long.test(name))),
      KATA_SYSEXT_LONG_ASSETS: JSON.stringify(assets((name) => long.test(name))),
      KATA_SYSEXT_KVM_PROBES: JSON.stringify(compiled),
    },
    // yargs counts columns with Intl.Segmenter, whose tables alone cost 15 to 20 ms of every start; our texts need no such count.
    alias: { 'string-width': './scripts/stringWidth.ts', 'node-fetch': './scripts/nodeFetch.ts' },
    // dbus-next asks for these only for session buses over X11 and for passing file descriptors; neither is used.
    external: ['x11', 'usocket'],
    logLevel: 'error',
  };
}

/** The program as one CommonJS file: what the npm package and the single file carry, since a single executable of Node 22 takes nothing else. */
export function oneFileOptions(outfile: string, probes: readonly Arch[]): BuildOptions {
  const common = bundleOptions(probes);
  return {
    ...common,
    outfile,
    format: 'cjs',
    // CommonJS has no import.meta; yargs reads its url while it loads.
    define: { ...common.define, 'import.meta.url': 'ownUrl' },
    banner: { js: `${hardening()}const ownUrl = require("node:url").pathToFileURL(__filename).href;` },
    metafile: true,
  };
}
