/** Words that people know from other programs → what does that here, as it is typed after the program's name. */
export const otherWords: ReadonlyMap<string, string> = new Map([
  ['upgrade', 'install'],
  ['update', 'install'],
  ['add', 'install'],
  ['deploy', 'install'],
  ['remove', 'uninstall'],
  ['delete', 'uninstall'],
  ['rm', 'uninstall'],
  ['purge', 'uninstall'],
  ['list', 'status'],
  ['ls', 'status'],
  ['info', 'status'],
  ['show', 'status'],
  ['clean', 'gc'],
  ['cleanup', 'gc'],
  ['prune', 'gc'],
  ['switch', 'activate'],
  ['set', 'configure'],
  ['config', 'configure'],
  ['undo', 'rollback'],
  ['revert', 'rollback'],
  ['log', 'history'],
  ['doctor', 'check'],
]);

/** Words that may replace a verb on the command line; the parser answers them itself. */
export const topWords = [
  { name: 'help', words: '[VERB]', summary: 'show the verbs, or the options of one' },
  { name: 'version', words: '', summary: 'print the version' },
] as const;
