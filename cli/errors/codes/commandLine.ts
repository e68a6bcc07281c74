import { type CodeRow, row } from './row.ts';

/** Codes of the command line, and of settings and profiles. */
export const commandLineCodes: Record<string, CodeRow> = {
  usage: row(2, 'The command line is wrong: an unknown verb or option, or a value that does not fit.'),
  'request-unfit': row(2, 'The file that apply was given is no request: docs/guides/requests.md shows one.'),
  'unknown-code': row(2, 'explain was asked for a code that this version does not have.'),
  'failure-unknown': row(1, 'explain read its standard input and found no failure in it that this version knows.'),
  'unknown-generation': row(2, 'The generation number does not exist on this host.'),
  'generated-too-large': row(2, 'What was asked for does not fit into a MachineConfig.'),
  'setting-unknown': row(2, 'The handler’s configuration has no key of this name. The message names the nearest.'),
  'setting-ambiguous': row(2, 'Several tables of the configuration have a key of this name. Name its whole path.'),
  'setting-type': row(2, 'The value is of another kind than the one that the release has there, or cannot be kept exactly.'),
  'setting-refused': row(
    2,
    'The key decides which files of the release a handler runs, or holds a secret. Fragments of your own can have it: see docs/guides/settings.md.',
  ),
  'setting-not-set': row(2, 'Only what was set with --set can be unset.'),
  'setting-overridden': row(
    3,
    'A fragment of the administrator has the same key, and Kata lets fragments win. A warning: the setting does not count.',
  ),
  'settings-not-kept': row(
    3,
    'The command that brings an uninstalled installation back sets the same for all its handlers, and these had something else. A warning: it names the command for them.',
  ),
  'profile-unknown': row(2, 'There is no profile of this name.'),
  'profile-unfit': row(2, 'The profile is not made for this handler, or its configuration lacks a key that the profile sets.'),
};
