const plainWord = /^[\w@%+=:,./-]+$/;

/** A text as one word of a command of sh(1) that a user may paste: in quotes where a shell would read anything else than a word. */
export function commandWord(text: string): string {
  return plainWord.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A path of the host as a word of a command on this machine: below the root, where that is a tree. */
export function pathWord({ root = '/' }: { readonly root?: string }, path: string): string {
  return commandWord(`${root.replace(/\/+$/, '')}${path}`);
}

/** A command of systemctl(1) about files of units: in a tree it must not act on the machine that builds it. */
export function systemctl({ root = '/' }: { readonly root?: string }, words: string): string {
  return root === '/' ? `systemctl ${words}` : `systemctl --root=${commandWord(root)} ${words}`;
}
