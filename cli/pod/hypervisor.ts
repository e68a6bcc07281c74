import { posix } from 'node:path';
import { parseJson } from '../documents/index.ts';
import { isRoots } from '../facts/index.ts';
import { effectiveConfiguration } from '../guest/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import type { GenerationHandler } from '../store/index.ts';
import type { Hypervisor } from './types.ts';

/** jailer(8) of Firecracker takes no longer names. */
const maxIdChars = 32;
const maxProcesses = 100_000;

/**
 * The hypervisor of a sandbox: a process with the program that the handler's configuration names, and the sandbox's id on its command line.
 * `cgroupsPath` is the cgroup that the engine asked the shim for. undefined where none is seen: in some shims it is a part of them.
 */
export async function findHypervisor(
  host: HostView,
  { generation, handler }: { generation: number; handler: GenerationHandler },
  { id, info }: { id: string; info: Record<string, string> },
): Promise<{ hypervisor: Hypervisor; kernelFile?: HostPath | undefined } | undefined> {
  const { names, rootless } = await programOf(host, generation, handler);
  if (names.length === 0) return undefined;
  for (const pid of (await host.readdir('/proc')).filter((name) => /^\d+$/.test(name)).slice(0, maxProcesses)) {
    const program = (await host.readlink(`/proc/${pid}/exe`).catch(() => undefined)) ?? '';
    const name = posix.basename(program.replace(/ \(deleted\)$/, ''));
    if (!names.includes(name) || !(rootless || (await isRoots(host, pid)))) continue;
    const words = (await host.readText(`/proc/${pid}/cmdline`).catch(() => undefined))?.split('\0') ?? [];
    if (!words.some((word) => word.includes(id.slice(0, maxIdChars)))) continue;
    const kernelFile = kernelIn(words);
    const hypervisor = { name, pid: Number(pid), ...(await cgroupOf(host, pid, info)) };
    return { hypervisor, kernelFile };
  }
  return undefined;
}

interface Program {
  names: string[];
  /** Kata gives it a user of its own. */
  rootless: boolean;
}

async function programOf(host: HostView, generation: number, handler: GenerationHandler): Promise<Program> {
  const { values } = (await effectiveConfiguration(host, generation, handler).catch(() => undefined)) ?? { values: {} };
  const { path, rootless } = values as { path?: unknown; rootless?: unknown };
  if (typeof path !== 'string' || !path.startsWith('/')) return { names: [], rootless: false };
  const real = await host.realpath(path).catch(() => path);
  return { names: [posix.basename(path), posix.basename(real)], rootless: rootless === true };
}

function kernelIn(words: string[]): HostPath | undefined {
  const path = words[words.findIndex((word) => word === '-kernel' || word === '--kernel') + 1];
  return words.some((word) => word === '-kernel' || word === '--kernel') && path?.startsWith('/') === true ? path : undefined;
}

async function cgroupOf(host: HostView, pid: string, info: Record<string, string>): Promise<Partial<Hypervisor>> {
  const text = (await host.readText(`/proc/${pid}/cgroup`).catch(() => undefined)) ?? '';
  const cgroup = /^0::(\/.*)$/m.exec(text)?.[1] ?? /^\d+:(?:[a-z,]*,)?memory(?:,[a-z,]*)?:(\/.*)$/m.exec(text)?.[1];
  if (cgroup === undefined) return {};
  const wanted = podCgroup(info);
  const memory = Number(await host.readText(`/sys/fs/cgroup${cgroup}/memory.current`).catch(() => undefined));
  return {
    cgroup,
    inPodCgroup: wanted === undefined ? undefined : isBelow(cgroup, wanted),
    memoryBytes: Number.isSafeInteger(memory) && memory > 0 ? memory : undefined,
  };
}

/** Where the engine wants the sandbox: the folder of its cgroup, or the slice of systemd's form (SLICE:PREFIX:NAME). */
export function podCgroup(info: Record<string, string>): string | undefined {
  const path = cgroupsPath(info['info']);
  if (path === undefined) return undefined;
  const [slice, , name] = path.split(':');
  return name === undefined ? posix.dirname(path) : slice;
}

function isBelow(cgroup: string, wanted: string): boolean {
  if (wanted.startsWith('/')) return wanted !== '/' && cgroup.startsWith(`${wanted}/`);
  return wanted !== '' && cgroup.split('/').includes(wanted);
}

function cgroupsPath(json: string | undefined): string | undefined {
  try {
    const spec = (parseJson(json ?? '{}') as { runtimeSpec?: { linux?: { cgroupsPath?: unknown } } }).runtimeSpec;
    const path = spec?.linux?.cgroupsPath;
    return typeof path === 'string' && path !== '' ? path : undefined;
  } catch {
    return undefined;
  }
}
