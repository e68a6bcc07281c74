import { setTimeout as sleep } from 'node:timers/promises';
import { KataError } from '../errors/index.ts';
import type { Host } from '../host/index.ts';
import { interrupted } from '../host/index.ts';
import type { Emit } from '../output/index.ts';
import { unitVariable, userVariable } from '../runner/asked.ts';
import { followUnit } from '../runner/unitFollower.ts';
import { podFolder } from '../store/paths.ts';
import { dbusErrorOf } from '../systemd/index.ts';
import type { Systemd, Unit } from '../systemd/types.ts';
import { busFails, unitFails } from './complaints.ts';
import { placeFiles, podProgram, type RequestFiles, requestFiles, textAt } from './files.ts';

/** What runs a request on the node. */
export interface RequestUnit {
  unit: Unit;
  files: RequestFiles;
  text: string;
  /** The file of the program that the pod runs. */
  program: string;
  /** As of `Date.toISOString`. */
  readySince: string | undefined;
}

export interface Watcher {
  host: Host;
  systemd: Systemd;
  emit: Emit;
  signal: AbortSignal;
  /** Hears what the unit prints beside its progress. */
  line(text: string): void;
  pollMs?: number | undefined;
}

const pattern = 'kata-sysext-request-*.service';
const usualPollMs = 250;
/** How long the unit waits for a change of the administrator. */
const lockWaitSeconds = 600;

export function requestUnit(digest: string, asked: Pick<RequestUnit, 'text' | 'program' | 'readySince'>): RequestUnit {
  const name = digest.slice('sha256:'.length, 'sha256:'.length + 12);
  return { unit: `kata-sysext-request-${name}.service`, files: requestFiles(name), ...asked };
}

/**
 * Has the node do a request, and follows it to its end: gives the exit status of the unit. A unit that does this very request already is
 * followed; one of another request is waited for first. Throws `node-pod-bus`, `node-pod-unit`, `node-pod-unfit`.
 */
export async function runRequest(asked: RequestUnit, watcher: Watcher): Promise<number> {
  const { host, systemd, emit, signal, pollMs = usualPollMs } = watcher;
  let waitsFor: Unit | undefined;
  for (let starts = 0; ; ) {
    if (signal.aborted) throw interrupted();
    const living = await systemd.livingUnits(pattern).catch((error: unknown) => Promise.reject(busError(error)));
    if (living.includes(asked.unit) && (await textAt(host, asked.files.request)) === asked.text) {
      emit({ kind: 'note', text: `this request runs already: ${asked.unit} is followed` });
      const status = await followed(asked, watcher, true);
      if (status !== undefined) return status;
    } else if (living.length > 0) {
      if (waitsFor !== living[0]) emit({ kind: 'note', text: `another request runs: waiting for ${living[0]}` });
      waitsFor = living[0];
      await sleep(pollMs);
    } else {
      await placeFiles(host, asked.program, asked.files, asked.text);
      if (!(await started(systemd, asked))) continue;
      starts += 1;
      // The files have the name of the request without its retry: a pod with a higher one may have taken them. To ask again changes nothing more.
      const status = await followed(asked, watcher, starts === 1);
      if (status !== undefined) return status;
    }
  }
}

/** undefined, where it `mayBeTaken`: it ended, and whoever followed it as well has taken its output. */
async function followed({ unit, files }: RequestUnit, { host, systemd, emit, signal, line, pollMs }: Watcher, mayBeTaken: boolean) {
  const follower = { emit, line, left: () => signal.aborted, passed: () => 0, pollMs: pollMs ?? usualPollMs };
  try {
    const real = { err: await host.locate(files.err), status: await host.locate(files.status) };
    const status = await followUnit(systemd, unit, real, follower);
    if (signal.aborted) throw interrupted();
    return status;
  } catch (error) {
    if (!(error instanceof KataError) || error.code !== 'failed') throw error;
    if (mayBeTaken) return undefined;
    throw unitFails(unit, error.complaint.found, 'an exit status');
  }
}

/** False where a unit of this name came in between. */
async function started(systemd: Systemd, { unit, files, readySince }: RequestUnit): Promise<boolean> {
  // A shell of the node, which executes the program. Under SELinux the label of the file that PID 1 starts decides the domain: a shell gets
  // that of any service, while the program has the label of /var/lib, which PID 1 may not start at all (203/EXEC). The shell opens the files
  // as well, because PID 1 itself may not make any there. All words are constants, hexadecimal, or a time.
  const since = readySince === undefined ? '' : ` --ready-since ${readySince}`;
  const line = `exec ${podProgram} apply ${files.request} --json --wait ${lockWaitSeconds}${since} >${files.out} 2>${files.err}`;
  try {
    await systemd.startTransient({
      unit,
      description: 'kata-sysext apply, as a node pod requests',
      argv: ['/bin/sh', '-c', line],
      environment: [`${unitVariable}=${unit}`, `${userVariable}=`, 'INIT_CWD=/'],
      folder: '/',
      after: ['/bin/sh', '-c', `printenv EXIT_STATUS > ${files.status}`],
    });
    return true;
  } catch (error) {
    if (dbusErrorOf(error) === 'org.freedesktop.systemd1.UnitExists') return false;
    throw busError(error);
  }
}

function busError(error: unknown): unknown {
  if (!(error instanceof KataError)) return error;
  return busFails(`systemd of the node refuses a transient unit: ${error.complaint.found}`, error);
}

/** Statuses of a shell that could not execute the program (POSIX), and of PID 1 that could not start the shell (systemd.exec(5)). */
export function refuseUnstarted(unit: Unit, status: number): void {
  const why =
    status === 126
      ? `the node does not let ${podProgram} run: ${podFolder} is on a file system that is mounted noexec, or its policy forbids it`
      : status === 127
        ? `${podProgram} is not there on the node: the pod mounts another folder than /var/lib/kata-sysext of the node`
        : status >= 200
          ? `systemd of the node could not start /bin/sh: status ${status}`
          : undefined;
  if (why !== undefined) throw unitFails(unit, why, 'a file system below /var/lib/kata-sysext from which programs may run');
}
