import { resolve } from 'node:path';
import { imageBackend } from '../../backends/registry.ts';
import { didYouMean, KataError } from '../../errors/index.ts';
import { generate, type OutputKind, outputKinds, targetNamed } from '../../generate/index.ts';
import { stopIfAsked } from '../../host/index.ts';
import { version } from '../../version.ts';
import { backendFor } from '../generating/imageSource.ts';
import { writeNew } from '../generating/newFiles.ts';
import { kernelArgumentsOf, passedOptions } from '../generating/passedOptions.ts';
import { generateRendered } from '../generating/rendered.ts';
import { asMade, reply } from '../generating/reply.ts';
import { sourcesOf } from '../generating/sources.ts';
import { text } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

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
  if (options['form'] === 'rendered') return generateRendered(call, kind, { ...common, pool, folder });
  const baked = options['form'] === 'baked';
  if (baked) refuseFormBaked(call, kind);
  else if (options['backend'] === imageBackend)
    throw unfitBackend(imageBackend, '--form hook', '--form baked: a node that runs has its image already');
  if (options['engine-config'] !== undefined) throw unfitEngineConfig(baked ? 'baked' : 'hook');
  const backend = await backendFor(call, words.slice(1), baked);
  const installing = backend === undefined ? call : { ...call, options: { ...options, backend } };
  const installArguments = passedOptions(installing, baked ? ['backend'] : []);
  const { program, bundles } = await sourcesOf(call, words.slice(1), kind === 'containerfile');
  if (baked) refuseLines(installArguments);
  const files = generate(kind, { ...common, form: baked ? 'baked' : 'hook', program, bundles, installArguments }, pool);
  stopIfAsked(call.context.signal);
  await writeNew(folder, files);
  return reply(kind, target.name, folder, files.map(asMade), [program, ...bundles]);
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
  if (![imageBackend, undefined].includes(backend)) throw unfitBackend(backend!, '--form baked', '--backend baked, or none');
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

function outputKind(word: string): OutputKind {
  const kind = outputKinds.find((each) => each === word);
  if (kind !== undefined) return kind;
  throw new KataError('usage', {
    subject: word,
    found: `generate does not make “${word}”${didYouMean(word, outputKinds)}`,
    needed: `one of ${outputKinds.join(', ')}`,
    next: 'kata-sysext generate --help',
  });
}

/** Settings that this kind of output, or this operating system, has no place for. */
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
