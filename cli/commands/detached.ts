import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isAddress } from '../download/address.ts';
import { commandWord, KataError } from '../errors/index.ts';
import { ownCommand } from '../host/index.ts';
import type { Emit } from '../output/index.ts';
import { unitVariable, userText, userVariable, whoAsks } from '../runner/asked.ts';
import { endedBySignal, followUnit, signalMain } from '../runner/unitFollower.ts';
import type { Systemd } from '../systemd/types.ts';
import type { Io } from './types.ts';

const folder = '/run/kata-sysext';
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
  const files = {
    out: `${folder}/${unit}.out`,
    err: `${folder}/${unit}.err`,
    status: `${folder}/${unit}.status`,
    env: `${folder}/${unit}.env`,
  };
  const kept = variables(io.env, /^(KATA_SYSEXT_|NODE_EXTRA_CA_CERTS$|LANG$|TZ$|NO_COLOR$)/);
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
    await writeFile(files.env, environmentFile(variables(io.env, /^(https?|no|all)_proxy$/i)), { mode: 0o600 });
    started = systemd.startTransient({
      unit,
      description: `kata-sysext ${verb}`,
      argv: await ownCommand(argv),
      environmentFile: files.env,
      environment: [...kept.map(([name, value]) => `${name}=${value}`), `${unitVariable}=${unit}`, `INIT_CWD=${io.cwd}`, ...asking],
      folder: '/',
      stdout: files.out,
      stderr: files.err,
      // Without a dollar sign: a daemon-reload in mid-change makes systemd 252 read the line again, with the sign escaped once too often.
      after: ['/bin/sh', '-c', `printenv EXIT_STATUS > ${files.status}`],
    });
    await started;
    const line = (words: string) => io.stderr.write(`${words}\n`);
    const follower = { emit, line, left: () => leave, passed: () => passed };
    const status = await followUnit(systemd, unit, files, follower).finally(() => {
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

function variables(env: Io['env'], names: RegExp): [name: string, value: string][] {
  return Object.entries(env).flatMap(([name, value]) => (value !== undefined && names.test(name) ? [[name, value]] : []));
}

/**
 * Any user may ask PID 1 for the environment that a unit was given, and an address of a proxy may have a password: so it is in a file.
 * As systemd.exec(5) has it for EnvironmentFile=: in single quotes a backslash and a dollar sign are themselves, and a quote ends the text.
 */
function environmentFile(rows: [name: string, value: string][]): string {
  return rows.map(([name, value]) => `${name}='${value.replaceAll("'", `'"'"'`)}'\n`).join('');
}

/** The status of nice(1) when it cannot run its program; kata-sysext never has it. */
const ofDoorstep = [126, 127];

/**
 * A bundle in a mount namespace of its own (PrivateTmp, a container) is not what PID 1 finds under its name. Throws `bundle-missing`.
 */
export async function refuseUnseen(words: string[], cwd: string): Promise<void> {
  const identity = async (path: string) => {
    const found = await stat(path).catch(() => undefined);
    return found === undefined ? undefined : `${found.dev}:${found.ino}`;
  };
  for (const path of words.filter((word) => !isAddress(word)).map((word) => resolve(cwd, word))) {
    const here = await identity(path);
    if (here === undefined || here === (await identity(`/proc/1/root${path}`))) continue;
    throw new KataError('bundle-missing', {
      subject: path,
      found: `${path} is seen from here, but PID 1, which runs the change, finds something else or nothing there`,
      needed: 'the bundle in a folder of the host itself; this shell has mounts of its own (a container, or PrivateTmp)',
      next: `copy it to a folder that both see, and compare: ls -l ${commandWord(`/proc/1/root${path}`)}`,
    });
  }
}

/** What asked may live in a mount namespace of its own (PrivateTmp, a container): PID 1 then does not see what it sees. */
function notStarted(unit: string, status: number): KataError {
  return new KataError('failed', {
    subject: unit,
    found: `systemd could not start ${process.execPath} in the change’s own unit: status ${status}${status === 203 ? ', EXEC' : ''}; nothing was changed`,
    needed: 'the program at a place that PID 1 sees, on a file system from which programs may run',
    next: `look whether it is there: ls -l ${commandWord(`/proc/1/root${process.execPath}`)}; put it into a folder of the host itself, as /usr/local/bin, and run it there`,
  });
}
