import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { byBytes } from '../../cli/host/index.ts';
import { oneFileOptions } from '../bundle.ts';

/** An npm package whose code is in the program. */
export interface Bundled {
  name: string;
  version: string;
  /** An SPDX expression, where the package declares one. */
  licence: string | undefined;
  /** Of the archive in the registry, in hexadecimal, where package-lock.json has it. */
  sha512: string | undefined;
}

interface LockRow {
  version?: string;
  license?: unknown;
  integrity?: string;
}

/** The packages of which esbuild takes code, by package-lock.json. Throws for one that the lock does not have. */
export async function bundledPackages(): Promise<Bundled[]> {
  const { metafile } = await build({ ...oneFileOptions('unused.cjs', []), write: false });
  if (metafile === undefined) throw new Error('esbuild gave no list of what it bundled');
  const all = foldersIn(metafile).map((folder) => installedAsLocked(folder));
  // The same package may lie in more than one folder.
  return [...new Map(all.map((each) => [`${each.name}@${each.version}`, each])).values()];
}

/** Throws where the folder has another version than the lock: what is stated would not be what was bundled. */
export function installedAsLocked(folder: string, checkout = '.'): Bundled {
  const locked = lockedPackage(folder);
  const { version } = JSON.parse(readFileSync(join(checkout, folder, 'package.json'), 'utf8')) as { version?: string };
  if (version === locked.version) return locked;
  throw new Error(`${folder} is version ${version}, and package-lock.json has ${locked.version}. Next: npm ci`);
}

/** A package by its row of package-lock.json: 'node_modules/yargs/node_modules/string-width'. */
export function lockedPackage(folder: string): Bundled {
  const row = lockRows()[folder];
  if (row?.version === undefined) throw new Error(`package-lock.json has no ${folder}`);
  const name = folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);
  return { name, version: row.version, licence: expressionOf(row.license), sha512: sha512Of(row.integrity) };
}

function lockRows(): Record<string, LockRow> {
  return (JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, LockRow> }).packages;
}

function foldersIn({ outputs }: Metafile): string[] {
  const folders = Object.values(outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([input, { bytesInOutput }]) => {
      // Before the first one is where the dependencies of this checkout lie.
      const folder = /(?<=^|\/)node_modules\/(?:.*node_modules\/)?(?:@[^/]+\/)?[^/]+/.exec(input)?.[0];
      return folder === undefined || bytesInOutput === 0 ? [] : [folder];
    }),
  );
  return [...new Set(folders)].sort(byBytes);
}

/** Some packages write what SPDX does not have: 'MIT/X11', or a list. */
function expressionOf(licence: unknown): string | undefined {
  return typeof licence === 'string' && /^[\w.+-]+(?: (?:AND|OR|WITH) [\w.+-]+)*$/.test(licence) ? licence : undefined;
}

function sha512Of(integrity: string | undefined): string | undefined {
  const base64 = /^sha512-(\S+)$/.exec(integrity ?? '')?.[1];
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString('hex');
}
