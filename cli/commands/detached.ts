import { mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { exactOptional, literal, looseObject, variant } from 'valibot';
import { parseJson } from '../documents/index.ts';
import { amount, misfitOf, type Shape, text } from '../documents/shapes.ts';
import { KataError } from '../errors/index.ts';
import { ownCommand } from '../host/index.ts';
import type { Emit, Event } from '../output/index.ts';
import { userText, userVariable, whoAsks } from '../runner/asked.ts';
import type { Systemd } from '../systemd/types.ts';
import type { Io } from './types.ts';

/** Set in the unit: then the work is done here, and progress is written as NDJSON for the one who follows. */
const unitVariable = 'KATA_SYSEXT_UNIT';

const folder = '/run/kata-sysext';
const pollMs = 40;
/** How long a unit may be gone before its exit status counts as lost. */
const goneMs = 3000;
/** systemd may be busy, or the bus lost: what the unit writes is followed all the same. */
const askMs = 1000;
/** Statuses of a unit whose program never ran (systemd.exec(5)): kata-sysext's are lower, 128 + a signal at most. */
const firstOfSystemd = 200;
/** A hang-up does not ask for an undo: the terminal is gone, the change goes on. */
const hangUp = 1;

/**
 * Runs this very command line as a transient unit and follows it: the terminal, the ssh session or the pod that asked may die, the change
 * does not. A signal (not a hang-up) is passed on, and asks the change to undo. Gives the exit status of the unit.
 */
export async function runDetached(systemd: Systemd, verb: string, argv: string[], io: Io, emit: Emit): Promise<number> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const unit = `kata-sysext-${verb}-${process.pid}-${Date.now()}.service`;
  const files = { out: `${folder}/${unit}.out`, err: `${folder}/${unit}.err`, status: `${folder}/${unit}.status` };
  const kept = Object.entries(io.env).filter(([name]) => /^(KATA_SYSEXT_|NODE_EXTRA_CA_CERTS$|LANG$|TZ$|NO_COLOR$)/.test(name));
  const user = await whoAsks(io.env);
  // Always set: a value in the caller's environment must not count.
  const asking = [`${userVariable}=${user === undefined ? '' : userText(user)}`];
  let leave = false;
  let ended = false;
  let passed = 0;
  let started: Promise<void> | undefined;
  const pass = async (number: number): Promise<void> => {
    passed = number;
    // A unit that is not there yet hears nothing.
    await started?.then(() => signalMain(systemd, unit, number)).catch(() => undefined);
  };
  const unlisten = io.onSignal((number) => {
    if (number !== hangUp) return pass(number);
    leave = true;
    return undefined;
  });
  try {
    // Nothing was started, so nothing has to end.
    if (leave) return 128 + hangUp;
    if (passed !== 0) throw endedBySignal(unit, passed, 'before it began');
    started = systemd.startTransient({
      unit,
      description: `kata-sysext ${verb}`,
      argv: await ownCommand(argv),
      environment: [...kept.map(([name, value]) => `${name}=${value ?? ''}`), `${unitVariable}=${unit}`, `INIT_CWD=${io.cwd}`, ...asking],
      folder: '/',
      stdout: files.out,
      stderr: files.err,
      // Without a dollar sign: a daemon-reload in mid-change makes systemd 252 read the line again, with the sign escaped once too often.
      after: ['/bin/sh', '-c', `printenv EXIT_STATUS > ${files.status}`],
    });
    await started;
    const status = await follow(systemd, unit, files, { io, emit, left: () => leave, passed: () => passed }).finally(() => {
      ended = !leave;
    });
    if (leave && passed === 0) return 128 + hangUp;
    if (status >= firstOfSystemd || ofDoorstep.includes(status)) throw notStarted(unit, status);
    io.stdout.write(await readFile(files.out, 'utf8').catch(() => ''));
    return status;
  } finally {
    unlisten();
    if (ended) for (const file of Object.values(files)) await rm(file, { force: true });
  }
}

/** To the unit's process, as soon as it has one: before that a signal is lost. */
async function signalMain(systemd: Systemd, unit: string, number: number): Promise<void> {
  const until = performance.now() + goneMs;
  while (performance.now() < until && (await systemd.unit(unit)).mainPid === 0 && !(await isGone(systemd, unit))) await sleep(pollMs);
  await systemd.signal(unit, number);
}

/** The status of nice(1) when it cannot run its program; kata-sysext never has it. */
const ofDoorstep = [126, 127];

interface Follower {
  io: Io;
  emit: Emit;
  left(): boolean;
  /** The last signal that was passed on to the unit; 0: none. */
  passed(): number;
}

async function follow(systemd: Systemd, unit: string, files: { err: string; status: string }, follower: Follower): Promise<number> {
  const lines = tail(files.err);
  let goneSince: number | undefined;
  for (;;) {
    const ended = await readFile(files.status, 'utf8').catch(() => '');
    for (const line of await lines.next(ended !== '')) tell(line, follower);
    if (ended !== '') return exitStatus(ended.trim(), unit, follower.passed());
    if (follower.left()) return 0;
    goneSince = (await isGone(systemd, unit)) ? (goneSince ?? performance.now()) : undefined;
    if (goneSince !== undefined && performance.now() - goneSince > goneMs) throw vanished(unit);
    await sleep(pollMs);
  }
}

