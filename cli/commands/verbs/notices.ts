import { lstat, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { commandWord, KataError } from '../../errors/index.ts';
import { digestOfFile } from '../../host/index.ts';
import { activeSbom } from '../../inspect/sbom.ts';
import { archiveNotices } from '../../operations/archiveNotices.ts';
import { bytes } from '../../output/index.ts';
import type { Context } from '../../runner/types.ts';
import { licencePlace, noticeFiles, sbomPlace } from '../../sbom/index.ts';
import { extensionName } from '../../store/paths.ts';
import { asMade, writeNew } from '../generating/newFiles.ts';
import { text } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

/** Of the active payload, or of archives that are named. */
export async function run({ words, options, io, context }: Call): Promise<Reply> {
  const output = text(options['output']);
  if (output === undefined || output === '') throw usage();
  const folder = resolve(io.cwd, output);
  const sources = words.map((word) => resolve(io.cwd, word));
  const files =
    sources.length === 0
      ? await noticeFiles(await activeSbom(context.host, context.program, context.signal))
      : await filesOfArchives(sources, context);
  const folders = new Set(files.map(({ path }) => dirname(path)));
  for (const below of folders) await refuseLinks(folder, below);
  for (const below of folders) {
    const own = files.filter(({ path }) => dirname(path) === below);
    await writeNew(
      join(folder, below),
      own.map((file) => ({ name: file.path.slice(below.length + 1), text: file.text })),
    );
  }
  const made = files.map((file) => asMade({ name: file.path, text: file.text }));
  return {
    kind: 'Notices',
    made: true,
    body: { folder, files: made },
    text: made.map(({ name, sizeBytes }) => `✓ ${join(folder, name)} · ${bytes(sizeBytes)}`),
  };
}

/** At the places that those of a payload have. */
async function filesOfArchives(sources: string[], { program, emit, signal }: Context): Promise<{ path: string; text: string }[]> {
  const archives = await Promise.all(
    sources.map(async (path) => {
      const seen = await stat(path).catch(() => undefined);
      if (seen?.isFile() !== true) throw missing(path);
      return { name: basename(path), digest: await digestOfFile(path), sizeBytes: seen.size };
    }),
  );
  const notices = await archiveNotices({ sources, archives, version: program, spdx: '2.2', emit, signal });
  return notices.map(({ name, text: content }) => ({
    path: name.endsWith('.spdx.json') ? sbomPlace(extensionName) : `${licencePlace(extensionName)}/${name}`,
    text: content,
  }));
}

function missing(path: string): KataError {
  return new KataError('bundle-missing', {
    subject: path,
    found: `${path} is no file of this machine`,
    needed: 'an archive of a release',
    next: `ls -l ${commandWord(path)}`,
  });
}

/** A link below the root could lead out of it. Throws `usage`. */
async function refuseLinks(folder: string, below: string): Promise<void> {
  let at = folder;
  for (const name of below.split('/')) {
    at = join(at, name);
    const stat = await lstat(at).catch(() => undefined);
    if (stat === undefined) return;
    if (stat.isDirectory()) continue;
    throw new KataError('usage', {
      subject: at,
      found: `${at} is no folder`,
      needed: 'folders, and no links, below the root that -o names',
      next: `ls -ld ${commandWord(at)}; or choose another folder with -o`,
    });
  }
}

function usage(): KataError {
  return new KataError('usage', {
    subject: '--output',
    found: 'no folder is named',
    needed: '-o DIR: the root below which usr/share gets the files',
    next: 'kata-sysext notices -o /',
  });
}
