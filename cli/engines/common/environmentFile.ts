/** What a file of EnvironmentFile= sets, in its order. */
export interface EnvironmentFile {
  set: { name: string; value: string }[];
  /** Some of it is read by one version of systemd as it is not by another, or has no end. */
  isOpen: boolean;
}

interface Piece {
  value: string;
  /** Behind it. */
  at: number;
  isOpen: boolean;
}

/**
 * As systemd reads it (src/basic/env-file.c, parse_env_file_internal): blanks around the name and the value do not count, a value goes on over
 * an escaped end of a line and from one quoted part to the next, and comments begin a line with # or ;. What follows quotes is a part of the
 * value as it is written. Takes a time that grows with the length.
 */
export function readEnvironmentFile(text: string): EnvironmentFile {
  const set: EnvironmentFile['set'] = [];
  let isOpen = false;
  for (let at = 0; at < text.length; ) {
    const end = endOfLine(text, at);
    const line = text.slice(at, end);
    const equals = line.indexOf('=');
    if (/^\s*[#;]/.test(line)) {
      // systemd 254 ends a comment with its line; earlier ones went on where the line ends with a backslash.
      isOpen ||= line.endsWith('\\');
      at = end + 1;
    } else if (equals < 0) at = end + 1;
    else {
      const name = line.slice(0, equals).trim();
      const piece = valueAt(text, at + equals + 1);
      if (/^[A-Za-z_]\w*$/.test(name)) set.push({ name, value: piece.value });
      isOpen ||= piece.isOpen;
      at = piece.at;
    }
  }
  return { set, isOpen };
}

function endOfLine(text: string, from: number): number {
  const found = text.slice(from).search(/[\r\n]/);
  return found < 0 ? text.length : from + found;
}

/** Quoted parts first, then what is written without quotes, up to the end of the line. */
function valueAt(text: string, from: number): Piece {
  let [value, isOpen, at] = ['', false, from];
  for (;;) {
    while (/[ \t]/.test(text[at] ?? '')) at += 1;
    const quote = text[at];
    if (quote !== '"' && quote !== "'") break;
    const inside = quote === '"' ? doubleQuoted(text, at + 1) : singleQuoted(text, at + 1);
    [value, isOpen, at] = [value + inside.value, isOpen || inside.isOpen, inside.at];
  }
  const rest = plain(text, at);
  return { value: value + rest.value, isOpen: isOpen || rest.isOpen, at: rest.at };
}

/** systemd before 240 takes a backslash for an escape here. */
function singleQuoted(text: string, from: number): Piece {
  const end = text.indexOf("'", from);
  const value = text.slice(from, end < 0 ? text.length : end);
  return { value, isOpen: end < 0 || value.includes('\\'), at: end < 0 ? text.length : end + 1 };
}

function doubleQuoted(text: string, from: number): Piece {
  const parts: string[] = [];
  let isOpen = false;
  for (let at = from; at < text.length; at += 1) {
    const char = text[at]!;
    if (char === '"') return { value: parts.join(''), isOpen, at: at + 1 };
    if (char !== '\\') {
      parts.push(char);
      continue;
    }
    at += 1;
    const escaped = text[at] ?? '';
    if ('"\\`$'.includes(escaped)) parts.push(escaped);
    else if (escaped !== '\n') {
      // Before systemd 240 the backslash goes.
      parts.push(`\\${escaped}`);
      isOpen = true;
    }
  }
  return { value: parts.join(''), isOpen: true, at: text.length };
}

function plain(text: string, from: number): Piece {
  const parts: string[] = [];
  /** How much of it counts: blanks at the end do not, unless they were escaped. */
  let kept = 0;
  let at = from;
  for (; at < text.length && !/[\r\n]/.test(text[at]!); at += 1) {
    const escaped = text[at] === '\\';
    if (escaped) at += 1;
    const char = text[at] ?? '';
    if (!escaped || !/[\r\n]/.test(char)) parts.push(char);
    if (escaped || !/[ \t]/.test(char)) kept = parts.length;
  }
  return { value: parts.slice(0, kept).join(''), isOpen: false, at: at + 1 };
}
