import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A file that install.sh may fetch. */
export interface Fetched {
  name: string;
  /** 64 hexadecimal digits. */
  sha256: string;
  bytes: number;
}

/** The text of install.sh for one release: it knows these files by digest and size, and takes no others. Throws for a name that a shell could take apart. */
export function installScript(version: string, files: readonly Fetched[]): string {
  for (const word of [version, ...files.map(({ name }) => name)])
    if (!/^[\w.+-]+$/.test(word)) throw new Error(`${JSON.stringify(word)} cannot be in a script`);
  const rows = files.map(({ name, sha256, bytes }) => `    ${name}) sha256=${sha256} bytes=${bytes} ;;`);
  const template = readFileSync(fileURLToPath(new URL('install.sh', import.meta.url)), 'utf8');
  return template.replaceAll('{{version}}', version).replace('{{files}}', rows.join('\n'));
}
