import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { machineOf } from '../../bundle/index.ts';
import { KataError } from '../../errors/index.ts';
import { ownArchitecture } from '../../facts/index.ts';
import { cleanEnvironment, readHead } from '../../host/index.ts';
import { version } from '../../version.ts';

/**
 * Refuses what is not the single file of this version. One for another architecture, or that this machine cannot start (a missing loader, no
 * right to), is taken by its ELF head, but not where it has to `run` here. Throws `bundle-missing` and `usage`.
 *
 * @param word as it was typed
 * @param file its real path
 */
export async function needSingleFile(word: string, file: string, { run }: { run: boolean }): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() !== true) {
    throw new KataError('bundle-missing', {
      subject: file,
      found: found === undefined ? `${file} is not there` : `${file} is no file`,
      needed: `the single file of kata-sysext ${version}`,
      next: 'npm run single, which makes it below dist/single',
    });
  }
  const machine = machineOf(await readHead(file, 20, { follow: true }));
  if (machine === undefined) throw other(`${word} is no program (no ELF file)`, run);
  if (machine !== ownArchitecture()) {
    if (run) throw other(`${word} is for ${machine}, and this machine is ${ownArchitecture()}`, run);
    return;
  }
  const said = await promisify(execFile)(file, ['--version'], { timeout: 30_000, env: cleanEnvironment }).then(
    ({ stdout }) => stdout.trim().split('\n')[0]!,
    ({ code }: { code?: unknown }) => (!run && (code === 'EACCES' || code === 'ENOENT') ? version : 'nothing that says its version'),
  );
  if (said !== version) throw other(`${word} is ${said === '' ? 'nothing that says its version' : said.slice(0, 80)}`, run);
}

function other(found: string, run: boolean): KataError {
  return new KataError('usage', {
    subject: '--program',
    found,
    needed: `the single file of kata-sysext ${version}${run ? ' for this machine: it becomes part of the archive' : ''}`,
    next: 'npm run single, which makes it below dist/single',
  });
}
