import { basename, resolve } from 'node:path';
import { imageBackend, imagingBackend as imaging } from '../../backends/registry.ts';
import { isAddress } from '../../download/address.ts';
import { engineNamed, engines } from '../../engines/index.ts';
import { didYouMean, type KataError } from '../../errors/index.ts';
import { filesOf, generate, type OutputKind, outputKinds, targetNamed } from '../../generate/index.ts';
import { stopIfAsked } from '../../host/index.ts';
import { handlerRow } from '../../layout/index.ts';
import { profileNamed } from '../../layout/settings/index.ts';
import { namesOfWords } from '../../planning/choices/componentWords.ts';
import { givenImage } from '../../planning/choices/givenImage.ts';
import { version } from '../../version.ts';
import { asMade, reply, writeNew } from '../generating/newFiles.ts';
import { generateRendered } from '../generating/rendered.ts';
import { sourcesOf, usage } from '../generating/sources.ts';
import { enginesOf, list, text } from '../parsing/options.ts';
import { settingsRequestOf } from '../parsing/settingsRequest.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const { words, options, io } = call;
  const output = text(options['output']);
  if (words[0] === 'kubernetes' && output !== undefined && output !== '') {
    const { generateForCluster } = await import('../generating/kubernetes.ts');
    return generateForCluster(call, resolve(io.cwd, output));
  }
  const kind = outputKind(words[0]!);
  if (output === undefined || output === '') throw missing('--output', 'where to write', '-o DIR');
  refuseForCluster(call, kind);
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
  if (options['engine-config'] !== undefined)
    throw usage(
      '--engine-config',
      `--engine-config with --form ${baked ? 'baked' : 'hook'}`,
      '--form rendered: otherwise the engine’s own file is looked at where Kata is installed',
    );
  const backend = await backendFor(call, words.slice(1), baked);
  const installing = backend === undefined ? call : { ...call, options: { ...options, backend } };
  const installArguments = passedOptions(installing, kind, baked ? ['backend'] : []);
  const { program, bundles, components } = await sourcesOf(call, words.slice(1), kind === 'containerfile');
  if (baked) refuseLines(installArguments);
  const files = generate(kind, { ...common, form: baked ? 'baked' : 'hook', program, bundles, components, installArguments }, pool);
  stopIfAsked(call.context.signal);
  await writeNew(folder, files);
  return reply(kind, target.name, folder, files.map(asMade), [program, ...bundles, ...filesOf(components)]);
}

function refuseFormBaked({ options }: Call, kind: OutputKind): void {
  if (kind !== 'containerfile')
    throw usage('--form', `--form baked with ${kind}`, 'containerfile: only an image that is built can have Kata in it');
  const backend = text(options['backend']);
  if (![imageBackend, undefined].includes(backend)) throw unfitBackend(backend!, '--form baked', '--backend baked, or none');
  const format = text(options['format']);
  if (format !== undefined && format !== 'directory')
    throw usage('--format', `--format ${format} with --form baked`, 'no --format: the image of the OS has the files as they are');
}

/** A line of a Containerfile ends where it ends, also within quotes. */
function refuseLines(words: string[]): void {
  const broken = words.find((word) => /[\r\n]/.test(word));
  if (broken === undefined) return;
  throw usage('containerfile', `${JSON.stringify(broken)}, which has more than one line`, 'values of one line');
}

function unfitBackend(backend: string, form: string, needed: string): KataError {
  return usage('--backend', `--backend ${backend} with ${form}`, needed);
}

/** What only a cluster has a place for. */
function refuseForCluster({ options, words }: Call, kind: OutputKind): void {
  const form = text(options['form']) ?? 'hook';
  if (!['hook', 'rendered', 'baked'].includes(form)) throw usage('--form', `--form ${form} with ${kind}`, 'hook, rendered or baked');
  const odd = ['values', 'image'].find((name) => options[name] !== undefined);
  if (odd !== undefined) throw usage(`--${odd}`, `--${odd} with ${kind}`, 'kubernetes');
  if (words.length < 2) throw usage('generate', `generate ${kind} without a bundle`, `generate ${kind} BUNDLE...`);
}

function outputKind(word: string): OutputKind {
  const kind = outputKinds.find((each) => each === word);
  if (kind !== undefined) return kind;
  if (word === 'kubernetes') throw missing('--output', 'where to write', '-o DIR');
  const known = [...outputKinds, 'kubernetes'];
  throw usage(word, `generate does not make “${word}”${didYouMean(word, known)}`, `one of ${known.join(', ')}`);
}

/** Settings that this kind of output, or this operating system, has no place for. */
function refuseUnfit({ options }: Call, kind: OutputKind, kernelArguments: string[], target: ReturnType<typeof targetNamed>): void {
  if (kind === 'machineconfig' && !target.openshift)
    throw usage('--target', `a MachineConfig for ${target.name}`, '--target openshift-4.N or okd-4.N: only these have them');
  const onlyMachineConfig = ['pool', 'disruption-policy'].find((name) => options[name] !== undefined && options[name] !== false);
  if (
    onlyMachineConfig !== undefined &&
    kind !== 'machineconfig' &&
    !(kind === 'butane' && onlyMachineConfig === 'pool' && target.openshift)
  )
    throw usage(`--${onlyMachineConfig}`, `--${onlyMachineConfig} with ${kind} for ${target.name}`, 'machineconfig');
  if (!/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/.test(text(options['pool']) ?? 'worker'))
    throw usage('--pool', `--pool ${text(options['pool'])}`, 'a name of small letters, digits and dashes');
  if (kernelArguments.length === 0) return;
  if (kind === 'containerfile')
    throw usage('--kernel-argument', '--kernel-argument with containerfile', 'a file in /usr/lib/bootc/kargs.d of your image');
  if (kind === 'ignition' && target.openshift)
    throw usage(
      '--kernel-argument',
      '--kernel-argument with ignition for OpenShift',
      'machineconfig or butane: the operator has a field of its own',
    );
  if (!target.kernelArguments)
    throw usage('--kernel-argument', `--kernel-argument for ${target.name}`, 'a system whose first-boot configuration takes them');
}

