import { posix } from 'node:path';
import { KataError } from '../errors/index.ts';
import { isRoots } from '../facts/index.ts';
import { type Digest, type HostView, programDigest, programFile } from '../host/index.ts';
import { type Generation, insideExtension, payloadOf, readGenerations } from '../store/index.ts';

/** Payload folders that programs are running from, with the numbers of these processes. One of several payloads alike counts for each. */
export async function runningPayloads(host: HostView): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  for await (const { pid, payloads } of runningPrograms(host))
    for (const name of payloads) found.set(name, new Set([...(found.get(name) ?? []), pid]));
  return found;
}

/** The payload folders of the shims that run, by the sandbox: engines start a shim with `-id` and the sandbox's own id. */
export async function shimPayloads(host: HostView): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  for (const { id, payloads } of await runningShims(host))
    if (payloads.size > 0) found.set(id, new Set([...(found.get(id) ?? []), ...payloads]));
  return found;
}

/** A process that serves a sandbox, or helps with it. */
export interface RunningShim {
  id: string;
  pid: string;
  /** The path that it was started by, as it says itself. */
  calledBy: string;
  /** False where its program cannot be asked: then there are no payloads. */
  known: boolean;
  /** Folders of the payloads that its program is of: several where they are alike and a merge shows them. */
  payloads: Set<string>;
}

export async function runningShims(host: HostView): Promise<RunningShim[]> {
  const found: RunningShim[] = [];
  const calls = new Map<string, string[]>();
  const isShim = async (pid: string) => {
    if (!(await isRoots(host, pid))) return false;
    const words = (await host.readText(`/proc/${pid}/cmdline`).catch(() => undefined))?.split('\0') ?? [];
    calls.set(pid, words);
    return words.includes('-id');
  };
  for await (const { pid, known, payloads } of runningPrograms(host, isShim)) {
    const words = calls.get(pid)!;
    const id = words[words.indexOf('-id') + 1];
    if (id !== undefined && id !== '') found.push({ id, pid, calledBy: words[0]!, known, payloads });
  }
  return found;
}

async function* runningPrograms(
  host: HostView,
  counts: (pid: string) => Promise<boolean> = async () => true,
): AsyncGenerator<{ pid: string; known: boolean; payloads: Set<string> }> {
  if (!host.live) return;
  const merged = mergedPrograms(host);
  for (const pid of (await host.readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (!(await counts(pid))) continue;
    const program = await host.readlink(`/proc/${pid}/exe`).catch(() => undefined);
    // One that stepped aside for its repaired successor still counts as the payload that it is.
    const [, tree, below = ''] = /^(.*\/kata-sysext\/tree\/[0-9a-f]{64})(?:\.damaged)?\/(.*)$/.exec(program ?? '') ?? [];
    const at = below.startsWith(`${insideExtension}/`) ? `${tree}/${insideExtension}` : tree;
    // /usr/local may be a link (→ /var/usrlocal): count under the name that the manifests use as well.
    const names =
      at === undefined ? await merged(Number(pid), program ?? '') : [at, posix.join('/usr/local', at.replace(/^\/var\/usrlocal/, ''))];
    yield { pid, known: program !== undefined, payloads: new Set(names) };
  }
}

/**
 * Programs of a merged extension. After a refresh the path of one that still runs says nothing (docs/facts/systemd.md#refresh), and its
 * file may be gone: only its bytes tell which payload it is of. Each file is read once, however many processes run it.
 */
function mergedPrograms(host: HostView): (pid: number, program: string) => Promise<string[]> {
  const known = new Map<string, Promise<string[]>>();
  let owners: Promise<Map<Digest, string[]>> | undefined;
  return async (pid, program) => {
    if (!program.includes(`${insideExtension.slice('usr'.length)}/`)) return [];
    const file = await programFile(host, pid);
    if (file === undefined) return [];
    owners ??= programOwners(host);
    const found = known.get(file) ?? owners.then(async (all) => all.get((await programDigest(host, pid)) ?? 'sha256:') ?? []);
    known.set(file, found);
    return found;
  };
}

async function programOwners(host: HostView): Promise<Map<Digest, string[]>> {
  const owners = new Map<Digest, string[]>();
  const generations = new Map((await readGenerations(host)).map(({ manifest }) => [manifest.payloadFolder, manifest]));
  for (const manifest of generations.values()) {
    const payload = await payloadOf(host, manifest);
    for (const entry of payload?.entries ?? []) {
      if (entry.digest === undefined || (entry.mode & 0o111) === 0) continue;
      owners.set(entry.digest, [...(owners.get(entry.digest) ?? []), payload!.folder]);
    }
  }
  return owners;
}

const lingerMs = 3000;

/** Shims that the engine's CRI does not list (started by ctr or nerdctl) need their files as well. One that is just ending gets a moment. */
export async function refuseRunning(host: HostView, go: Generation[]): Promise<void> {
  const folders = new Set(go.map((generation) => generation.manifest.payloadFolder));
  const until = performance.now() + lingerMs;
  for (;;) {
    const running = [...(await runningPayloads(host))].filter(([folder]) => folders.has(folder));
    if (running.length === 0) return;
    if (performance.now() > until) {
      throw new KataError('handler-in-use', {
        subject: running.map(([folder]) => folder).join(', '),
        found: `${new Set(running.flatMap(([, pids]) => [...pids])).size} processes run from the files that would go`,
        needed: 'none',
        next: `end them first; they are: ls -l /proc/[0-9]*/exe | grep -E 'kata-sysext|(share|libexec)/kata/'`,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
