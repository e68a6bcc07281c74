import { posix } from 'node:path';
import { type Digest, type HostView, programDigest, programFile } from '../../host/index.ts';
import { insides, payloadOf, readGenerations } from '../../store/index.ts';

/** Payload folders that programs are running from, with how many processes. */
export async function runningPayloads(host: HostView): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for await (const { payloads } of runningPrograms(host)) for (const name of payloads) found.set(name, (found.get(name) ?? 0) + 1);
  return found;
}

/** The payload folders of the shims that run, by the sandbox: engines start a shim with `-id` and the sandbox's own id. */
export async function shimPayloads(host: HostView): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  for await (const { pid, payloads } of runningPrograms(host)) {
    const words = (await host.readText(`/proc/${pid}/cmdline`).catch(() => undefined))?.split('\0') ?? [];
    const id = words[words.indexOf('-id') + 1];
    if (payloads.size > 0 && words.includes('-id') && id !== undefined) found.set(id, new Set([...(found.get(id) ?? []), ...payloads]));
  }
  return found;
}

async function* runningPrograms(host: HostView): AsyncGenerator<{ pid: string; payloads: Set<string> }> {
  if (!host.live) return;
  const merged = mergedPrograms(host);
  for (const pid of (await host.readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const program = await host.readlink(`/proc/${pid}/exe`).catch(() => undefined);
    // One that stepped aside for its repaired successor still counts as the payload that it is.
    const [, tree, below = ''] = /^(.*\/kata-sysext\/tree\/[0-9a-f]{64})(?:\.damaged)?\/(.*)$/.exec(program ?? '') ?? [];
    const inside = insides.find((each) => below.startsWith(`${each}/`));
    const at = inside === undefined ? tree : `${tree}/${inside}`;
    // /usr/local may be a link (→ /var/usrlocal): count under the name that the manifests use as well.
    const names =
      at === undefined ? await merged(Number(pid), program ?? '') : [at, posix.join('/usr/local', at.replace(/^\/var\/usrlocal/, ''))];
    yield { pid, payloads: new Set(names) };
  }
}

/**
 * Programs of a merged extension. After a refresh the path of one that still runs says nothing (facts/lab.md §14), and its file may be
 * gone: only its bytes tell which payload it is of. Each file is read once, however many processes run it.
 */
function mergedPrograms(host: HostView): (pid: number, program: string) => Promise<string[]> {
  const known = new Map<string, Promise<string[]>>();
  let owners: Promise<Map<Digest, string[]>> | undefined;
  return async (pid, program) => {
    if (!insides.some((inside) => program.includes(`${inside.slice('usr'.length)}/`))) return [];
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
