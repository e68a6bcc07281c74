import { phases } from '../../bootGuard/units/paths.ts';
import type { Verb } from '../types.ts';

/** Verbs that look after what is there. */
export const keeping: Verb[] = [
  {
    name: 'recover',
    words: '',
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
    load: async () => (await import('../verbs/recover.ts')).run,
  },
  {
    name: 'gc',
    words: '',
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
    load: async () => (await import('../verbs/changing.ts')).gc,
  },
  {
    name: 'pin',
    words: 'N',
    summary: 'keep generation N: gc leaves it alone',
    changing: true,
    examples: [{ command: 'kata-sysext pin 3', does: 'gc never removes generation 3' }],
    load: async () => (await import('../verbs/changing.ts')).pin,
  },
  {
    name: 'unpin',
    words: 'N',
    summary: 'let gc remove generation N again',
    changing: true,
    examples: [{ command: 'kata-sysext unpin 3', does: 'take the pin away' }],
    load: async () => (await import('../verbs/changing.ts')).unpin,
  },
];
