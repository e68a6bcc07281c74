import { longAssets } from '../../assets/long.ts';
import { didYouMean, KataError } from '../../errors/index.ts';
import { generationsFolder, historyFolder, pointer } from '../../store/paths.ts';
import { version } from '../../version.ts';
import type { Call, Reply, Verb } from '../types.ts';
import { bashValues } from './bash.ts';
import { fishValues } from './fish.ts';
import { handlerNames, surface } from './surface.ts';
import { zshValues } from './zsh.ts';

/** A row a shell: what its template is filled with, and the name that the file has by that shell's custom, as the template has. */
const rows = {
  bash: { values: bashValues, file: 'kata-sysext.bash' },
  zsh: { values: zshValues, file: '_kata-sysext' },
  fish: { values: fishValues, file: 'kata-sysext.fish' },
};

export type Shell = keyof typeof rows;

export const shells = Object.keys(rows) as Shell[];

/** The completion script of a shell, made from the verb table. */
export function completionScript(shell: Shell, verbs?: readonly Verb[]): string {
  const { values, file } = rows[shell];
  const { short, full } = handlerNames();
  return longAssets.fill(`templates/completion/${file}`, {
    heading: `kata-sysext ${version}: completion for ${shell}, made by: kata-sysext completion ${shell}`,
    generations: generationsFolder,
    history: historyFolder,
    pointer,
    short: short.join(' '),
    full: full.join(' '),
    ...values(surface(verbs)),
  });
}

/** The scripts as files beside a program that is handed out: base name to text. */
export function completionFiles(): Record<string, string> {
  return Object.fromEntries(shells.map((shell) => [rows[shell].file, completionScript(shell)]));
}

export async function run({ words }: Call): Promise<Reply> {
  const shell = shells.find((each) => each === words[0]);
  if (shell === undefined) {
    throw new KataError('usage', {
      subject: words[0] ?? '',
      found: `there is no completion for “${words[0]}”${didYouMean(words[0] ?? '', shells)}`,
      needed: `one of ${shells.join(', ')}`,
      next: 'kata-sysext completion --help',
    });
  }
  const script = completionScript(shell);
  return { kind: 'Completion', body: { shell, script }, text: [script.trimEnd()] };
}
