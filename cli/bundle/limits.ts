import { tooLarge } from './complaints.ts';

/**
 * What a bundle may have at most. A release of Kata reaches none of these limits; each bounds the memory or the time that a hostile one
 * costs.
 */
export const limits = {
  /** Files, folders and links. */
  members: 100_000,
  /** Of the members, unpacked. */
  bytes: 64 * 2 ** 30,
  /** Names and targets, in bytes. */
  nameBytes: 16 * 2 ** 20,
  /** Headers that only extend a member: names too long for its own header, pax records. */
  extensionBytes: 64 * 2 ** 20,
  /** Texts that are kept in memory, such as configurations. */
  textBytes: 16 * 2 ** 20,
};

type Counted = keyof typeof limits;

const words: Record<Counted, string> = {
  members: 'members',
  bytes: 'bytes of content',
  nameBytes: 'bytes of names',
  extensionBytes: 'bytes of extended headers',
  textBytes: 'bytes of configuration',
};

/** Adds up what a source has. Throws `bundle-too-large` for what goes beyond a limit. */
export interface Count {
  add(what: Counted, amount: number): void;
}

export function countOf(source: string): Count {
  const sums: Record<Counted, number> = { members: 0, bytes: 0, nameBytes: 0, extensionBytes: 0, textBytes: 0 };
  return {
    add(what, amount) {
      sums[what] += amount;
      if (sums[what] > limits[what])
        throw tooLarge(source, `it has more than ${limits[what]} ${words[what]}`, `at most ${limits[what]} ${words[what]}`);
    },
  };
}