function missing(subject: string, what: string, needed: string): KataError {
  return usage(subject, `generate does not say ${what}`, needed);
}

/** Options of `install` that the node's own installation gets as they are here. */
const passed = ['handler', 'alias', 'backend', 'format', 'engine', 'set', 'profile'];

/**
 * The arguments of the node's own `install`. What no release and no node could make right is refused here, where the user reads it: on the
 * node it would be a failure at every boot. Throws `usage`, `handler-unknown`, `profile-unknown`.
 */
function passedOptions(call: Call, kind: OutputKind, leftOut: string[]): string[] {
  const { options } = call;
  for (const name of list(options['handler'])) handlerRow(name);
  namesOfWords(list(options['alias']), list(options['component']), (path) => path);
  for (const name of settingsRequestOf(call).profiles ?? []) profileNamed(name);
  for (const engine of enginesOf(options['engine'])) refuseEngine(engine, kind);
  return passed
    .filter((name) => !leftOut.includes(name))
    .flatMap((name) => {
      const value = options[name];
      return (Array.isArray(value) ? value : value === undefined ? [] : [String(value)]).flatMap((each) => [`--${name}`, each]);
    });
}

/** An image is built on any base. */
function refuseEngine(name: string, kind: OutputKind): void {
  const engine = engineNamed(name.split('@')[0]!);
  if (engine?.offline.kind === 'none' && engine.offline.noTarget === true && kind !== 'containerfile')
    throw usage('--engine', `--engine ${name} with ${kind}: ${engine.offline.found}`, engine.offline.needed);
  if (engine !== undefined) return;
  const known = engines().map((engine) => engine.name);
  throw usage('--engine', `--engine ${name}`, `one of ${known.join(', ')}`);
}

/**
 * Arguments of the kernel, one each: Ignition compares them as words, and refuses a whole configuration that has one twice. Throws `usage`.
 *
 * @param twice a MachineConfig takes one that is there twice
 */
function kernelArgumentsOf({ options }: Call, twice: boolean): string[] {
  const all = list(options['kernel-argument']);
  const wrong = (found: string, needed: string) => usage('--kernel-argument', found, needed);
  const odd = all.find((each) => !/^(?:[!#-~]|"[ !#-~]*")+$/.test(each));
  if (odd !== undefined)
    throw wrong(`--kernel-argument ${JSON.stringify(odd)}`, 'one argument each: ASCII, and blanks only between double quotes');
  const again = all.find((each, index) => all.indexOf(each) !== index);
  if (again !== undefined && !twice)
    throw wrong(
      `--kernel-argument ${again} twice`,
      'each argument once: Ignition refuses a configuration with one that is there twice, and the node would not boot',
    );
  return all;
}

/**
 * The backend that the nodes' own installation gets: where an image is named, the one that has images, as the form *rendered* does it. Left
 * to `auto`, a node that takes the backend prefix would end with wrong usage at every boot. The file behind an address is not read here, so
 * an address that is called like an image needs a word. Throws `usage`.
 */
async function backendFor({ options, io }: Call, words: string[], baked: boolean): Promise<string | undefined> {
  const backend = text(options['backend']);
  const format = text(options['format']);
  const files = words.filter((word) => !isAddress(word)).map((word) => resolve(io.cwd, word));
  const given = await givenImage({ sources: files, format });
  const bundle = 'the bundle that the image was made of';
  if (given === undefined) {
    const called = words.find((word) => isAddress(word) && /\.raw$/i.test(word));
    if (called !== undefined && (backend ?? 'auto') === 'auto' && !baked) throw imageUnknown(called);
    return backend;
  }
  const name = basename(given.file);
  if (words.length > 1) throw usage(name, `the image ${name} together with ${words.length - 1} more`, 'one image, or bundles');
  if (list(options['component']).length > 0)
    throw usage(
      name,
      `the image ${name} with --component`,
      'an image that has it: kata-sysext build BUNDLE... --component KIND=FILE --alias NAME -o FILE',
    );
  if (baked) throw usage(name, `the image ${name} with --form baked`, `${bundle}: an image of the OS has its files as they are`);
  if (![imaging, 'auto', undefined].includes(backend))
    throw usage(name, `the image ${name} with --backend ${backend}`, `no --backend, or ${bundle}`);
  return imaging;
}

function imageUnknown(word: string): KataError {
  return usage(
    word,
    `${word} is called like an image, and whether it is one is not known here`,
    `the backend: a node that takes another one than ${imaging} by itself would refuse an image at every boot`,
    `if it is an image, name it as well: --backend ${imaging}`,
  );
}
