import { resolve } from 'node:path';
import { isSea } from 'node:sea';
import { didYouMean, KataError } from '../../errors/index.ts';
import { type Architecture, ownArchitecture } from '../../facts/index.ts';
import { type Saved, saveBundle } from '../../operations/saveBundle.ts';
import { bytes, words as quoted } from '../../output/index.ts';
import { version } from '../../version.ts';
import { fetchingOf, sourcesOf } from '../parsing/addresses.ts';
import { withArtefacts } from '../parsing/artefacts.ts';
import { digestsFor, list, text } from '../parsing/options.ts';
import { signaturesFor } from '../parsing/signatures.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const [word = '', ...words] = call.words;
  const { options, io, context } = call;
  if (word !== 'save') throw usage(word, `bundle knows no “${word}”${didYouMean(word, ['save'])}`, 'bundle save');
  const output = text(options['output']);
  if (output === undefined || output === '') throw usage('--output', 'no output file is named', '-o FILE');
  const program = text(options['program']);
  const saved = await saveBundle(context.host, {
    ...(await withArtefacts(
      call,
      { sources: sourcesOf(words, io.cwd), digests: digestsFor('bundle', words, options) },
      async () => text(options['architecture']) ?? ownArchitecture(),
    )),
    signatures: await signaturesFor({ ...call, words }),
    handlers: list(options['handler']),
    architecture: text(options['architecture']) as Architecture | undefined,
    fetching: fetchingOf(call),
    program: program === undefined ? ownProgram(text(options['architecture'])) : resolve(io.cwd, program),
    version,
    file: resolve(io.cwd, output),
    emit: context.emit,
    signal: context.signal,
  });
  return { kind: 'SavedBundle', body: saved, made: true, text: lines(saved, output) };
}

/** The program that runs, where it is one file that the hosts can run. */
function ownProgram(architecture: string | undefined): string | undefined {
  return isSea() && (architecture ?? ownArchitecture()) === ownArchitecture() ? process.execPath : undefined;
}

function lines({ sizeBytes, digest, archives, program }: Saved, output: string): string[] {
  const install = `install ${quoted([output])}`;
  return [
    `${output}: ${bytes(sizeBytes)}`,
    `digest:   ${digest}`,
    ...archives.map((archive) => `archive:  ${archive.name}, ${bytes(archive.sizeBytes)}, ${archive.digest}`),
    ...(program === undefined ? [] : [`program:  ${bytes(program.sizeBytes)}, ${program.digest}`]),
    program === undefined
      ? `Next, on the host: kata-sysext ${install}`
      : `Next, on the host: tar -xf ${quoted([output])} ${program.name}; ./${program.name} ${install}`,
  ];
}

function usage(subject: string, found: string, needed: string): KataError {
  return new KataError('usage', { subject, found, needed, next: 'kata-sysext bundle --help' });
}
