import { resolve } from 'node:path';
import { aliasWishes } from '../../changes/choosing/aliases.ts';
import type { InstallRequest } from '../../changes/types.ts';
import { KataError } from '../../errors/index.ts';
import { type Generated, generate, type OutputKind, outputKinds, type Source, targetNamed } from '../../generate/index.ts';
import { type Digest, digestOf } from '../../host/index.ts';
import { render } from '../../rendering/index.ts';
import { bytes } from '../../report/index.ts';
import { version } from '../../version.ts';
import { copyNew, writeNew } from '../newFiles.ts';
import { list, text } from '../options.ts';
import { kernelArgumentsOf, passedOptions } from '../passedOptions.ts';
import { needSingleFile } from '../programFile.ts';
import { digestTold, placeOf, sourcesOf } from '../sources.ts';
import type { Call, Reply } from '../types.ts';
import { wishesOf } from '../wishes.ts';

export async function run(call: Call): Promise<Reply> {
  const { words, options, io } = call;
  const kind = outputKind(words[0]!);
  const output = text(options['output']);
  if (output === undefined || output === '') throw missing('--output', 'where to write', '-o DIR');
  const named = text(options['target']);
  if (named === undefined) throw missing('--target', 'for which operating system', '--target fcos');
  const target = targetNamed(named);
  const kernelArguments = kernelArgumentsOf(call, kind === 'machineconfig');
  refuseUnfit(call, kind, kernelArguments, target);
  const common = { target, kernelArguments, version };
  const pool = { role: text(options['pool']) ?? 'worker', policy: options['disruption-policy'] === true };
  const folder = resolve(io.cwd, output);
  if (options['form'] === 'rendered') {
    refuseFormRendered(call, kind);
    const engineConfig = text(options['engine-config']);
    const programFile = await guardProgram(call);
    const rendering = {
      target,
      install: installRequest(call, words.slice(1)),
      epoch: epochOf(io.env),
      ...(engineConfig === undefined ? {} : { engineConfig: resolve(io.cwd, engineConfig) }),
      ...(programFile === undefined ? {} : { programFile }),
    };
    return await render(call.context, rendering, async (made) => {
      const { name, digest, file } = made.archive;
      const archive = { name, digest, url: placeOf(text(options['from']), name) };
      const files = generate(kind, { ...common, ...made, form: 'rendered', archive }, pool);
      await writeNew(folder, files);
      await copyNew(folder, { name, file, digest });
      return reply(kind, target.name, folder, [...files.map(asMade), { name, sizeBytes: made.archive.sizeBytes, digest }], [archive]);
    });
  }
  const baked = options['form'] === 'baked';
  if (baked) refuseFormBaked(call, kind);
  else if (options['backend'] === 'baked')
    throw unfitBackend('baked', '--form hook', '--form baked: a node that runs has its image already');
  if (options['engine-config'] !== undefined) throw unfitEngineConfig(baked ? 'baked' : 'hook');
  const installArguments = passedOptions(call, baked ? ['backend'] : []);
  const { program, bundles } = await sourcesOf(call, words.slice(1), kind === 'containerfile');
  if (baked) refuseLines(installArguments);
  const files = generate(kind, { ...common, form: baked ? 'baked' : 'hook', program, bundles, installArguments }, pool);
  await writeNew(folder, files);
  return reply(kind, target.name, folder, files.map(asMade), [program, ...bundles]);
}

interface Made {
  name: string;
  sizeBytes: number;
  digest: Digest;
}

function asMade(file: Generated): Made {
  return { name: file.name, sizeBytes: Buffer.byteLength(file.text), digest: digestOf(file.text) };
}

function reply(kind: OutputKind, target: string, folder: string, files: Made[], sources: Source[]): Reply {
  return {
    kind: 'Files',
    body: { output: kind, target, folder, files, sources },
    text: [
      ...files.map(({ name, sizeBytes }) => `✓ ${folder}/${name} · ${bytes(sizeBytes)}`),
      kind === 'containerfile' ? 'Put beside them, unchanged:' : 'The nodes fetch, and take no other bytes:',
      ...sources.map(({ name, url, digest }) => `  ${url ?? name} · ${digest}`),
    ],
  };
}

/** What the form *rendered* installs here, onto a tree like the node's. */
function installRequest(call: Call, words: string[]): InstallRequest {
  const { options, io } = call;
  const engine = text(options['engine']);
  return {
    dryRun: false,
    waitSeconds: 0,
    allow: [],
    ...(engine === undefined ? {} : { engine }),
    sources: words.map((word) => resolve(io.cwd, word)),
    digests: list(options['digest']).map(digestTold),
    handlers: list(options['handler']),
    aliases: aliasWishes(list(options['alias'])),
    backend: 'prefix',
    wishes: wishesOf(call),
  };
}

function refuseFormRendered({ options }: Call, kind: OutputKind): void {
  const refused = (found: string, needed: string) =>
    new KataError('usage', { subject: '--form', found, needed, next: 'kata-sysext generate --help' });
  if (kind === 'containerfile')
    throw refused('--form rendered with containerfile', '--form hook or --form baked: an image has program and release inside');
  const useless = ['program-digest', 'format'].find((name) => options[name] !== undefined);
  if (useless !== undefined) throw refused(`--${useless} with --form rendered`, 'nothing of the kind: nodes fetch one archive');
  if (!['prefix', 'auto', undefined].includes(text(options['backend'])))
    throw refused(`--backend ${text(options['backend'])}`, '--backend prefix');
}

