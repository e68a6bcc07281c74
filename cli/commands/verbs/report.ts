import { open, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { commandWord, errnoOf, KataError } from '../../errors/index.ts';
import { makeReport, type Report } from '../../inspect/supportBundle/index.ts';
import { bytes } from '../../output/index.ts';
import { text } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function run({ context, options, io }: Call): Promise<Reply> {
  const output = text(options['output']);
  if (output === undefined || output === '') throw usage();
  const { host, program, signal } = context;
  const file = output === '-' ? undefined : resolve(io.cwd, output);
  // Made before the work, so that a wrong place is refused at once and no other program can put a file there meanwhile.
  const made = file === undefined ? undefined : await create(file);
  try {
    const report = await makeReport({ host, program, signal, verbose: options['verbose'] === true });
    await made?.writeFile(report.text);
    await made?.sync();
    return reply(report, file);
  } catch (error) {
    if (file !== undefined) await rm(file, { force: true });
    throw error;
  } finally {
    await made?.close();
  }
}

/** Never over an existing file, never through a link, readable by its owner only. */
async function create(file: string) {
  try {
    return await open(file, 'wx', 0o600);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EEXIST') throw refused(file, `${file} is there already`, `choose another name, or: rm ${commandWord(file)}`, error);
    if (errno !== undefined && ['ENOENT', 'ENOTDIR', 'EROFS', 'EACCES', 'EISDIR'].includes(errno))
      throw refused(
        file,
        `${file} cannot be made: ${errno}`,
        'name a file in a folder that can be written, such as /var/tmp/kata-sysext-report.md',
        error,
      );
    throw error;
  }
}

function refused(subject: string, found: string, next: string, cause: unknown): KataError {
  return new KataError('usage', { subject, found, needed: 'a file that is not there yet, in a folder that can be written', next, cause });
}

function usage(): KataError {
  return new KataError('usage', {
    subject: '--output',
    found: 'no output file is named',
    needed: '-o FILE, or -o - for standard output',
    next: 'kata-sysext report -o report.md',
  });
}

function reply({ text: whole, sections, redacted }: Report, file: string | undefined): Reply {
  const sizeBytes = Buffer.byteLength(whole);
  const incomplete = sections.filter(({ missing }) => missing !== undefined);
  const times = redacted.reduce((sum, each) => sum + each.times, 0);
  return {
    kind: 'Report',
    made: file !== undefined,
    body: {
      ...(file === undefined ? { text: whole } : { file }),
      sizeBytes,
      sections: sections.map(({ name, title, lines, missing }) => ({
        name,
        title,
        lines: lines.length,
        missing,
      })),
      redacted,
    },
    text:
      file === undefined
        ? [whole.trimEnd()]
        : [
            ...incomplete.map(({ title, missing }) => `! ${title}: ${missing}`),
            `✓ report: ${file} · ${bytes(sizeBytes)} · ${sections.length} sections · ${times} ${times === 1 ? 'replacement' : 'replacements'}, listed at its end`,
            'Read it before you send it: it is meant to hold no secrets, names or addresses, but only you know yours.',
          ],
  };
}
