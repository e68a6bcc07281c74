import { backendNames } from '../../backends/registry.ts';
import { engineNames } from '../../engines/names.ts';
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
  color: {
    type: 'string',
    describe: 'colours: on a terminal unless NO_COLOR is set (auto), always, or never',
    choices: ['auto', 'always', 'never'],
    default: 'auto',
  },
};

/** Options of every verb that changes the host. */
export const changeOptions: Record<string, OptionRow> = {
  'dry-run': { type: 'boolean', describe: 'print the plan and change nothing' },
  wait: { type: 'number', describe: 'wait up to SECONDS for another change to end', placeholder: 'SECONDS', default: 0 },
  allow: { type: 'list', describe: 'override a check, by the code of its finding', placeholder: 'CODE' },
  engine: {
    type: 'list',
    alias: 'cri',
    describe: `the engine to wire, if several are there or none can be seen: ${engineNames}; repeat it to wire several by one change`,
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
  choices: [...backendNames],
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
  describe: 'enable profile NAME (replaces the current list; none clears it)',
  placeholder: 'NAME',
};

export const component: OptionRow = {
  type: 'list',
  describe: 'give an alias a kernel, image, initrd or firmware of your own: KIND=FILE with one --alias NAME, NAME:KIND=FILE with several',
  placeholder: '[NAME:]KIND=FILE',
};

/** Options of verbs that download a BUNDLE. */
export const downloads: Record<string, OptionRow> = {
  cache: {
    type: 'string',
    describe: 'keep what is downloaded in DIR: a broken download goes on there in the next run, and a whole file is not fetched again',
    placeholder: 'DIR',
    takes: 'folder',
  },
  from: {
    type: 'string',
    describe: 'with kata@VERSION: the folder that has its archives, an https address or a folder here (default: where Kata publishes them)',
    placeholder: 'MIRROR',
    takes: 'folder',
  },
  'registry-auth': {
    type: 'string',
    describe: 'names and passwords for registries (oci://…), as podman login --authfile FILE writes them; only root may read FILE',
    placeholder: 'FILE',
    takes: 'file',
  },
  'ca-file': { type: 'string', describe: 'also trust servers with a certificate of FILE (PEM)', placeholder: 'FILE', takes: 'file' },
};

export const signature: OptionRow = {
  type: 'list',
  describe: 'refuse a bundle that no key of /etc/kata-sysext/trust.d signed so; once for each BUNDLE, in order',
  placeholder: 'FILE|ADDRESS',
  takes: 'file',
};
