import { checkJson } from '../judges/schemas.ts';
import type { Live } from './liveHost.ts';

/** What `verify --boot-guest` says of one handler. */
export interface Guest {
  handler: string;
  path?: string;
  accelerator?: string;
  kernel?: string;
  milliseconds?: number;
  reachedInit: boolean;
  ok: boolean;
  findings: { code: string; level: string; found: string; next: string }[];
}

/** Boots installed guests; throws when the verb does not end with `wanted`. */
export async function bootGuests(live: Live, args: string[], wanted: number): Promise<Guest[]> {
  const answer = await live.json(['verify', '--boot-guest', ...args], wanted);
  checkJson(answer);
  return answer['guests'] as Guest[];
}

/** An administrator's fragment while `work` runs. */
export async function withFragment({ host }: Live, handler: string, toml: string, work: () => Promise<void>): Promise<void> {
  const folder = `/etc/kata-containers/${handler}.d`;
  await host.sh(`mkdir -p ${folder} && printf '%s\\n' "$1" > ${folder}/50-spec.toml`.replace('"$1"', `'${toml}'`));
  try {
    await work();
  } finally {
    await host.run(['rm', '-r', folder]);
  }
}

/** Processes of the host by command line, as the machine sees them; the spec's own ones are not among them. */
export async function hypervisors({ host }: Live): Promise<string[]> {
  const { stdout } = await host.run(['ps', '-eo', 'args=']);
  return stdout.split('\n').filter((line) => /qemu-system|lab-vmm|kata-sysext-watch/.test(line) && !/ps -eo|sh -ec/.test(line));
}
