import { isOfImage } from '../backends/registry.ts';
import { withProvenPlaces } from '../components/read.ts';
import { KataError } from '../errors/index.ts';
import { type MachineConfig, machineConfigOf, operatingSystem, placeOf } from '../facts/index.ts';
import { type Bringer, bringerIn, firstBootScript, firstBootUnit } from '../generate/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import { restoring } from '../planning/choices/restoring.ts';
import type { GenerationManifest } from '../store/index.ts';
import type { Step } from '../transaction/index.ts';

/** What a change wants to become, for the command that makes the MachineConfig of it. */
export type Wanted = Pick<GenerationManifest, 'handlers' | 'choices' | 'sources' | 'backend' | 'format'>;

/** The path that a step writes to. Folders do not count: no MachineConfig owns one. */
function pathOf(step: Step): HostPath[] {
  return 'path' in step && step.kind !== 'folder' && step.kind !== 'drop-folder' ? [step.path] : [];
}

/** Files of a MachineConfig are never changed here. Throws `owned-by-machineconfig`. */
export async function refuseOwned(host: HostView, steps: Step[], to: Wanted | undefined): Promise<void> {
  const paths = steps.flatMap(pathOf);
  const config = paths.length === 0 ? undefined : await machineConfigOf(host);
  if (config === undefined) return;
  for (const path of paths) if (config.paths.has(await placeOf(host, path))) throw await owned(host, path, config, to);
}

async function owned(host: HostView, path: HostPath, config: MachineConfig, to: Wanted | undefined): Promise<KataError> {
  const next = to === undefined ? undefined : await generating(host, config, to);
  const source = sourceCommand(path);
  return new KataError('owned-by-machineconfig', {
    subject: path,
    found: `${path} is written by a MachineConfig; it is part of ${config.name}, which this node has`,
    needed: 'a change of that MachineConfig: an edit on the node would mark it as degraded',
    next:
      next === undefined
        ? `take the file out of the MachineConfig that has it, whose name this tells: ${source}`
        : `change the file in the MachineConfig that has it, whose name this tells: ${source}; or take it out there, and let one bring the whole installation, to nodes that have Kata as to new ones: ${generatingText(next)}`,
    details: {
      path,
      machineConfig: config.name,
      pool: config.pool,
      generate: next?.command,
    },
  });
}

/** A node has only the sum of its MachineConfigs: the cluster tells which of them has the file. */
function sourceCommand(path: HostPath): string {
  return `oc get machineconfigs -o json | jq -r '.items[] | select(any(.spec.config.storage.files[]?; .path == "${path}")) | .metadata.name'`;
}

/** The MachineConfig that brought what runs at the first boot, by its own word; undefined where none has it. */
export async function bringerOf(host: HostView, { paths }: MachineConfig): Promise<Bringer | undefined> {
  if (![firstBootScript, `/etc/systemd/system/${firstBootUnit}`].some((path) => paths.has(path))) return undefined;
  return bringerIn((await host.readText(firstBootScript)) ?? '');
}

/** The command that makes the next MachineConfig, and notes for its user. */
interface Generating {
  command: string;
  notes: string[];
}

/**
 * The command that writes the MachineConfig of an installation, in the form that installs also where Kata is already. undefined where an OS
 * image has the installation: nothing that a node runs could bring that.
 */
export async function generating(host: HostView, config: MachineConfig, to: Wanted): Promise<Generating | undefined> {
  if (isOfImage(to.backend)) return undefined;
  const os = await operatingSystem(host);
  const minor = os.known ? os.value.openshift : undefined;
  const role = (await bringerOf(host, config))?.role ?? config.pool;
  const { line, findings } = restoring({ ...to, handlers: await withProvenPlaces(to.handlers) }, []);
  const command = [
    `kata-sysext generate machineconfig ${line} --target openshift-${minor ?? '4.N'}`,
    ...(role === undefined ? [] : [`--pool ${role}`]),
    '--form hook --program kata-sysext-linux-x64 --from ADDRESS -o DIR',
  ].join(' ');
  const notes = findings.map(({ next }) => `what only some handlers have is not in it; on new nodes then also: ${next}`);
  return { command, notes };
}

/** Both, as a message has them. */
export function generatingText({ command, notes }: Generating): string {
  return [command, ...notes].join('; ');
}
