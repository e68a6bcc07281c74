import { phases } from '../../bootGuard/units/paths.ts';
import type { Verb } from '../types.ts';

/** Verbs that look after what is there. */
export const keeping: Verb[] = [
  {
    name: 'recover',
    words: '',
    fewest: 0,
    most: 0,
    summary: 'undo or finish an interrupted change (every changing verb does it first)',
    changing: true,
    options: {
      boot: {
        type: 'string',
        describe: 'a phase of the boot guard: what its units run',
        placeholder: 'PHASE',
        choices: phases,
      },
    },
    examples: [
      { command: 'kata-sysext recover', does: 'undo what had not committed, finish what had' },
      { command: 'kata-sysext recover --dry-run', does: 'say which changes those are' },
    ],
    load: () => import('../verbs/recover.ts'),
  },
  {
    name: 'gc',
    words: '',
    fewest: 0,
    most: 0,
    summary: 'remove old generations and their files',
    changing: true,
    stray: { option: 'keep', like: /^\d+$/ },
    options: {
      keep: {
        type: 'number',
        describe:
          'keep the N newest generations; the active and the previous one, pinned ones, those that run, and those of other deployments stay in any case',
        placeholder: 'N',
        default: 2,
      },
    },
    examples: [
      { command: 'kata-sysext gc --keep 0 --dry-run', does: 'show what nothing needs, and the bytes that its removal frees' },
      { command: 'kata-sysext gc --keep 1', does: 'remove all of that but the newest generation' },
    ],
    load: () => import('../verbs/gc.ts'),
  },
  {
    name: 'pin',
    words: 'N',
    fewest: 1,
    most: 1,
    summary: 'keep generation N: gc leaves it alone',
    changing: true,
    options: {},
    examples: [{ command: 'kata-sysext pin 3', does: 'gc never removes generation 3' }],
    load: () => import('../verbs/pin.ts'),
  },
  {
    name: 'unpin',
    words: 'N',
    fewest: 1,
    most: 1,
    summary: 'let gc remove generation N again',
    changing: true,
    options: {},
    examples: [{ command: 'kata-sysext unpin 3', does: 'take the pin away' }],
    load: () => import('../verbs/unpin.ts'),
  },
];
