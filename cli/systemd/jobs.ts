import { KataError } from '../errors/index.ts';
import { callManager, managerFace } from './manager.ts';
import type { JobResult, Unit } from './types.ts';
import { callDeadlineMs, dbusErrorOf, type Wire } from './wire.ts';

const results: readonly string[] = ['done', 'canceled', 'timeout', 'failed', 'dependency', 'skipped'];

/** setTimeout takes more than this as 1 ms; units without a timeout have an infinite deadline. */
const longestTimerMs = 2 ** 31 - 1;

/** Queues a job and waits until it has ended. At the deadline the job is cancelled and waited for, then the result is 'deadline'. */
export async function runJob(
  wire: Wire,
  method: 'StartUnit' | 'RestartUnit' | 'ReloadUnit' | 'StopUnit',
  unit: Unit,
  deadlineMs: number,
): Promise<JobResult> {
  const ended = new Map<string, string>();
  let notice = () => {};
  let broken: KataError | undefined;
  const stop = wire.listen(
    (signal) => {
      if (signal.interface !== managerFace || signal.member !== 'JobRemoved') return;
      const [, job, , result] = signal.body as [number, string, string, string];
      ended.set(job, result);
      notice();
    },
    (why) => {
      broken = why;
      notice();
    },
  );
  const waitFor = (job: string, ms: number) =>
    new Promise<string | undefined>((resolve, reject) => {
      const timer = setTimeout(() => resolve(undefined), Math.min(ms, longestTimerMs));
      notice = () => {
        if (!ended.has(job) && !broken) return;
        clearTimeout(timer);
        if (ended.has(job)) resolve(ended.get(job));
        else reject(broken);
      };
      notice();
    });
  try {
    const [job] = (await callManager(wire, method, 'ss', [unit, 'replace'])) as [string];
    const result = await waitFor(job, deadlineMs);
    if (result !== undefined) return asResult(result);
    await cancel(wire, job);
    const late = await waitFor(job, callDeadlineMs);
    if (late === undefined) throw stuck(unit, method);
    return late === 'canceled' ? 'deadline' : asResult(late);
  } finally {
    stop();
  }
}

async function cancel(wire: Wire, job: string): Promise<void> {
  const id = Number(job.split('/').at(-1));
  try {
    await callManager(wire, 'CancelJob', 'u', [id]);
  } catch (error) {
    // It ended between the deadline and the call; its signal is on the way.
    if (dbusErrorOf(error) !== 'org.freedesktop.systemd1.NoSuchJob') throw error;
  }
}

/** Later systemd versions know more ways in which a job does not do what it should. */
function asResult(result: string): JobResult {
  return results.includes(result) ? (result as JobResult) : 'failed';
}

function stuck(unit: Unit, method: string): KataError {
  return new KataError('failed', {
    subject: unit,
    found: `${method} of ${unit} did not end, and could not be cancelled.`,
    needed: 'A job that ends.',
    next: `systemctl list-jobs; systemctl status ${unit}`,
  });
}
