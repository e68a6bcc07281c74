import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sha256 } from '../digests.ts';
import type { TreeHost } from './treeHost.ts';

interface Payload {
  digest: string;
  folder: string;
  extension?: { release: string };
  entries: { path: string; kind: string; mode: number; digest?: string; target?: string }[];
}

/**
 * Turns a host that this version has installed on, once and in folders, into what an earlier one left, which had the release in
 * `/usr/libexec/kata` of the extension; or ('') alone, with no extension around it. Gives the payload's folder.
 */
export function asEarlier(host: Pick<TreeHost, 'path'>, inside: '' | '/usr/libexec/kata'): string {
  const store = 'var/lib/kata-sysext';
  const [file] = readdirSync(host.path(`${store}/payloads`));
  const payload = JSON.parse(readFileSync(host.path(`${store}/payloads/${file}`), 'utf8')) as Payload;
  const now = payload.digest.slice('sha256:'.length);
  // Where the entries lay was no part of the name.
  const lines = payload.entries.map(({ path, kind, mode, digest, target }) => JSON.stringify([path, kind, mode, digest ?? target ?? '']));
  const hex = sha256(lines.map((line) => `${line}\n`).join(''));
  const tree = host.path(`${store}/tree`);
  renameSync(join(tree, now), join(tree, 'now'));
  mkdirSync(dirname(join(tree, hex, inside)), { recursive: true });
  renameSync(join(tree, 'now/usr/share/kata'), join(tree, hex, inside));
  if (inside !== '') renameSync(join(tree, 'now/usr/lib'), join(tree, hex, 'usr/lib'));
  rmSync(join(tree, 'now'), { recursive: true });
  renameSync(host.path(`${store}/payloads/${file}`), host.path(`${store}/payloads/${hex}.json`));

  const words: [string, string][] = [
    [`${now}/usr/share/kata`, `${hex}${inside}`],
    [now, hex],
    ['/usr/share/kata', inside],
  ];
  const texts = ['etc', store]
    .flatMap((folder) => below(host.path(folder)))
    .filter((path) => !path.startsWith(tree) || path.includes('extension-release.d'));
  // A text that names the payload has another digest then, which other texts name.
  while (words.length > 0) {
    const round = words.splice(0);
    for (const path of texts) {
      const link = lstatSync(path).isSymbolicLink();
      const text = link ? readlinkSync(path) : readFileSync(path, 'utf8');
      const changed = round.reduce((all, [from, to]) => all.replaceAll(from, to), text);
      if (changed === text) continue;
      if (link) {
        rmSync(path);
        symlinkSync(changed, path);
      } else {
        writeFileSync(path, changed);
        words.push([sha256(text), sha256(changed)]);
      }
    }
  }
  const manifest = host.path(`${store}/payloads/${hex}.json`);
  const { extension, ...bare } = JSON.parse(readFileSync(manifest, 'utf8')) as Payload;
  writeFileSync(manifest, JSON.stringify(inside === '' ? bare : { ...bare, extension }));
  return `/${store}/tree/${hex}${inside}`;
}

function below(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? below(path) : [path];
  });
}
