import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { LabHost } from './host.ts';

export interface ShimProcess {
  /** as the machine numbers it */
  pid: number;
  command: string;
  /** of the executable that runs, read through /proc: right also when its file is gone */
  sha256: string;
}

/** The shims that live in a host, seen from outside it: every containerd-shim-* process, the stand-in's runc shims too. */
export async function shimsOf(host: LabHost): Promise<ShimProcess[]> {
  const namespace = readlinkSync(`/proc/${host.leader}/ns/mnt`);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        if (readlinkSync(`/proc/${name}/ns/mnt`) !== namespace) return [];
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replace(/\0/g, ' ').trim();
        if (!/^\S*containerd-shim-/.test(command)) return [];
        return [
          {
            pid: Number(name),
            command,
            sha256: createHash('sha256')
              .update(readFileSync(`/proc/${name}/exe`))
              .digest('hex'),
          },
        ];
      } catch {
        // it ended while it was looked at
        return [];
      }
    });
}
