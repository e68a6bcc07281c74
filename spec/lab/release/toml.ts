import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Configuration files of a release by file name: the Go runtime's and the Rust runtime's. */
export interface Tomls {
  go: Record<string, Buffer>;
  rust: Record<string, Buffer>;
}

const REAL = resolve(import.meta.dirname, '../../../../shared/real-data/kata-config');
const OWN = join(import.meta.dirname, 'toml');

/** Kata's own files where shared/ lies beside the checkout, else the small ones of this folder, which have the same keys. */
export function releaseTomls(): Tomls {
  const from = existsSync(REAL) ? REAL : OWN;
  return { go: filesOf(join(from, 'go')), rust: filesOf(join(from, 'rust')) };
}

function filesOf(folder: string): Record<string, Buffer> {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.toml'))
    .sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))]));
}

/** The same with `initrd` in the place of `image`, as Kata itself writes them for ppc64le: the sample's guest is an initramfs. */
export function initrdTomls(): Tomls {
  const { go, rust } = releaseTomls();
  return { go: withInitrd(go), rust: withInitrd(rust) };
}

function withInitrd(files: Record<string, Buffer>): Record<string, Buffer> {
  const named = (bytes: Buffer) =>
    bytes.toString().replace(/^image = ".*"$/m, 'initrd = "/opt/kata/share/kata-containers/kata-containers-initrd.img"');
  return Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, Buffer.from(named(bytes))]));
}
