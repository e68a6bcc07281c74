import { KataError } from '../../errors/index.ts';
import { type MachineConfig, machineConfigOf, operatingSystem, placeOf } from '../../facts/index.ts';
import { firstBootScript, firstBootUnit, metadata } from '../../generate/index.ts';
import type { HostPath, HostView } from '../../host/index.ts';
import { aliasesOf, type GenerationManifest } from '../../store/index.ts';
import type { Step } from '../../transaction/index.ts';
import { words } from '../carrying/command.ts';

/** What a change wants to become, for the command that makes the MachineConfig of it. */
export type Wanted = Pick<GenerationManifest, 'handlers' | 'choices' | 'sources'>;

/** Steps that write to a path by its name. */
function pathOf(step: Step): HostPath[] {
  return step.kind === 'file' || step.kind === 'pointer' || step.kind === 'mount' ? [step.path] : [];
}

/** Files of a MachineConfig are never changed here. Throws `owned-by-machineconfig`. */
export async function refuseOwned(host: HostView, steps: Step[], to: Wanted | undefined): Promise<void> {
  const paths = steps.flatMap(pathOf);
  const config = paths.length === 0 ? undefined : await machineConfigOf(host);
  if (config === undefined) return;
  for (const path of paths) if (config.paths.has(await placeOf(host, path))) throw await owned(host, path, config, to);
}

async function owned(host: HostView, path: HostPath, config: MachineConfig, to: Wanted | undefined): Promise<KataError> {
  const command = to === undefined ? undefined : await generateCommand(host, config, to);
  const source = sourceCommand(path);
  return new KataError('owned-by-machineconfig', {
    subject: path,
    found: `${path} is written by a MachineConfig; it is part of ${config.name}, which this node has`,
    needed: 'a change of that MachineConfig: an edit on the node would mark it as degraded',
    next:
      command === undefined
        ? `take the file out of the MachineConfig that has it, whose name this tells: ${source}`
        : `change the file in the MachineConfig that has it, whose name this tells: ${source}; or let one bring the whole installation: ${command}`,
    details: {
      path,
      machineConfig: config.name,
      ...(config.pool === undefined ? {} : { pool: config.pool }),
      ...(command === undefined ? {} : { generate: command }),
    },
  });
}

/** A node has only the sum of its MachineConfigs: the cluster tells which of them has the file. */
export function sourceCommand(path: HostPath): string {
  return `oc get machineconfigs -o json | jq -r '.items[] | select(any(.spec.config.storage.files[]?; .path == "${path}")) | .metadata.name'`;
}

/** The command that writes the MachineConfig of an installation, whose name follows from its pool. */
export async function generateCommand(host: HostView, { pool }: Pick<MachineConfig, 'pool'>, to: Wanted): Promise<string> {
  const os = await operatingSystem(host);
  const minor = os.known ? os.value.openshift : undefined;
  return [
    'kata-sysext generate machineconfig',
    words(to.sources.map(({ name }) => name)),
    `--target openshift-${minor ?? '4.N'}`,
    ...to.handlers.map(({ name }) => `--handler ${name}`),
    ...aliasesOf(to).map(({ name, handler }) => `--alias ${name}=${handler}`),
    ...(pool === undefined ? [] : [`--pool ${pool}`]),
    '--form rendered --engine crio@VERSION --from ADDRESS -o DIR',
  ].join(' ');
}

/** The MachineConfig that `generate` made, where it owns what runs at the first boot. */
export function ownName(config: MachineConfig): string | undefined {
  const ours = [firstBootScript, `/etc/systemd/system/${firstBootUnit}`].some((path) => config.paths.has(path));
  return ours && config.pool !== undefined ? metadata(config.pool).name : undefined;
}
