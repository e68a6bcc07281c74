import { KataError } from '../errors/index.ts';

/** What a person may do about an archive that is not whole. */
const fetchAgain = 'fetch the archive again and compare its sha256 with the one that the release page shows (--digest)';
const useRelease = 'use a release archive of Kata Containers; if the bundle is your own, make it again without this';

/** `bundle-damaged`: the bytes are not what was published. */
export function damaged(source: string, found: string, cause?: unknown): KataError {
  return new KataError('bundle-damaged', {
    subject: source,
    found: `${source}: ${found}`,
    needed: 'a whole archive',
    next: fetchAgain,
    cause,
  });
}

/** `bundle-too-large`: it may be whole, but it takes more than is given to it. */
export function tooLarge(source: string, found: string, needed: string): KataError {
  return new KataError('bundle-too-large', { subject: source, found: `${source}: ${found}`, needed, next: useRelease });
}

/** A member that no release has: `code` is a row of the table (`bundle-member-…`, `bundle-layout`, `bundle-empty-asset`). */
export function rejected(code: string, source: string, member: string, found: string, needed: string): KataError {
  const name = shown(member);
  return new KataError(code, {
    subject: source,
    found: `${source}: ${name} ${found}`,
    needed,
    next: useRelease,
    details: { member: name },
  });
}

/** A member's name for a message: control characters escaped, not longer than a line. */
function shown(name: string): string {
  const plain = name.replace(/\p{Cc}|\p{Cf}|[\u2028\u2029]/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
  return plain.length > 200 ? `${plain.slice(0, 200)}…` : plain;
}
