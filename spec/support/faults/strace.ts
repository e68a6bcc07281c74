import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { scratch, type TreeHost } from '../trees/treeHost.ts';

/** What is done to the Nth call of a kind: strace's own injection, so the program has no say in it. */
export interface Injection {
  call: string;
  nth: number;
  /** 'signal=KILL', 'error=ENOSPC' */
  act: string;
  /** From the Nth on, as on a file system that went read-only. */
  onwards?: boolean;
}

// Without --seccomp-bpf: with it strace 6.1 acts on the first call only.

/** Calls that change something and that Node, cp, sync or setfattr make. */
const mutating = [
  'rename',
  'renameat2',
  'symlink',
  'unlink',
  'mkdir',
  'rmdir',
  'write',
  'writev',
  'pwrite64',
  'pwritev',
  'fsync',
  'fdatasync',
  'syncfs',
];
const attributes = ['fchmod', 'chmod', 'fchown', 'ftruncate', 'utimensat', 'copy_file_range', 'fsetxattr'];
/** libuv wakes its own threads with these: no bytes of a file. */
const wakeUp = /^write\(\d+, ("\\1\\0\\0\\0\\0\\0\\0\\0"|"\*"), /;

const errors: Record<string, string[]> = {
  write: ['ENOSPC', 'EIO'],
  writev: ['ENOSPC', 'EIO'],
  pwrite64: ['ENOSPC'],
  rename: ['EROFS', 'ENOSPC'],
  mkdir: ['EROFS', 'ENOSPC'],
  symlink: ['EROFS', 'ENOSPC'],
  unlink: ['EROFS', 'EIO'],
  rmdir: ['EROFS', 'EBUSY'],
  fsync: ['EIO'],
  syncfs: ['EIO'],
  fchmod: ['EROFS'],
};

/** strace counts by thread: with one worker the Nth call is the same one in every run. */
const oneWorker = { UV_THREADPOOL_SIZE: '1' };

/** Every mutating call of one undisturbed run: its kind and number within its thread. */
export async function callsOf(host: TreeHost, args: string[]): Promise<{ call: string; nth: number }[]> {
  const folder = scratch('strace');
  const log = join(folder, 'log');
  const kinds = [...mutating, ...attributes].join(',');
  const { status, stderr } = await host.run(args, { env: oneWorker, wrapper: ['strace', '-f', '-qq', '-o', log, '-e', `trace=${kinds}`] });
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`);
  const counts = new Map<string, number>();
  const found = new Map<string, { call: string; nth: number }>();
  for (const line of readFileSync(log, 'utf8').split('\n')) {
    const [, thread, text, call] = /^(\d+)\s+((\w+)\(.*)$/.exec(line) ?? [];
    if (thread === undefined || text === undefined || call === undefined) continue;
    const nth = (counts.get(`${thread} ${call}`) ?? 0) + 1;
    counts.set(`${thread} ${call}`, nth);
    if (!wakeUp.test(text)) found.set(`${call} ${nth}`, { call, nth });
  }
  rmSync(folder, { recursive: true });
  return [...found.values()];
}

export function kills(calls: { call: string; nth: number }[]): Injection[] {
  return calls.map((each) => ({ ...each, act: 'signal=KILL' }));
}

export function faults(calls: { call: string; nth: number }[]): Injection[] {
  return calls.flatMap((each) =>
    (errors[each.call] ?? []).flatMap((error) => [
      { ...each, act: `error=${error}` },
      ...(error === 'EROFS' ? [{ ...each, act: `error=${error}`, onwards: true }] : []),
    ]),
  );
}

export function runInjected(host: TreeHost, args: string[], injection: Injection): ReturnType<TreeHost['run']> {
  const { call, nth, act, onwards } = injection;
  const inject = `inject=${call}:${act}:when=${nth}${onwards === true ? '+' : ''}`;
  return host.run(args, { env: oneWorker, wrapper: ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', inject] });
}

export function titleOf({ call, nth, act, onwards }: Injection): string {
  return `${act} at ${call} ${nth}${onwards === true ? ' and after' : ''}`;
}