/** The single file whose copy guards the later boots of the nodes. Records name the version that made them: it has to be this one. */
async function guardProgram({ options, io }: Call): Promise<string | undefined> {
  const word = text(options['program']);
  if (word === undefined) return undefined;
  const file = resolve(io.cwd, word);
  await needSingleFile(word, file, { run: true });
  return file;
}

function unfitEngineConfig(form: 'baked' | 'hook'): KataError {
  return new KataError('usage', {
    subject: '--engine-config',
    found: `--engine-config with --form ${form}`,
    needed: '--form rendered: otherwise the engine’s own file is looked at where Kata is installed',
    next: 'kata-sysext generate --help',
  });
}

function refuseFormBaked({ options }: Call, kind: OutputKind): void {
  if (kind !== 'containerfile') {
    const needed = 'containerfile: only an image that is built can have Kata in it';
    throw new KataError('usage', { subject: '--form', found: `--form baked with ${kind}`, needed, next: 'kata-sysext generate --help' });
  }
  const backend = text(options['backend']);
  if (!['baked', undefined].includes(backend)) throw unfitBackend(backend!, '--form baked', '--backend baked, or none');
  if (options['format'] !== undefined && options['format'] !== 'directory') {
    const [found, needed] = [
      `--format ${text(options['format'])} with --form baked`,
      'no --format: the image of the OS has the files as they are',
    ];
    throw new KataError('usage', { subject: '--format', found, needed, next: 'kata-sysext generate --help' });
  }
}

/** A line of a Containerfile ends where it ends, also within quotes. */
function refuseLines(words: string[]): void {
  const broken = words.find((word) => /[\r\n]/.test(word));
  if (broken === undefined) return;
  const found = `${JSON.stringify(broken)}, which has more than one line`;
  throw new KataError('usage', { subject: 'containerfile', found, needed: 'values of one line', next: 'kata-sysext generate --help' });
}

function unfitBackend(backend: string, form: string, needed: string): KataError {
  return new KataError('usage', {
    subject: '--backend',
    found: `--backend ${backend} with ${form}`,
    needed,
    next: 'kata-sysext generate --help',
  });
}

/** The time that records of an archive say: the same bytes at every time (reproducible-builds.org, SOURCE_DATE_EPOCH). */
function epochOf(env: Call['io']['env']): number {
  const told = env['SOURCE_DATE_EPOCH'] ?? '0';
  if (/^\d{1,11}$/.test(told)) return Number(told);
  throw new KataError('usage', {
    subject: 'SOURCE_DATE_EPOCH',
    found: `SOURCE_DATE_EPOCH=${told}`,
    needed: 'seconds since 1970',
    next: 'unset SOURCE_DATE_EPOCH',
  });
}

function outputKind(word: string): OutputKind {
  const kind = outputKinds.find((each) => each === word);
  if (kind !== undefined) return kind;
  throw new KataError('usage', {
    subject: word,
    found: `generate does not make “${word}”`,
    needed: `one of ${outputKinds.join(', ')}`,
    next: 'kata-sysext generate --help',
  });
}

/** Wishes that this kind of output, or this operating system, has no place for. */
function refuseUnfit({ options }: Call, kind: OutputKind, kernelArguments: string[], target: ReturnType<typeof targetNamed>): void {
  const refused = (subject: string, found: string, needed: string) =>
    new KataError('usage', { subject, found, needed, next: 'kata-sysext generate --help' });
  if (kind === 'machineconfig' && !target.openshift)
    throw refused('--target', `a MachineConfig for ${target.name}`, '--target openshift-4.N: only OpenShift has them');
  const onlyMachineConfig = ['pool', 'disruption-policy'].find((name) => options[name] !== undefined && options[name] !== false);
  if (
    onlyMachineConfig !== undefined &&
    kind !== 'machineconfig' &&
    !(kind === 'butane' && onlyMachineConfig === 'pool' && target.openshift)
  )
    throw refused(`--${onlyMachineConfig}`, `--${onlyMachineConfig} with ${kind} for ${target.name}`, 'machineconfig');
  if (!/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/.test(text(options['pool']) ?? 'worker'))
    throw refused('--pool', `--pool ${text(options['pool'])}`, 'a name of small letters, digits and dashes');
  if (kernelArguments.length === 0) return;
  if (kind === 'containerfile')
    throw refused('--kernel-argument', '--kernel-argument with containerfile', 'a file in /usr/lib/bootc/kargs.d of your image');
  if (kind === 'ignition' && target.openshift)
    throw refused(
      '--kernel-argument',
      '--kernel-argument with ignition for OpenShift',
      'machineconfig or butane: the operator has a field of its own',
    );
  if (!target.kernelArguments)
    throw refused('--kernel-argument', `--kernel-argument for ${target.name}`, 'a system whose first-boot configuration takes them');
}

function missing(subject: string, what: string, needed: string): KataError {
  return new KataError('usage', { subject, found: `generate does not say ${what}`, needed, next: 'kata-sysext generate --help' });
}
