import { resolve } from 'node:path';
import { KataError } from '../../errors/index.ts';
import { generate, type OutputKind, outputKinds, targetNamed } from '../../generate/index.ts';
import { digestOf } from '../../host/index.ts';
import { bytes } from '../../report/index.ts';
import { version } from '../../version.ts';
import { writeNew } from '../newFiles.ts';
import { list, text } from '../options.ts';
import { sourcesOf } from '../sources.ts';
import type { Call, Reply } from '../types.ts';

/** Options of `install` that the node's own installation gets as they stand here. */
const passed = ['handler', 'alias', 'backend', 'format', 'engine', 'set', 'profile'];

export async function run(call: Call): Promise<Reply> {
  const { words, options, io } = call;
  const kind = outputKind(words[0]!);
  const output = text(options['output']);
  if (output === undefined || output === '') throw missing('--output', 'where to write', '-o DIR');
  const named = text(options['target']);
  if (named === undefined) throw missing('--target', 'for which operating system', '--target fcos');
  const target = targetNamed(named);
  const kernelArguments = list(options['kernel-argument']);
  refuseUnfit(call, kind, kernelArguments, target);
  const { program, bundles } = await sourcesOf(call, words.slice(1), kind === 'containerfile');
  const installArguments = passed.flatMap((name) => {
    const value = options[name];
    return (Array.isArray(value) ? value : value === undefined ? [] : [String(value)]).flatMap((each) => [`--${name}`, each]);
  });
  const request = { target, program, bundles, installArguments, kernelArguments, version };
  const made = generate(kind, request, { role: text(options['pool']) ?? 'worker', policy: options['disruption-policy'] === true });
  const folder = resolve(io.cwd, output);
  await writeNew(folder, made);
  const sources = [program, ...bundles];
  const files = made.map((file) => ({ name: file.name, sizeBytes: Buffer.byteLength(file.text), digest: digestOf(file.text) }));
  return {
    kind: 'Files',
    body: { output: kind, target: target.name, folder, files, sources },
    text: [
      ...files.map(({ name, sizeBytes }) => `✓ ${folder}/${name} · ${bytes(sizeBytes)}`),
      kind === 'containerfile' ? 'Put beside them, unchanged:' : 'The nodes fetch, and take no other bytes:',
      ...sources.map(({ name, url, digest }) => `  ${url ?? name} · ${digest}`),
    ],
  };
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
