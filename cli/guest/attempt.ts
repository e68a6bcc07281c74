import type { HostView, Watched } from '../host/index.ts';
import { printable, type Shown, watchConsole } from './console.ts';
import type { Accelerator, GuestCommand } from './types.ts';

/** A virtual machine must have printed something by then, or KVM does not run guests here. On KVM a kernel takes well under a second. */
const aliveMs = 5000;
/** After "Run /init as init process": a program that cannot run makes the kernel panic within this time. */
const quietMs = 1500;
const longestMessage = 2000;

/** What became of one start of a hypervisor. */
export interface Attempt extends Shown {
  reason: Watched['reason'] | 'silent';
  status: number;
  milliseconds: number;
  /** The last line that the hypervisor itself printed. */
  message: string;
}

/**
 * Starts the hypervisor and looks on until the guest's kernel has named itself and its first program runs, or it panics, or the time is
 * over. With KVM a guest that shows nothing for 5 s is ended: a /dev/kvm that opens proves nothing (a PVM host has one on which no ordinary
 * guest gets anywhere, docs/facts/hosts.md#kvm-that-runs-no-guest). After `kernelMs` one that has shown no kernel is ended as well.
 */
export async function attempt(
  host: HostView,
  command: GuestCommand,
  accelerator: Accelerator,
  limits: { timeoutMs: number; kernelMs?: number | undefined; signal?: AbortSignal },
): Promise<Attempt> {
  const console = watchConsole();
  const { shown } = console;
  let message = '';
  let over: 'silent' | 'late' | undefined;
  const watched = await host.watch(command.program, command.args, {
    deadlineMs: limits.timeoutMs,
    signal: limits.signal,
    files: command.files,
    enough: (from, text, now) => {
      if (from === 'out') console.take(text, Math.round(now));
      if (from === 'err') message = (message + text).slice(-longestMessage);
      // QEMU goes on after this one with its processors stopped.
      if (from === 'err' && /KVM internal error|KVM: entry failed/.test(message)) return true;
      if (accelerator === 'kvm' && !shown.alive && now > aliveMs) over = 'silent';
      else if (shown.kernel === undefined && now > (limits.kernelMs ?? now)) over = 'late';
      return over !== undefined || shown.panic !== undefined || (shown.init && (shown.user || now - (shown.initAt ?? now) > quietMs));
    },
  });
  const line = message
    .split('\n')
    .map(printable)
    .filter((text) => text !== '')
    .slice(-3)
    .join(' / ');
  return {
    ...shown,
    reason: over ?? watched.reason,
    status: watched.status,
    milliseconds: watched.milliseconds,
    message: line,
  };
}

/** The kernel named itself and started a first program that did not end in a panic. */
export function cameUp(seen: Attempt): boolean {
  return seen.kernel !== undefined && seen.init && seen.panic === undefined;
}

/** It printed something, and no kernel named itself in time. A KVM that runs no guest, or a kernel that hangs: the emulation tells them apart. */
export function isLate({ reason, kernel }: Attempt): boolean {
  return reason === 'late' && kernel === undefined;
}

/** In words: what was seen last, for a message. */
export function attemptText(seen: Attempt): string {
  const said = seen.message === '' ? '' : `; it said: ${seen.message}`;
  const after = `${(seen.milliseconds / 1000).toFixed(1)} s`;
  if (seen.panic !== undefined) return `its kernel ${seen.kernel ?? ''} ended with: ${seen.panic}`;
  if (seen.kernel !== undefined)
    return `its kernel ${seen.kernel} started, but no first program of its initrd or image within ${after}${last(seen)}${said}`;
  if (seen.reason === 'ended')
    return `the hypervisor ended with status ${seen.status} after ${after}, before any kernel was seen${said}${last(seen)}`;
  return `no kernel was seen within ${after}${said}${last(seen)}`;
}

function last({ tail }: Attempt): string {
  return tail.length === 0 ? '' : `; the last line of its console: ${tail.at(-1)}`;
}
