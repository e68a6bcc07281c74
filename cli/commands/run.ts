import { setMaxListeners } from 'node:events';
import { isSea } from 'node:sea';
import { isOfImage } from '../backends/registry.ts';
import { commandWord, errnoOf, type Finding, KataError } from '../errors/index.ts';
import { type Host, type HostView, interrupted, openHost, stoppable, unlessStopped } from '../host/index.ts';
import { type ColourMode, coloured, errorText, escapingStream, isAdvice, reporter, takesColour } from '../output/index.ts';
import type { ProgressMode } from '../output/reporter.ts';
import { askedBy } from '../runner/asked.ts';
import { imageState, stateFolder } from '../store/paths.ts';
import type { Systemd } from '../systemd/types.ts';
import { version } from '../version.ts';
import { forHost } from './advice.ts';
import { refuseAddresses } from './parsing/addresses.ts';
import { parse } from './parsing/parser.ts';
import { systemFault } from './systemFault.ts';
import type { Io, OptionValue, Parsed, Reply } from './types.ts';

/** The whole program: argv in, exit status out. Never throws for a known error. */
export async function main(argv: string[], streams: Io): Promise<number> {
  let colour: ColourMode = 'auto';
  const painter =
    ({ isTTY }: { isTTY?: boolean }) =>
    (text: string) =>
      takesColour(colour, isTTY, streams.env) ? coloured(text) : text;
  const io: Io = {
    ...streams,
    stdout: escapingStream(streams.stdout, painter(streams.stdout)),
    stderr: escapingStream(streams.stderr, painter(streams.stderr)),
  };
  const json = argv.includes('--json');
  try {
    const parsed = await parse(argv, version);
    if (parsed.kind === 'text') {
      io.stdout.write(`${parsed.text}\n`);
      return await whenWritten(0, io);
    }
    // The one who follows the unit paints what that writes.
    if (io.env['KATA_SYSEXT_UNIT'] === undefined) colour = String(parsed.options['color'] ?? 'auto') as ColourMode;
    refuseAddresses(parsed.verb, parsed.words, argv);
    return await runVerb(parsed, argv, io);
  } catch (error) {
    return await whenWritten(complain(error, json, io), io);
  }
}

async function runVerb({ verb, words, options }: Extract<Parsed, { kind: 'verb' }>, argv: string[], io: Io): Promise<number> {
  const { resolve } = await import('node:path');
  const root = resolve(io.cwd, String(options['root'] ?? '/'));
  if (root !== '/') await needFolder(root);
  const host = await hostFor(root, io.env, verb.name, options);
  const progress = reporter(progressMode(options, io), io.stderr);
  const systemd =
    verb.changing === true && options['dry-run'] !== true && options['boot'] === undefined && belongsInUnit(host, io)
      ? await host.systemd()
      : undefined;
  if (systemd !== undefined) return follow(systemd, { verb: verb.name, argv, words, json: options['json'] === true }, io, progress);
  const stop = new AbortController();
  // Each read that is under way listens to it.
  setMaxListeners(0, stop.signal);
  let signalled = 0;
  const unlisten = io.onSignal((number) => {
    if (signalled === 0) signalled = number;
    stop.abort();
  });
  // A fault of the program must not end a change in the middle: it is asked to undo itself.
  let faults = 0;
  const unfault = io.onFault((error) => {
    faults += 1;
    io.stderr.write(`a fault of the program: ${error instanceof Error ? error.stack : String(error)}\n`);
    stop.abort();
  });
  try {
    const run = await verb.load();
    // What the guard of a boot does, it does to its end: the next boot would only begin it again.
    const port = options['boot'] === undefined ? stoppable(host, stop.signal) : host;
    const asked = verb.changing ? await askedBy(verb.name, words, options, io.env) : { cause: verb.name };
    const context = { host: port, program: version, ...programFile(), emit: progress.emit, signal: stop.signal, asked };
    const running = run({ words, options, io, context });
    const reply = await (leavingNothing.includes(verb.name) ? unlessStopped(running, stop.signal) : running);
    progress.close();
    if (signalled !== 0 && !isDone(reply)) throw interrupted();
    print(reply, options['json'] === true, io, host);
    return await whenWritten(faults > 0 ? 1 : (reply.exitCode ?? 0), io);
  } catch (error) {
    progress.close();
    return await whenWritten(
      complain(asKnownError(signalled === 0 ? error : asInterrupted(error), host), options['json'] === true, io, signalled),
      io,
    );
  } finally {
    unlisten();
    unfault();
    await host.close();
  }
}

/**
 * Verbs that read and make nothing, not even for a moment: on a signal they are left where they are. A node pod only watches: what it
 * started on the node goes on without it.
 */
const leavingNothing = ['status', 'history', 'diff', 'explain', 'completion', 'inspect', 'node-pod'];

/** Whether something was done that stays: then a signal that came meanwhile came too late. */
function isDone({ kind, body, made }: Reply): boolean {
  if (kind === 'Change') return 'changed' in body && body.changed === true;
  if (kind === 'Recovery') return 'notes' in body || ('recovered' in body && Array.isArray(body.recovered) && body.recovered.length > 0);
  return made === true;
}

/** Whatever goes wrong once a signal was seen is that signal's doing; but what could not be put back has to be reported. */
function asInterrupted(error: unknown): unknown {
  if (error instanceof KataError && (error.exitCode === 5 || error.code === 'interrupted')) return error;
  return interrupted(error);
}

/** The status, once the result is written; 1 where it could not be and nothing else is wrong. */
async function whenWritten(status: number, io: Io): Promise<number> {
  const fault = await io.written?.();
  if (fault === undefined) return status;
  io.stderr.write(
    `error: the result could not be written to standard output (${fault.message}); the command itself ended with ${status}\n`,
  );
  return status === 0 ? 1 : status;
}

