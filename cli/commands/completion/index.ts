import { version } from '../../version.ts';
import type { Verb } from '../types.ts';
import { bashScript } from './bash.ts';
import { fishScript } from './fish.ts';
import { surface } from './surface.ts';
import { zshScript } from './zsh.ts';

/** A row a shell: how its script is made, and the name that the file has by that shell's custom. */
const rows = {
  bash: { make: bashScript, file: 'kata-sysext.bash' },
  zsh: { make: zshScript, file: '_kata-sysext' },
  fish: { make: fishScript, file: 'kata-sysext.fish' },
};

export type Shell = keyof typeof rows;

export const shells = Object.keys(rows) as Shell[];

/** The completion script of a shell, made from the verb table. */
export function completionScript(shell: Shell, verbs?: readonly Verb[]): string {
  return rows[shell].make(surface(verbs), `kata-sysext ${version}: completion for ${shell}, made by: kata-sysext completion ${shell}`);
}

/** The scripts as files beside a program that is handed out: base name to text. */
export function completionFiles(): Record<string, string> {
  return Object.fromEntries(shells.map((shell) => [rows[shell].file, completionScript(shell)]));
}
