import { join } from 'node:path';
import type { Architecture } from '../../../cli/facts/index.ts';
import { handlerTable } from '../../../cli/layout/index.ts';
import { type Member, tarOf, writeArchive } from '../../lab/release/index.ts';
import { archiveName } from '../../lab/release/sample.ts';
import { completeRelease } from '../../layout/release.ts';

/** Which archive of 4.1.0 a file is in (docs/facts/kata.md#archives); what both need is in both, with the same bytes. */
const goOnly = /^(bin\/(containerd-shim-kata-v2|kata-runtime|firecracker|jailer)|share\/defaults\/kata-containers\/[^/]*)$/;
const rustOnly = /^(runtime-rs\/|share\/defaults\/kata-containers\/runtime-rs\/)/;

/** Both archives of a release with every handler of an architecture, their files a few bytes each; gives kata-static's and kata-go-static's path. */
export async function completeArchives(folder: string, arch: Architecture): Promise<[string, string]> {
  const { files } = completeRelease(arch);
  const folders = new Set<string>();
  const members: Member[] = [];
  for (const [path, content] of [...files].sort()) {
    const names = `./opt/kata/${path}`.split('/');
    for (let depth = 1; depth < names.length; depth++) folders.add(`${names.slice(0, depth).join('/')}/`);
    if (Array.isArray(content)) members.push({ path: `./opt/kata/${path}`, kind: 'link', target: content[1] });
    else {
      const mode = /^(bin|libexec|runtime-rs\/bin)\//.test(path) ? 0o755 : 0o644;
      members.push({ path: `./opt/kata/${path}`, kind: 'file', bytes: bytesOf(path, content), mode });
    }
  }
  const written = [];
  for (const [archive, not] of [
    ['static', goOnly],
    ['go', rustOnly],
  ] as const) {
    const own = members.filter((member) => !not.test(member.path.slice('./opt/kata/'.length)));
    const path = join(folder, archiveName(`4.1.0-${arch}`, archive));
    await writeArchive(path, tarOf([...[...folders].sort().map((each): Member => ({ path: each, kind: 'folder' })), ...own]));
    written.push(path);
  }
  return written as [string, string];
}

/** A QEMU carries the folders in its bytes that it was built to look in (docs/facts/kata.md#qemus-data-folder). */
function bytesOf(path: string, content: string | number): Buffer {
  if (typeof content === 'string') return Buffer.from(content);
  const flavour = /^bin\/qemu-system-[a-z0-9_]+(-.*)?$/.exec(path);
  return Buffer.from(flavour === null ? `${path}\n` : `#!/bin/sh\n\0/opt/kata/share/kata-qemu${flavour[1] ?? ''}/qemu\0`);
}

/** The handlers that Kata 4.1.0 has for an architecture and a configuration for, as they are installed. */
export function handlersOf(arch: Architecture): string[] {
  const { files } = completeRelease(arch);
  return handlerTable.handlers
    .filter((row) => row.architectures.includes(arch) && files.has(row.configuration))
    .map((row) => `kata-${row.name}`);
}
