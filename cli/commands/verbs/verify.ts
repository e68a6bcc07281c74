import { repair } from '../../changes/repair.ts';
import { codeRow, type Finding, KataError } from '../../errors/index.ts';
import type { GuestBoot, GuestRequest } from '../../guest/index.ts';
import type { HostView } from '../../host/index.ts';
import { type Verification, verify } from '../../inspect/verify.ts';
import { bytes, findingLines } from '../../report/index.ts';
import { forHost } from '../advice.ts';
import { list } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

const usualSeconds = 60;
const mostSeconds = 3600;

export async function run({ options, context }: Call): Promise<Reply> {
  const { host, emit, signal } = context;
  const request = guestRequest(options);
  const repaired = options['repair'] === true ? await repair(context, { dryRun: false, waitSeconds: 0, allow: [] }) : undefined;
  const seen = await verify(host, request === undefined ? undefined : { request, emit, signal });
  return {
    kind: 'Verification',
    body: repaired === undefined ? seen : { ...seen, repaired },
    text: [...repairedText(repaired), ...driftText(seen, host), ...(seen.guests ?? []).flatMap(guestText)],
    exitCode: exitCodeOf(seen),
    made: (repaired ?? []).length > 0,
  };
}

function repairedText(repaired: string[] | undefined): string[] {
  if (repaired === undefined) return [];
  if (repaired.length === 0) return ['no SELinux label to put back'];
  return [...repaired.map((path) => `✓ ${path}: SELinux label put back`), `SELinux labels put back: ${repaired.length}`];
}

function driftText({ generation, filesChecked, bytesChecked, labelsChecked, drift }: Verification, host: HostView): string[] {
  const labels = labelsChecked === undefined ? '' : `, ${labelsChecked} labels`;
  const sum = `generation ${generation}: ${filesChecked} files, ${bytes(bytesChecked)}${labels}`;
  if (drift.length === 0) return [`✓ ${sum}, all as installed`];
  const lines = drift.map(({ level, found }) => `${level === 'blocker' ? '✗' : '!'} ${found}`);
  const first = drift.find(({ level }) => level === 'blocker') ?? drift[0]!;
  return [...lines, `${sum}: differing: ${drift.length}. Next: ${forHost(first.next, host)}`];
}

function guestText({ handler, ok, kernel, milliseconds, accelerator, path, findings }: GuestBoot): string[] {
  const how = accelerator === 'tcg' ? 'emulated (TCG), which says nothing about KVM' : 'with KVM';
  const line = `✓ ${handler}: Linux ${kernel} seen after ${milliseconds} ms, then the first program of its guest; ${how}; ${path}`;
  return [...(ok ? [line] : []), ...findingLines(findings)];
}

/** What is wrong with the installation (1) comes before what this host does not allow (3). */
function exitCodeOf({ drift, guests = [] }: Verification): number {
  const findings: Finding[] = [...drift, ...guests.flatMap((guest) => guest.findings)];
  const statuses = findings.filter(({ level }) => level === 'blocker').map(({ code }) => codeRow(code).exit);
  return statuses.length === 0 ? 0 : Math.min(...statuses);
}

function guestRequest(options: Call['options']): GuestRequest | undefined {
  const handlers = list(options['handler']);
  const seconds = options['timeout'] === undefined ? usualSeconds : Number(options['timeout']);
  if (options['boot-guest'] === true) {
    if (Number.isInteger(seconds) && seconds >= 1 && seconds <= mostSeconds) {
      return { handlers, tcg: options['tcg'] === true, timeoutSeconds: seconds };
    }
    throw usage('--timeout', `--timeout ${String(options['timeout'])}`, `whole seconds, 1 to ${mostSeconds}`);
  }
  const given = (value: unknown): boolean => value === true || typeof value === 'number' || list(value).length > 0;
  const stray = ['handler', 'tcg', 'timeout'].find((name) => given(options[name]));
  if (stray === undefined) return undefined;
  throw usage(`--${stray}`, `--${stray} without --boot-guest`, '--boot-guest, which it belongs to');
}

function usage(subject: string, found: string, needed: string): KataError {
  return new KataError('usage', { subject, found, needed, next: 'kata-sysext verify --help' });
}
