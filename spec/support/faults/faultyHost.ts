import type { Host } from '../../../cli/host/index.ts';

const writing = [
  'mkdir',
  'writeFile',
  'replaceFile',
  'copyIn',
  'symlink',
  'rename',
  'setModified',
  'unlink',
  'rmdir',
  'removeTree',
] as const satisfies (keyof Host)[];

export interface Faulty {
  host: Host;
  /** Writing calls so far, those that failed included: 'writeFile /etc/x'. */
  calls: string[];
}

/** The port, but writing call number N (from 1) and all after it fail before they do anything: what is on the disk is what a loss of power leaves. */
export function losingPower(host: Host, at: number): Faulty {
  return faulty(host, (nth) => (nth >= at ? 'EIO' : undefined));
}

/** The port, but writing call number N fails, and only that one, as on a disk that is full for a moment. */
export function failingOnce(host: Host, at: number, errno = 'ENOSPC'): Faulty {
  return faulty(host, (nth) => (nth === at ? errno : undefined));
}

/** The port, counting. */
export function counting(host: Host): Faulty {
  return faulty(host, () => undefined);
}

function faulty(host: Host, faultAt: (nth: number) => string | undefined): Faulty {
  const calls: string[] = [];
  const wrapped: Record<string, unknown> = { ...host };
  for (const name of writing) {
    const call = host[name] as (...args: unknown[]) => Promise<unknown>;
    wrapped[name] = async (...args: unknown[]) => {
      calls.push(`${name} ${String(args[0])}`);
      const code = faultAt(calls.length);
      if (code !== undefined) throw Object.assign(new Error(`${code}: ${name} ${String(args[0])}`), { code });
      return call(...args);
    };
  }
  return { host: wrapped as unknown as Host, calls };
}
