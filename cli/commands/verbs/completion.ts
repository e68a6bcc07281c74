import { didYouMean, KataError } from '../../errors/index.ts';
import { completionScript, shells } from '../completion/index.ts';
import type { Call, Reply } from '../types.ts';

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
