import { commandWord, KataError } from '../errors/index.ts';
import type { HostPath, HostView } from './types.ts';

/** What a host reads together: a unit and its drop-ins, for example. */
const most = { files: 200, chars: 4 * 1024 * 1024 };

/** The texts of those files that are there, in their order. Throws `host-file-unfit` also for too many files and for too much text in all. */
export async function readTexts(host: HostView, paths: readonly HostPath[]): Promise<string[]> {
  const texts: string[] = [];
  let chars = 0;
  for (const path of paths) {
    const text = await host.readText(path, 'configuration');
    if (text === undefined) continue;
    texts.push(text);
    chars += text.length;
    if (texts.length > most.files || chars > most.chars) throw tooMuch(path);
  }
  return texts;
}

function tooMuch(path: HostPath): KataError {
  return new KataError('host-file-unfit', {
    subject: path,
    found: `${path} and the files that are read with it are more than ${most.files}, or have more than ${most.chars} characters`,
    needed: 'a unit with a few drop-ins',
    next: `look at its folder, and take out what does not belong there: ls -la ${commandWord(path.slice(0, path.lastIndexOf('/')))}`,
  });
}
