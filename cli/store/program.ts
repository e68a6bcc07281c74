import { absolutePath, count, digest, type Shaped, tableOf, textLike } from '../documents/shapes.ts';
import { errnoOf, KataError, pathWord } from '../errors/index.ts';
import { type Digest, digestOfFile, type Host, type HostPath, type HostView } from '../host/index.ts';
import { allDeployments } from './deployments.ts';
import { ensureFolder, readFolders } from './folders.ts';
import { readable, readJson, writeJson } from './json.ts';
import { dropEmpty, dropTemporaries } from './ownFiles.ts';
import { binFolder, imagePrograms, programManifest, programPath, programsFolder } from './paths.ts';
import { entryDrift, labelProgram } from './payload/index.ts';
import { schema } from './types.ts';

const version = /^\d+\.\d+\.\d+(?:[-+.][\w.+-]*)?$/;

/** `programs/<version>.json`: a copy of the program that is kept on the host. */
export type ProgramManifest = Shaped<typeof programShape>;
const programShape = tableOf({
  schema: count,
  version: textLike('a version', version),
  /** The root whose bin/ holds it. */
  root: absolutePath,
  digest,
  sizeBytes: count,
});

/** The program that runs, as one file that needs nothing else. */
export interface RunningProgram {
  version: string;
  /** Real path on this machine. */
  file: string;
}

const mode = 0o755;

/** The copies on the host, by version in byte order; those of the image that is booted come last. */
export async function readPrograms(host: HostView): Promise<ProgramManifest[]> {
  return [...(await programsIn(host, programsFolder)), ...(host.image ? [] : await programsIn(host, imagePrograms))];
}

async function programsIn(host: HostView, folder: HostPath): Promise<ProgramManifest[]> {
  const names = (await host.readdir(folder)).filter((name) => name.endsWith('.json') && version.test(name.slice(0, -5)));
  const read = await Promise.all(names.map((name) => readJson(host, `${folder}/${name}`, programShape)));
  return read.filter((manifest) => manifest !== undefined);
}

/** In words, how a copy differs from what was put there; undefined when it does not. */
export function programDrift(host: HostView, { root, version: of, digest, sizeBytes }: ProgramManifest): Promise<string | undefined> {
  const path = programPath(root, of);
  return entryDrift(host, path, { path, kind: 'file', mode, digest, sizeBytes });
}

/**
 * Copies the program that runs to its place below `root`, unless it is there as it should be: what runs at boot must not depend on where a
 * user once put a file. Gives whether anything was written. The manifest comes before the file has its name: a file without one never
 * counts as kata-sysext's. Throws `foreign-file`, `host-space`, `host-selinux-type`.
 */
export async function keepProgram(host: Host, root: HostPath, running: RunningProgram): Promise<boolean> {
  const known = await readJson(host, programManifest(running.version), programShape);
  const digest = await digestOfFile(running.file);
  if (known?.root === root && known.digest === digest && (await programDrift(host, known)) === undefined) return false;
  // With SELinux switched on or off since, the root is another one.
  if (known !== undefined && known.root !== root) await dropProgram(host, known);
  const path = programPath(root, running.version);
  if (known?.root !== root && (await host.lstat(path)) !== undefined) return refuseForeignProgram(host, path, digest);
  const [folder, temporary] = [binFolder(root, running.version), `${binFolder(root, running.version)}/.program.kata-sysext`];
  await host.failpoint('program/copy/before');
  try {
    await ensureFolder(host, programsFolder);
    await ensureFolder(host, folder);
    await host.copyIn(running.file, temporary, mode);
    await labelProgram(host, temporary);
    await host.failpoint('program/copy/written');
    const copied = { digest: (await host.digest(temporary))!, sizeBytes: (await host.lstat(temporary))!.sizeBytes };
    const manifest: ProgramManifest = { schema, version: running.version, root, ...copied };
    await writeJson(host, programManifest(running.version), programShape, manifest, readable);
    await host.failpoint('program/copy/noted');
    await host.rename(temporary, path);
  } catch (error) {
    await host.unlink(temporary).catch(() => undefined);
    throw outOfSpace(error, root);
  }
  await host.failpoint('program/copy/placed');
  return true;
}

/** Versions that the boot guard runs, in this /etc and in those of other deployments. Its first unit is named as in `cli/bootGuard/units/`. */
async function guarding(host: HostView): Promise<string[]> {
  const folders = ['/etc', ...(await allDeployments(host)).map(({ etc }) => etc)];
  const texts = await Promise.all(folders.map((etc) => host.readText(`${etc}/systemd/system/kata-sysext-recover.service`)));
  return texts.flatMap((text) => /^ExecStart=\S+\/bin\/([^/\s]+)\/kata-sysext /m.exec(text ?? '')?.[1] ?? []);
}

/** The copies that no generation was made by and that guard no boot. `makers`: versions that made the generations which stay. */
export async function idlePrograms(host: HostView, makers: Set<string>): Promise<ProgramManifest[]> {
  const needed = new Set([...makers, ...(makers.size === 0 ? [] : await guarding(host))]);
  return (await programsIn(host, programsFolder)).filter(({ version: of }) => !needed.has(of));
}

/** Removes those copies, and what an interrupted copy left. Safe to repeat. */
export async function gcPrograms(host: Host, makers: Set<string>): Promise<void> {
  for (const manifest of await idlePrograms(host, makers)) await dropProgram(host, manifest);
  await dropTemporaries(host, programsFolder);
  for (const root of (await readFolders(host)).roots) {
    for (const name of (await host.readdir(binFolder(root))).filter((each) => version.test(each))) {
      await dropTemporaries(host, binFolder(root, name));
      await dropEmpty(host, binFolder(root, name));
    }
  }
}

/** The file first: the manifest says that kata-sysext made it, so that an interrupted removal can be finished. */
async function dropProgram(host: Host, { root, version: of }: ProgramManifest): Promise<void> {
  await host.unlink(programPath(root, of));
  await host.failpoint('program/drop/between');
  await dropEmpty(host, binFolder(root, of));
  await host.unlink(programManifest(of));
}

/** A file with the same bytes serves as well, and stays when a copy of kata-sysext's would go. */
async function refuseForeignProgram(host: HostView, path: HostPath, digest: Digest): Promise<false> {
  if ((await host.digest(path)) === digest) return false;
  throw new KataError('foreign-file', {
    subject: path,
    found: `${path} is there, and kata-sysext did not put it there`,
    needed: 'a free place for the program',
    next: `look at it and move it away: ls -l ${pathWord(host, path)}`,
  });
}

function outOfSpace(error: unknown, root: HostPath): unknown {
  const cause = error instanceof KataError ? error.complaint.cause : error;
  if (errnoOf(cause) !== 'ENOSPC' && errnoOf(cause) !== 'EDQUOT') return error;
  return new KataError('host-space', {
    subject: root,
    found: `the file system of ${root} ran full while the program was copied there`,
    needed: 'room for the program itself',
    next: `free some: df -h ${root}`,
    cause,
  });
}
