import type { HostView } from '../host/index.ts';
import type { Unit } from '../systemd/types.ts';

/** The last line of a unit's own log that says what was wrong, for a message: it knows which file is at fault. None without a journal. */
export async function logTail(host: HostView, unit: Unit, telling: RegExp): Promise<string[]> {
  if (!(await host.has('journalctl'))) return [];
  const { stdout } = await host.run('journalctl', ['--unit', unit, '--lines', '20', '--no-pager', '--output', 'cat'], {
    timeoutMs: 10_000,
    accept: [0, 1],
  });
  const line = stdout.split('\n').findLast((each) => telling.test(each) && !each.includes(unit));
  return line === undefined ? [] : [`it said “${line.trim()}”`];
}
