import { digestOfFile, type Host, type HostPath, tempPathFor } from '../host/index.ts';
import type { UnitFiles } from '../runner/unitFollower.ts';
import { podFolder, requestsFile, stateFolder } from '../store/paths.ts';
import { podUnfit } from './complaints.ts';

export const podProgram: HostPath = `${podFolder}/kata-sysext`;

/** The files of one request. */
export interface RequestFiles extends UnitFiles {
  request: HostPath;
  out: HostPath;
}

/** `name`: hexadecimal, so that no file and no command line has anything of a request's own in it. */
export function requestFiles(name: string): RequestFiles {
  const at = (ending: string): HostPath => `${podFolder}/request-${name}.${ending}`;
  return { request: at('json'), out: at('out'), err: at('err'), status: at('status') };
}

const ofRequests = /^\.?request-[0-9a-f]{12}\.(?:json|out|err|status)(?:\.kata-sysext)?$/;

/**
 * Puts the program and a request on the node, whole or not at all, and removes those of other requests and what the last run of this one
 * wrote. What is there already with the same bytes is not written. Throws `node-pod-unfit`.
 */
export async function placeFiles(host: Host, program: string, files: RequestFiles, text: string): Promise<void> {
  await needFolders(host);
  const own: readonly HostPath[] = [files.out, files.err, files.status];
  for (const name of (await host.readdir(podFolder)).filter((each) => ofRequests.test(each))) {
    const path = `${podFolder}/${name}`;
    if (path !== files.request && (own.includes(path) || !(await isRead(host, path)))) await host.unlink(path);
  }
  if (!(await hasBytes(host, podProgram, program))) {
    const temporary = tempPathFor(podProgram);
    await host.copyIn(program, temporary, 0o700);
    await host.rename(temporary, podProgram);
  }
  if ((await textAt(host, files.request)) !== text) await host.writeFile(files.request, text, { mode: 0o600 });
}

const readingMs = 60_000;

/** What a unit of another request has just written: the pod that follows it may not have read its end yet. */
async function isRead(host: Host, path: HostPath): Promise<boolean> {
  const age = host.now().getTime() - ((await host.lstat(path))?.modifiedMs ?? 0);
  return !path.endsWith('.json') && age >= 0 && age < readingMs;
}

/** What lies at a path of the pod's folder; undefined where that is nothing, or no text of a request's size. */
export async function textAt(host: Host, path: HostPath): Promise<string | undefined> {
  return host.readText(path, 'request').catch(() => undefined);
}

/** What the unit wrote is passed on, and has no further use. */
export async function dropOutput(host: Host, { out, err, status }: RequestFiles): Promise<void> {
  for (const file of [out, err, status]) await host.unlink(file);
}

/** After an uninstall nothing of the pod stays, but the folder that it mounts and the report. */
export async function clearAway(host: Host): Promise<void> {
  await host.removeTree(podFolder);
  await host.unlink(requestsFile);
}

/** The state folder is a mount of the node's. A link instead of one of these folders would lead elsewhere in the container. */
async function needFolders(host: Host): Promise<void> {
  const needed = 'the folder of the node, mounted by the pod: hostPath /var/lib/kata-sysext, type DirectoryOrCreate';
  const kind = (await host.lstat(stateFolder))?.kind;
  if (kind !== 'directory') throw podUnfit({ subject: stateFolder, found: `${stateFolder} is ${kind ?? 'not there'}`, needed });
  const own = await host.lstat(podFolder);
  if (own === undefined) return host.mkdir(podFolder, 0o700);
  if (own.kind !== 'directory')
    throw podUnfit({ subject: podFolder, found: `${podFolder} is no folder (${own.kind})`, needed: 'a folder of root' });
  if (own.uid !== (process.getuid?.() ?? 0) || (own.mode & 0o022) !== 0)
    throw podUnfit({ subject: podFolder, found: `${podFolder} is writable by others than root`, needed: 'a folder of root' });
}

async function hasBytes(host: Host, path: HostPath, program: string): Promise<boolean> {
  const there = await host.lstat(path);
  if (there?.kind !== 'file' || there.mode !== 0o700) return false;
  return (await host.digest(path)) === (await digestOfFile(program));
}
