import { posix } from 'node:path';
import { asset } from '../../assets/index.ts';
import { commandWord } from '../../errors/index.ts';
import type { HostPath } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import { unsupported } from '../common/unsupported.ts';
import { handlerLines } from '../containerd/handlers.ts';
import { unitDropIn } from '../containerd/rootFile.ts';
import { pluginOf } from '../containerd/schema.ts';
import type { Mark, WantedHandler } from '../types.ts';
import { dropIns } from './facts.ts';

const own = '/etc/k0s/kata-sysext';
const script = `${own}/choose.sh`;
const firstLine = '# Written by kata-sysext and recorded by its exact text; "kata-sysext uninstall" removes it.';

/** The file that k0s reads. */
export const chosenFile: HostPath = `${dropIns}/kata-sysext.toml`;

export const schemas = [2, 3] as const;
export type Schema = (typeof schemas)[number];

/** The whole drop-in for a k0s that takes this schema. */
function dropInText(schema: Schema, handlers: readonly WantedHandler[]): string {
  const tables = handlers.flatMap((handler) => ['', ...handlerLines(handler, pluginOf(schema))]);
  return [firstLine, `version = ${schema}`, ...tables].map((line) => `${line}\n`).join('');
}

/**
 * The files of a wiring: the drop-in that k0s reads first, with the text for `schema`. Both texts lie beside it, and a drop-in of the unit
 * picks the right one before each start of k0s, because an update of k0s may want the other one.
 */
export function marksFor(handlers: readonly WantedHandler[], schema: Schema, unit: Unit, program: HostPath): Mark[] {
  const texts = schemas.map((each) => dropInText(each, handlers));
  const text = dropInText(schema, handlers);
  const files: Mark[] = schemas.map((each, index) => ({ path: `${own}/schema-${each}.toml`, kind: 'file', text: texts[index]! }));
  return [
    { path: chosenFile, kind: 'file', text, or: texts.filter((each) => each !== text) },
    ...files,
    { path: script, kind: 'file', text: scriptText(program) },
    { path: unitDropIn(unit), kind: 'file', text: unitText },
  ];
}

/** `-`: a choice that fails keeps no node from starting. */
const unitText = `${firstLine}\n[Service]\nExecStartPre=-/bin/sh ${script}\n`;

/**
 * In the order in which these files are removed, and from the last to the first put in place: the script goes before the file that it would
 * put in place again at a start of k0s, also where an installation is undone. systemd tolerates that it is gone.
 */
export function inRemovalOrder<T>(items: readonly T[], pathOf: (item: T) => HostPath): T[] {
  const first = [script, chosenFile];
  const rank = (item: T) => (first.includes(pathOf(item)) ? first.indexOf(pathOf(item)) : first.length);
  return [...items].sort((a, b) => rank(a) - rank(b));
}

/** Folders that are made for these files alone. */
export function isOwnFolder(folder: HostPath): boolean {
  return folder === own || posix.dirname(folder) === '/etc/systemd/system';
}

function scriptText(program: HostPath): string {
  if (!/^\/[\w./+@~ -]+$/.test(program))
    throw unsupported(
      program,
      `The path of k0s has a character that a shell or systemd reads otherwise: ${program}`,
      'A path of letters, digits, blanks and . _ / + @ ~ -',
      'Move the program to /usr/local/bin/k0s, and name that path in its unit.',
    );
  return asset('cli/engines/k0s/choose.sh').replaceAll('{{program}}', commandWord(program));
}
