import type { OptionRow } from '../types.ts';

/** Options of every verb. */
export const commonOptions: Record<string, OptionRow> = {
  root: { type: 'string', describe: 'work on the host tree in DIR instead of the live host', placeholder: 'DIR', default: '/' },
  json: { type: 'boolean', describe: 'print one JSON object on standard output' },
  progress: {
    type: 'string',
    describe: 'how progress is shown on standard error',
    choices: ['auto', 'tty', 'plain', 'json', 'none'],
    default: 'auto',
  },
};

/** Options of every verb that changes the host. */
export const changeOptions: Record<string, OptionRow> = {
  'dry-run': { type: 'boolean', describe: 'print the plan and change nothing' },
  wait: { type: 'number', describe: 'wait up to SECONDS for another change to end', placeholder: 'SECONDS', default: 0 },
  allow: { type: 'list', describe: 'override a check, by the code of its finding', placeholder: 'CODE' },
  engine: {
    type: 'string',
    alias: 'cri',
    describe: 'the engine to wire, if several are there or none can be seen',
    placeholder: 'NAME[@VERSION]',
  },
};

/** Options of more than one verb. */
export const prove: OptionRow = {
  type: 'string',
  describe: 'before the change commits, start a pod of every handler and remove it; where one fails, undo the change',
  choices: ['pod'],
  placeholder: 'pod',
};

export const backend: OptionRow = {
  type: 'string',
  describe: 'how the files appear on the host',
  choices: ['auto', 'prefix', 'sysext', 'overlay', 'baked'],
  placeholder: 'B',
};

export const format: OptionRow = {
  type: 'string',
  describe: 'backend sysext: keep the files as a folder, or as an image',
  choices: ['directory', 'squashfs', 'erofs'],
  placeholder: 'F',
};

export const set: OptionRow = { type: 'list', describe: 'give a key of the handlers’ configuration a value', placeholder: 'KEY=VALUE' };
export const profile: OptionRow = {
  type: 'list',
  describe: 'use this profile; the ones that are named replace those chosen before, none takes all away',
  placeholder: 'NAME',
};
