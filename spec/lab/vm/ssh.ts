import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { InsideOptions } from '../enter.ts';
import { failure, type Ran, run, start } from '../run.ts';

/** The way into a guest: a loopback port that leads to its sshd, and one connection that all commands share. */
export interface Way {
  folder: string;
  port: number;
  key: string;
}

const DEADLINE_MS = 600_000;

/** Opens the shared connection as soon as the guest's sshd answers; throws when `ended` says that there is no guest any more. */
export async function openWay(way: Way, ended: () => string | undefined): Promise<ChildProcess> {
  const deadline = Date.now() + DEADLINE_MS;
  rmSync(socketOf(way), { force: true });
  for (;;) {
    const master = spawn('ssh', [...options(way, 'yes'), '-N', 'root@127.0.0.1'], { stdio: 'ignore', detached: true });
    let gone = false;
    master.once('exit', () => {
      gone = true;
    });
    while (!gone && !existsSync(socketOf(way)) && Date.now() < deadline && ended() === undefined) await pause(50);
    if (!gone && existsSync(socketOf(way))) return master;
    master.kill('SIGKILL');
    const why = ended() ?? (Date.now() < deadline ? undefined : `no ssh in ${DEADLINE_MS} ms`);
    if (why !== undefined) throw new Error(why);
    await pause(200);
  }
}

/** Runs a program in the guest as root, in the domain of a login; throws on a nonzero status unless told otherwise. */
export async function runThere(way: Way, argv: string[], inside: InsideOptions = {}): Promise<Ran> {
  const ran = await run(commandOf(way, argv, inside), { ...inside, env: {}, allowFailure: true });
  if (ran.code === 255 && /mux_client|Connection|control socket/i.test(ran.stderr))
    throw new Error(`the guest is gone: ${ran.stderr.trim()}`);
  if (ran.code !== 0 && inside.allowFailure !== true) throw failure(argv, ran);
  return ran;
}

export function spawnThere(way: Way, argv: string[], inside: InsideOptions = {}): ChildProcess {
  return start(commandOf(way, argv, inside), { ...inside, env: {} });
}

/** Copies a file of the machine into the guest; about 14 MB a second. */
export async function putThere(way: Way, file: string, path: string): Promise<void> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: for the shell
  const ssh = commandOf(way, ['sh', '-ec', 'mkdir -p "${1%/*}" && cat > "$1"', 'sh', path]);
  await run(['sh', '-ec', 'file=$1; shift; exec "$@" < "$file"', 'sh', file, ...ssh], { timeoutMs: 900_000 });
}

/** For a person's terminal: a connection of its own. */
export function terminalOf(way: Way, command: string[]): string[] {
  return ['ssh', ...options(way, 'no', 'none'), '-t', 'root@127.0.0.1', ...command];
}

function commandOf(way: Way, argv: string[], inside: InsideOptions = {}): string[] {
  const variables = Object.entries(inside.env ?? {}).map(([name, value]) => `${name}=${value}`);
  const words = variables.length > 0 ? ['env', ...variables, ...argv] : argv;
  return ['ssh', ...options(way, 'no'), 'root@127.0.0.1', words.map(quoted).join(' ')];
}

function options(way: Way, master: 'yes' | 'no', socket = socketOf(way)): string[] {
  const settings = {
    UserKnownHostsFile: '/dev/null',
    StrictHostKeyChecking: 'no',
    LogLevel: 'ERROR',
    BatchMode: 'yes',
    IdentitiesOnly: 'yes',
    ConnectTimeout: '20',
    ControlMaster: master,
    ControlPath: socket,
  };
  return [
    '-F',
    '/dev/null',
    '-i',
    way.key,
    '-p',
    String(way.port),
    ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
  ];
}

function socketOf(way: Way): string {
  return join(way.folder, 'ssh');
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
