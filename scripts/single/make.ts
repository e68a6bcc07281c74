import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import { run } from '../../spec/lab/run.ts';
import { oneFileOptions } from '../bundle.ts';
import { bundledLicences } from '../licences.ts';
import { cacheHeaders, withCachesFor } from './builtinCaches.ts';
import { withoutSymbols } from './elf.ts';
import { type Arch, nodeFolder, nodeVersion } from './node.ts';

export type { Arch };

const postject = fileURLToPath(import.meta.resolve('postject/dist/cli.js'));

/** The marker that a build of Node has inside until a program is put into it (nodejs/node, src/node_sea.cc). */
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/**
 * V8 asks for executable memory before the first line of the program, and dies where a policy denies it (SELinux' execmem, systemd's
 * MemoryDenyWriteExecute=). Without its compilers it asks for none. WebAssembly goes with them; the second flag says so beforehand, or V8
 * prints a warning at each start.
 */
export const execArgv: readonly string[] = ['--jitless', '--no-expose-wasm'];

/**
 * Writes the program for an architecture as one executable file: the project's own build of Node without symbols, with the bundle as its resource.
 * The same sources and the same `nodeVersion` give the same bytes. Takes some seconds.
 * Gives the licences of what is inside. Throws where the compiler of the KVM probe is missing, unless it goes `without` the probe.
 */
export async function makeSingle(arch: Arch, out: string, { without = false } = {}): Promise<string> {
  await mkdir(dirname(out), { recursive: true });
  const work = await mkdtemp(join(resolve(dirname(out)), '.making-'));
  try {
    const file = join(work, 'file');
    const metafile = await makeBlob(arch, work, without ? [] : [arch]);
    const node = await nodeFolder(arch);
    const headers = await cacheHeaders(await ownNode(), execArgv);
    await writeFile(file, withCachesFor(withoutSymbols(await readFile(join(node, 'node'))), headers));
    await run([process.execPath, postject, file, 'NODE_SEA_BLOB', join(work, 'blob'), '--sentinel-fuse', fuse]);
    await chmod(file, 0o755);
    await rename(file, out);
    return `Node.js ${nodeVersion}\n${'-'.repeat(72)}\n${await readFile(join(node, 'LICENSE'), 'utf8')}\n${bundledLicences(metafile)}`;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function makeBlob(arch: Arch, work: string, probes: Arch[]): Promise<Metafile> {
  const { metafile } = await build(oneFileOptions(join(work, 'kata-sysext.cjs'), probes));
  // The name of main stands in the result: relative, so that no folder of this machine does.
  const config = {
    main: 'kata-sysext.cjs',
    output: 'blob',
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    // A code cache fits the architecture and the very Node that made it; elsewhere Node refuses it.
    useCodeCache: arch === process.arch,
    // What root runs is not to be changed by a NODE_OPTIONS in its environment.
    execArgvExtension: 'none',
    execArgv,
  };
  await writeFile(join(work, 'sea.json'), JSON.stringify(config));
  // A seed makes the code cache the same each time. (--hash-seed would too, but it is one of the flags that a cache is bound to, as those of the program are.)
  await run([await ownNode(), ...execArgv, '--random-seed=1', '--experimental-sea-config', 'sea.json'], {
    cwd: work,
    env: { NODE_OPTIONS: '' },
  });
  if (metafile === undefined) throw new Error('esbuild gave no list of what it bundled');
  return metafile;
}

/** The pinned Node that runs on this machine. */
async function ownNode(): Promise<string> {
  return join(await nodeFolder(process.arch as Arch), 'node');
}