/** The very bytes that run, also where their file was moved or replaced meanwhile. */
function programFile(): { programFile?: string } {
  return isSea() ? { programFile: '/proc/self/exe' } : {};
}

async function needFolder(root: string): Promise<void> {
  const { stat } = await import('node:fs/promises');
  const there = await stat(root).catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  });
  if (there?.isDirectory() === true) return;
  throw new KataError('usage', {
    subject: '--root',
    found: `--root ${root}: there is no such folder`,
    needed: 'the folder of a host tree',
    next: `ls -ld ${commandWord(root)}`,
  });
}

/** Live work is done by a unit of its own, unless this is that unit. Without root it is refused anyway. */
function belongsInUnit(host: HostView, io: Io): boolean {
  return host.live && io.env['KATA_SYSEXT_UNIT'] === undefined && process.getuid?.() === 0;
}

async function follow(
  systemd: Systemd,
  { verb, argv, words, json }: { verb: string; argv: string[]; words: string[]; json: boolean },
  io: Io,
  progress: ReturnType<typeof reporter>,
): Promise<number> {
  const { refuseUnseen, runDetached } = await import('./detached.ts');
  let signalled = 0;
  const unlisten = io.onSignal((number) => {
    if (signalled === 0) signalled = number;
  });
  try {
    await refuseUnseen(words, io.cwd);
    return await whenWritten(await runDetached(systemd, verb, argv, io, progress.emit), io);
  } catch (error) {
    return await whenWritten(complain(error, json, io, signalled), io);
  } finally {
    unlisten();
    progress.close();
    systemd.close();
  }
}

function progressMode(options: Record<string, OptionValue>, io: Io): ProgressMode {
  if (io.env['KATA_SYSEXT_UNIT'] !== undefined) return 'json';
  const mode = String(options['progress'] ?? 'auto');
  if (mode !== 'auto') return mode as ProgressMode;
  return io.stderr.isTTY === true ? 'tty' : 'plain';
}

function print({ kind, body, text }: Reply, json: boolean, io: Io, host: HostView): void {
  const lines = text.map((line) => (isAdvice(line) ? forHost(line, host) : line));
  if (json) io.stdout.write(`${JSON.stringify({ apiVersion: 'kata-sysext/v1', kind, ...body, ...advised(body, host) })}\n`);
  else if (lines.length > 0) io.stdout.write(`${lines.join('\n')}\n`);
}

/** Lists of findings, by the name that they have in a result. */
const advising = ['findings', 'drift'];

function advised(body: object, host: HostView): Record<string, Finding[]> {
  const lists = Object.entries(body).filter(([name, value]) => advising.includes(name) && Array.isArray(value)) as [string, Finding[]][];
  return Object.fromEntries(lists.map(([name, all]) => [name, all.map((finding) => ({ ...finding, next: forHost(finding.next, host) }))]));
}

function asKnownError(error: unknown, host: HostView): unknown {
  if (!(error instanceof KataError)) return error;
  return new KataError(error.code, { ...error.complaint, next: forHost(error.complaint.next, host) });
}

/** What a signal ended ends as that signal asks, unless something worse is to be reported. */
function complain(raw: unknown, json: boolean, io: Io, signalled = 0): number {
  const error = known(raw);
  const { code, complaint } = error;
  const exitCode = signalled !== 0 && code === 'interrupted' ? 128 + signalled : error.exitCode;
  if (json) {
    const { subject = '', found, needed, next, details = {} } = complaint;
    io.stdout.write(
      `${JSON.stringify({ apiVersion: 'kata-sysext/v1', kind: 'Error', code, exitCode, subject, found, needed, next, details })}\n`,
    );
  } else io.stderr.write(`${errorText(error).join('\n')}\n`);
  if (code === 'internal' && raw instanceof Error && raw.stack !== undefined && !json) io.stderr.write(`${raw.stack}\n`);
  return exitCode;
}

/** Errors of the operating system are known in kind; anything else is a fault of the program. */
function known(raw: unknown): KataError {
  return raw instanceof KataError ? raw : (systemFault(raw) ?? ownFault(raw));
}

function ownFault(raw: unknown): KataError {
  return new KataError('internal', {
    found: raw instanceof Error ? raw.message : String(raw),
    needed: 'kata-sysext without this bug',
    next: 'this is a bug in kata-sysext; please report it with the output of: kata-sysext report -o report.md',
    cause: raw,
  });
}

/** Verbs whose --backend says what becomes of the root. */
const imaging = ['install', 'check'];

/**
 * The host of a command. A tree that does not run is the tree of an OS image where the backend baked is asked for, or where it was before;
 * so is the root of a container that builds one. SOURCE_DATE_EPOCH is the time of what is written there (reproducible-builds.org).
 */
async function hostFor(root: string, env: Host['env'], verb: string, options: Record<string, OptionValue>): Promise<Host> {
  const host = openHost(root, env);
  // As sd_booted(3) finds out.
  if ((await host.lstat('/run/systemd/system')) !== undefined) return host;
  const isRequested = imaging.includes(verb) && isOfImage(String(options['backend']));
  if (!isRequested && (await host.lstat(imageState)) === undefined) return host;
  await host.close();
  const image = openHost(root, env, { image: { from: stateFolder, to: imageState } });
  const epoch = env['SOURCE_DATE_EPOCH'] ?? '';
  return /^\d{1,11}$/.test(epoch) ? { ...image, now: () => new Date(Number(epoch) * 1000) } : image;
}
