/** What a guest has shown of itself on its serial port so far. */
export interface Shown {
  /** Anything at all: the guest's processor runs. */
  alive: boolean;
  kernel?: string;
  /** Milliseconds after the start at which `kernel` was seen. */
  kernelAt?: number;
  /** The kernel has started a first program. */
  init: boolean;
  /** Milliseconds after the start at which it did. */
  initAt?: number;
  /** A line that the first program itself wrote. */
  user: boolean;
  /** The kernel's own words when it panics. */
  panic?: string;
  /** The last lines, for a message. */
  tail: string[];
}

export interface Console {
  shown: Shown;
  /** Takes a piece of output that came `at` milliseconds after the start. */
  take(text: string, at: number): void;
}

const longestLine = 1000;
const tailLines = 8;

/**
 * Reads a Linux guest's serial console as it comes. The words are the kernel's own (init/main.c, kernel/panic.c); the release is limited to
 * the characters that a release may have, because a guest may print anything, escape sequences for the user's terminal included.
 */
export function watchConsole(): Console {
  const shown: Shown = { alive: false, init: false, user: false, tail: [] };
  let rest = '';
  const line = (raw: string, at: number): void => {
    const text = printable(raw);
    if (text === '') return;
    shown.alive = true;
    shown.tail = [...shown.tail, text].slice(-tailLines);
    const release = /Linux version ([\w.+~-]{1,64})/.exec(text)?.[1];
    if (shown.kernel === undefined && release !== undefined) Object.assign(shown, { kernel: release, kernelAt: at });
    if (shown.kernel === undefined) return;
    const panic = /Kernel panic - not syncing: .*/.exec(text)?.[0];
    if (panic !== undefined) shown.panic ??= panic;
    // It says "Run" before it tries, and goes on to the next name when that fails.
    else if (/Failed to execute \/|exists but couldn't execute it/.test(text)) Object.assign(shown, { init: false, initAt: undefined });
    else if (/Run \/\S+ as init process/.test(text)) Object.assign(shown, { init: true, initAt: shown.initAt ?? at });
    // The kernel stamps its lines with a time (printk.time=1); a line without one, or one of systemd, comes from a program.
    else if (shown.init && (!/^\[ *\d+\.\d+\]/.test(text) || /\] systemd\[1\]: /.test(text))) shown.user = true;
  };
  return {
    shown,
    take: (text, at) => {
      const lines = (rest + text).split(/\r\n|\n|\r/);
      rest = (lines.pop() ?? '').slice(0, longestLine);
      if (printable(rest) !== '') shown.alive = true;
      for (const each of lines) line(each.slice(0, longestLine), at);
    },
  };
}

/** Text that may be shown on any terminal: printable ASCII, without what was an escape sequence. */
export function printable(text: string): string {
  return text
    .replace(/\p{Cc}\[[0-9;?]*[A-Za-z]/gu, '')
    .replace(/[^ -~]/g, '')
    .trim();
}
