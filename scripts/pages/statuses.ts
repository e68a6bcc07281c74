import type { CodeRow } from '../../cli/errors/index.ts';

/** What each exit status promises. */
export const statuses: { exit: CodeRow['exit']; meaning: string }[] = [
  {
    exit: 1,
    meaning:
      'It failed, and the host is as it was. `restarted` in the JSON says whether an engine was restarted on the way. For `verify`: something drifted.',
  },
  { exit: 2, meaning: 'Wrong usage.' },
  { exit: 3, meaning: 'This host, or what runs on it, does not allow it. Nothing was written outside the staging folder.' },
  { exit: 4, meaning: 'The bundle was rejected. Nothing was written outside the staging folder, and that is removed.' },
  { exit: 5, meaning: 'It failed, and not everything could be put back. The message lists what is left, with the commands.' },
  { exit: 75, meaning: 'Another change holds the lock.' },
  { exit: 77, meaning: 'Root is needed.' },
];

/** As `exitText` says it. */
export const signalStatus = '128 + N';

/** Every status with its meaning, the first and the last ones included. */
export const allStatuses: [string, string][] = [
  ['0', 'Done.'],
  ...statuses.map(({ exit, meaning }): [string, string] => [String(exit), meaning]),
  [signalStatus, 'Ended by signal N, after putting the host back.'],
];
