import { errnoOf, KataError } from '../errors/index.ts';
import { openHost } from '../host/index.ts';
import { errorText, reporter } from '../report/index.ts';
import type { ProgressMode } from '../report/reporter.ts';
import { version } from '../version.ts';
import { parse } from './parser.ts';
import type { Io, OptionValue, Reply } from './types.ts';

/** The whole program: argv in, exit status out. Never throws for a known error. */
export async function main(argv: string[], io: Io): Promise<number> {
  const json = argv.includes('--json');
  try {
    const parsed = await parse(argv, version);
    if (parsed.kind === 'text') {
      io.stdout.write(`${parsed.text}\n`);
      return 0;
    }
    return await runVerb(parsed, io);
  } catch (error) {
    return complain(error, json, io);
  }
}

async function runVerb({ verb, words, options }: Extract<Awaited<ReturnType<typeof parse>>, { kind: 'verb' }>, io: Io): Promise<number> {
  const { resolve } = await import('node:path');
  const root = resolve(io.cwd, String(options['root'] ?? '/'));
  const host = openHost(root, io.env);
  const progress = reporter(progressMode(options, io), io.stderr);
  const stop = new AbortController();
  let signalled = 0;
  const unlisten = io.onSignal((number) => {
    signalled = number;
    stop.abort();
  });
  try {
    const { run } = await verb.load();
    const reply = await run({ words, options, io, context: { host, program: version, emit: progress.emit, signal: stop.signal } });
    progress.close();
    print(reply, options['json'] === true, io);
    return reply.exitCode ?? 0;
  } catch (error) {
    progress.close();
    const status = complain(error, options['json'] === true, io);
    return signalled === 0 ? status : 128 + signalled;
  } finally {
    unlisten();
    (await host.systemd().catch(() => undefined))?.close();
  }
}

function progressMode(options: Record<string, OptionValue>, io: Io): ProgressMode {
  const wish = String(options['progress'] ?? 'auto');
  if (wish !== 'auto') return wish as ProgressMode;
  return io.stderr.isTTY === true ? 'tty' : 'plain';
}

function print(reply: Reply, json: boolean, io: Io): void {
  if (json) io.stdout.write(`${JSON.stringify({ apiVersion: 'kata-sysext/v1', kind: reply.kind, ...reply.body })}\n`);
  else if (reply.text.length > 0) io.stdout.write(`${reply.text.join('\n')}\n`);
}

function complain(raw: unknown, json: boolean, io: Io): number {
  const error = known(raw);
  const { code, exitCode, complaint } = error;
  if (json) {
    const { subject = '', found, needed, next, details = {} } = complaint;
    io.stdout.write(`${JSON.stringify({ apiVersion: 'kata-sysext/v1', kind: 'Error', code, exitCode, subject, found, needed, next, details })}\n`);
  } else io.stderr.write(`${errorText(error).join('\n')}\n`);
  if (code === 'internal' && raw instanceof Error && raw.stack !== undefined && !json) io.stderr.write(`${raw.stack}\n`);
  return exitCode;
}

/** Errors of the operating system are known in kind; anything else is a fault of ours. */
function known(raw: unknown): KataError {
  if (raw instanceof KataError) return raw;
  const errno = errnoOf(raw);
  const found = raw instanceof Error ? raw.message : String(raw);
  if (errno !== undefined && /^E[A-Z0-9]+$/.test(errno) && !errno.startsWith('ERR_')) {
    return new KataError('failed', { found, needed: 'the operation to succeed', next: 'look at the path in the message; then run the command again', cause: raw });
  }
  return new KataError('internal', { found, needed: 'no fault of the program', next: 'run it again with --json and report the output', cause: raw });
}
