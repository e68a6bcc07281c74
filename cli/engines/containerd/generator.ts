import type { Finding } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { serviceValues, unitTexts } from '../common/unitFiles.ts';
import type { Instance } from '../types.ts';
import type { Placement } from './edits.ts';
import type { LoadedFile } from './loader.ts';
import { rootPieces } from './rootFile.ts';

/** Programs that write files of a node again, and whose names mean nothing else. */
const writers =
  'ansible|awx|puppet|chef|salt(?:stack)?|cfengine|rudder|terraform|pulumi|cloud-init|gardener|rke2?|k3s|kops|nodeup|kubespray|an? \\w+ (?:operator|agent)';

const unlessPrinted = '(?! (?:by|with|from|using) \\W?(?:containerd|ctr)\\b)';

/**
 * What programs write above a file that they write again: into its comments, never between its settings. A file that a person had containerd
 * print is none.
 */
const marks = new RegExp(
  [
    `\\b(?:generated|rendered|written|deployed|managed|maintained|provisioned|controlled) (?:by|with) (?:the )?(?:${writers})\\b`,
    `\\b(?:ansible|puppet|chef|salt)[_ -]managed\\b`,
    `\\bfile (?:is|was|has been) (?:being )?generated\\b${unlessPrinted}`,
    `\\bauto(?:matically)?[ -]?generated\\b${unlessPrinted}`,
    '\\bdo not (?:edit|modify|touch)\\b',
    '\\bchanges (?:to this file )?(?:will|may) be (?:lost|overwritten)\\b',
  ].join('|'),
  'i',
);
/** Commands that look at a file or at its mode, and write none. */
const harmless = /^[-@:+!]*(?:\S*\/)?(?:test|\[|chmod|chown|chcon|restorecon|stat|ls|cat|grep)\s/;

/** What shows that another program writes the main file again, in words without a byte of it. */
export interface Generator {
  path: HostPath;
  shownBy: string;
}

/**
 * By a comment ahead of the first setting, or by a command that the unit runs before each start and that names the file. A program that
 * kata-sysext knows is recognised by more than that: see `renderers.ts`.
 */
export async function generatorOf(host: HostView, instance: Instance, main: LoadedFile | undefined): Promise<Generator | undefined> {
  const path = main?.path ?? instance.configPath;
  const line = main === undefined ? -1 : markedLine(main.doc.text);
  if (line >= 0) return { path, shownBy: `line ${line + 1} of it says so` };
  const starts = instance.unit === undefined ? [] : serviceValues(await unitTexts(host, instance.unit), 'ExecStartPre');
  const named = starts.some((command) => !harmless.test(command) && command.split(/[\s"'=;]+/).includes(path));
  return named ? { path, shownBy: `ExecStartPre= of ${instance.unit} names it` } : undefined;
}

/** Its number from 0; -1 where there is none. */
function markedLine(text: string): number {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  const end = lines.findIndex((line) => line.trim() !== '' && !line.trim().startsWith('#'));
  const head = end < 0 ? lines : lines.slice(0, end);
  return head.findIndex((line) => marks.test(line) && !line.includes('kata-sysext'));
}

/** Whether a root file is possible instead of an edit: the unit has to be one whose command can name it. */
export async function canRoot(host: HostView, instance: Instance): Promise<boolean> {
  return (await rootPieces(host, instance, 'root file').catch(() => [])).length > 0;
}

/** What becomes of the handlers when that program writes the file again. */
export function generatedFinding({ path, shownBy }: Generator, method: Placement['method']): Finding {
  const [stays, how] = fates[method] ?? fates.range!;
  return {
    code: 'engine-config-generated',
    level: stays ? 'info' : 'warning',
    subject: path,
    found: `another program, which kata-sysext does not know, writes ${path} (${shownBy}): ${how}`,
    needed: stays ? 'nothing' : 'handlers in what that program writes the file from',
    next: stays ? 'nothing needs to be done' : `put them there; or run the installation again after that program has written ${path}`,
  };
}

const lost = 'when it does so again, the handlers are gone, and status reports it';
const fates: Partial<Record<Placement['method'], [stays: boolean, how: string]>> = {
  'root file': [true, 'containerd reads a file of kata-sysext’s that imports it, so that the handlers stay'],
  'drop-in': [true, 'the handlers are in a folder that it imports, and stay as long as it does'],
  'root copy': [false, 'containerd reads a copy of it, which the boot guard makes again at a boot'],
  range: [false, lost],
};
