import { chmod, copyFile, mkdir, realpath, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { nodeReport } from '../helpers.ts';
import type { Arch } from '../single/node.ts';
import { type LibraryRoot, librariesFor } from './libraries.ts';

/** Users by name: what looks one up finds it. 65534 is the one that the resident container has. */
const accounts: Record<string, string> = {
  'etc/passwd': 'root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
};

/** Where a pod mounts folders of its node, and an engine its own: the root is read-only then. */
const mounts = ['proc', 'sys', 'dev', 'run/dbus', 'var/lib/kata-sysext', 'etc/kata-sysext', 'var/run/secrets/kubernetes.io/serviceaccount'];

/** Texts that the copyright files of Debian's packages name. */
const commonLicences = ['GPL-2', 'GPL-3', 'LGPL-2.1'];

export interface RootRequest {
  arch: Arch;
  /** The program as one file, and the licences of what is in it. */
  program: string;
  licences: string;
  libraries: LibraryRoot;
}

/** Writes the root of an image: the program, the libraries that it needs, the reporter, accounts and licences. */
export async function writeRoot(into: string, { arch, program, licences, libraries }: RootRequest): Promise<void> {
  const put = async (path: string, from: string | { text: string | Buffer }, mode = 0o644) => {
    const file = join(into, path);
    await mkdir(dirname(file), { recursive: true });
    if (typeof from === 'string') await copyFile(from, file);
    else await writeFile(file, from.text);
    await chmod(file, mode);
  };
  await put('kata-sysext', program, 0o755);
  await put('report', { text: nodeReport(arch) }, 0o755);
  for (const [path, file] of await librariesFor(program, arch, libraries)) await put(path, file, 0o755);
  for (const [path, text] of Object.entries(accounts)) await put(path, { text });
  for (const path of mounts) await mkdir(join(into, path), { recursive: true });
  await put('usr/share/doc/kata-sysext/LICENSE', 'LICENSE');
  await put('usr/share/doc/kata-sysext/THIRD-PARTY-LICENSES', { text: licences });
  for (const { name } of libraries.packages)
    await put(`usr/share/doc/${name}/copyright`, await realpath(join(libraries.root, 'usr/share/doc', name, 'copyright')));
  for (const name of commonLicences) await put(`usr/share/common-licenses/${name}`, `templates/licenses/${spdxNames[name]!}.txt`);
}

const spdxNames: Record<string, string> = { 'GPL-2': 'GPL-2.0', 'GPL-3': 'GPL-3.0', 'LGPL-2.1': 'LGPL-2.1' };
