const plainWord = /^[\w@%+=:,./-]+$/;

/** A text as one word of a command of sh(1) that a user may paste: in quotes where a shell would read anything else than a word. */
export function commandWord(text: string): string {
  return plainWord.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