/** True only when systemd says so: no answer is no news. */
async function isGone(systemd: Systemd, unit: string): Promise<boolean> {
  const asked = systemd.unit(unit).then(
    ({ activeState }) => !['active', 'activating', 'deactivating'].includes(activeState),
    () => false,
  );
  const late = new AbortController();
  const waited = sleep(askMs, false, { signal: late.signal }).catch(() => false);
  return Promise.race([asked, waited]).finally(() => late.abort());
}

function tell(line: string, { io, emit }: Follower): void {
  const event = line.startsWith('{') ? parsed(line) : undefined;
  if (event === undefined) io.stderr.write(`${line}\n`);
  else emit(event);
}

/** What a line of the change's unit may say; see `Event`. */
const maxLineBytes = 1024 * 1024;
const eventShape: Shape<Event> = variant('kind', [
  looseObject({ kind: literal('phase'), name: text, detail: exactOptional(text) }),
  looseObject({ kind: literal('bytes'), name: text, doneBytes: amount, totalBytes: exactOptional(amount) }),
  looseObject({ kind: literal('done'), name: text, detail: exactOptional(text) }),
  looseObject({ kind: literal('note'), text }),
  looseObject({ kind: literal('warning'), text }),
]);

function parsed(line: string): Event | undefined {
  try {
    const event = parseJson(line, { maxBytes: maxLineBytes });
    return misfitOf(eventShape, event) === undefined ? (event as Event) : undefined;
  } catch {
    return undefined;
  }
}

/** Whole lines that came since the last call; at the end the rest as well. */
function tail(path: string): { next(last: boolean): Promise<string[]> } {
  let at = 0;
  let rest = '';
  return {
    next: async (last) => {
      const size = (await stat(path).catch(() => undefined))?.size ?? 0;
      if (size > at) {
        const file = await open(path, 'r');
        const { bytesRead, buffer } = await file.read(Buffer.alloc(size - at), 0, size - at, at);
        await file.close();
        at += bytesRead;
        rest += buffer.toString('utf8', 0, bytesRead);
      }
      const lines = rest.split('\n');
      rest = last ? '' : (lines.pop() ?? '');
      return lines.filter((line) => line !== '');
    },
  };
}

function exitStatus(said: string, unit: string, passed: number): number {
  if (/^\d+$/.test(said)) return Number(said);
  // It had not begun to listen, or it was the second one.
  if (passed !== 0 && constants.signals[`SIG${said}` as NodeJS.Signals] === passed) throw endedBySignal(unit, passed, `by SIG${said}`);
  throw vanished(unit, `it was ended by signal ${said}`);
}

/**
 * A bundle in a mount namespace of its own (PrivateTmp, a container) is not what PID 1 finds under its name. Throws `bundle-missing`.
 */
export async function refuseUnseen(words: string[], cwd: string): Promise<void> {
  const identity = async (path: string) => {
    const found = await stat(path).catch(() => undefined);
    return found === undefined ? undefined : `${found.dev}:${found.ino}`;
  };
  for (const path of words.map((word) => resolve(cwd, word))) {
    const here = await identity(path);
    if (here === undefined || here === (await identity(`/proc/1/root${path}`))) continue;
    throw new KataError('bundle-missing', {
      subject: path,
      found: `${path} is seen from here, but PID 1, which runs the change, finds something else or nothing there`,
      needed: 'the bundle in a folder of the host itself; this shell has mounts of its own (a container, or PrivateTmp)',
      next: `copy it to a folder that both see, and compare: ls -l /proc/1/root${path}`,
    });
  }
}

/** What asked may live in a mount namespace of its own (PrivateTmp, a container): PID 1 then does not see what it sees. */
function notStarted(unit: string, status: number): KataError {
  return new KataError('failed', {
    subject: unit,
    found: `systemd could not start ${process.execPath} in the change’s own unit: status ${status}${status === 203 ? ', EXEC' : ''}; nothing was changed`,
    needed: 'the program at a place that PID 1 sees, on a file system from which programs may run',
    next: `look whether it is there: ls -l /proc/1/root${process.execPath}; put it into a folder of the host itself, as /usr/local/bin, and run it there`,
  });
}

function endedBySignal(unit: string, number: number, how: string): KataError {
  return new KataError('interrupted', {
    subject: unit,
    found: `the unit of the change was ended ${how}; the next change first undoes what it had begun`,
    needed: 'time to finish',
    next: 'kata-sysext recover',
    details: { signal: number },
  });
}

function vanished(unit: string, why = 'it is gone without an exit status'): KataError {
  return new KataError('failed', {
    subject: unit,
    found: `the change’s own unit did not end by itself: ${why}`,
    needed: 'an exit status',
    next: 'kata-sysext recover',
  });
}
