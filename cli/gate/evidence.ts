import type { HostView } from '../host/index.ts';
import type { Unit } from '../systemd/types.ts';

const lines = '60';

/**
 * containerd and CRI-O print their whole configuration at start, registry headers and all: other people's secrets stay out of the history.
 * A line that is long, or that shows a structure or a header, is left out whole.
 */
export function harmless(line: string): boolean {
  return line !== '' && line.length < 600 && !/config(uration)?\b.*[{[]|authorization|password|secret|token|x-[a-z-]+:/i.test(line);
}

/** Unit states and the last log lines, for the history of a change that failed. */
export async function logTail(host: HostView, unit: Unit | undefined, dependents: Unit[]): Promise<string[]> {
  const systemd = await host.systemd();
  if (unit === undefined || systemd === undefined) return [];
  const seen: string[] = [];
  for (const name of [unit, ...dependents]) {
    const { activeState, subState, result } = await systemd.unit(name);
    seen.push(`${name}: ${activeState} (${subState}), result ${result}`);
  }
  if (!(await host.has('journalctl'))) return seen;
  const log = await host.run('journalctl', ['--unit', unit, '--lines', lines, '--no-pager', '--output', 'short-iso'], {
    timeoutMs: 10_000,
    accept: [0, 1],
  });
  return [...seen, ...log.stdout.split('\n').filter(harmless)];
}
