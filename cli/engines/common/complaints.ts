import { commandWord, type Finding, KataError } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Engine } from '../contract.ts';
import type { Instance } from '../types.ts';
import type { SeenMark } from './seen.ts';

export function foreignHandler(name: string, place: string): KataError {
  return new KataError('engine-foreign-handler', {
    subject: name,
    found: `${place} already defines a handler named ${name}, and not as kata-sysext would.`,
    needed: 'A handler name that is defined nowhere else.',
    next: `Remove the table of ${name} from ${place}, or use that installation as it is.`,
  });
}

export function presentHandler(name: string, path: HostPath): Finding {
  return {
    code: 'engine-foreign-handler',
    level: 'info',
    subject: name,
    found: `${path} already defines ${name} exactly as needed; it is left to its owner.`,
    needed: 'Nothing.',
    next: 'Nothing needs to be done.',
  };
}

/** The engine would not start, or serve no pod: the change removes the handler that its configuration names as the default one. */
export function handlerIsDefault(
  name: string,
  { title, defaultHandler }: Titled,
  { configPath, unit, effect, process }: Instance,
): KataError {
  const [verb, asked] = [effect?.by === 'reload' ? 'reload' : 'restart', effect?.by === 'restart' ? effect.unit : unit];
  const applied = asked === undefined || process === undefined ? '' : ` systemctl ${verb} ${asked};`;
  return new KataError('handler-is-default', {
    subject: name,
    found: `The configuration of ${title} (${configPath}) names ${name} as its default handler, and the change removes that handler.`,
    needed: 'Another default handler: without the one that it names, the engine does not start or serves no pod.',
    next: `Set ${defaultHandler.setting};${applied} then run the command again`,
  });
}

type Titled = Pick<Engine, 'title' | 'defaultHandler'>;

/** The finding foreign-edit as an error: kata-sysext has to replace its text, and that text is not as it was recorded. */
export function editedByOthers(findings: readonly Finding[]): KataError {
  const edited = findings.find(({ code }) => code === 'foreign-edit')!;
  return new KataError('foreign-edit', {
    subject: edited.subject,
    found: edited.found,
    needed: 'The text that kata-sysext wrote, because the change has to replace it.',
    next: `Move your own settings out of the text of kata-sysext in ${edited.subject}, or remove that text, then try again.`,
  });
}

/** Throws foreign-file when one of the paths that kata-sysext is to write has a file already, and that file was not recorded. */
export async function refuseForeignFiles(host: HostView, paths: readonly HostPath[], seen: readonly SeenMark[]): Promise<void> {
  for (const path of paths) {
    if (seen.some((one) => one.mark.path === path && one.state === 'intact') || !(await host.lstat(path))) continue;
    throw new KataError('foreign-file', {
      subject: path,
      found: `${path} is there already and was not recorded by kata-sysext.`,
      needed: 'No file of that name.',
      next: `Look at ${path} and remove or rename it.`,
    });
  }
}

/** Exit statuses of an engine's binary that judges files: taken, refused, and the panic of a Go program. Any other one is no judgement. */
export const verdicts = [0, 1, 2];

/** The engine's own binary was asked and refused a file or folder. `found` is what it said. */
export function refused(binary: HostPath, subject: HostPath, args: readonly string[], found: string): KataError {
  return new KataError('engine-config-invalid', {
    subject,
    found: `${binary} does not accept ${subject}: ${withoutValues(found)}`,
    needed: 'A configuration that the engine itself can load.',
    next: `Repair it until this works: ${[binary, ...args].map(commandWord).join(' ')}`,
    details: { refusedBy: binary },
  });
}

/** The search for the end of a quoted value takes the square of the length. */
const longestComplaint = 4096;

/** containerd 1.x quotes a value of the wrong type, which may be a password: (6, 3): Can't convert VALUE(string) to []string(slice). */
function withoutValues(found: string): string {
  return found.slice(0, longestComplaint).replace(/(Can't convert ).*(\([^()]*(?:\{\})?[^()]*\) to )/s, '$1a value$2');
}

/** Whether an error is the engine's own word; one that could not be asked, was killed, or whose files we cannot read ourselves said nothing. */
export function isRefused(error: unknown): boolean {
  return error instanceof KataError && (error.complaint.details?.['refusedBy'] !== undefined || isRefused(error.cause));
}

/** The engine's own binary refused copies of the planned files. Other errors pass through. */
export function rejected(instance: Instance, error: unknown): unknown {
  if (!(error instanceof KataError) || !isRefused(error)) return error;
  return new KataError('engine-rejects', {
    subject: instance.configPath,
    found: `${instance.engine} does not accept the planned configuration: ${error.complaint.found}`,
    needed: 'A configuration that the engine itself loads.',
    next: 'Nothing was changed. Run the command again with --json and send its output to the authors.',
    cause: error,
  });
}

/** The binary that judges. Throws host-unknown where it was not found. */
export function binaryOf(instance: Instance): HostPath {
  if (instance.binary) return instance.binary;
  throw new KataError('host-unknown', {
    subject: instance.engine,
    found: `The binary of ${instance.engine} was not found.`,
    needed: 'The binary, to ask it for its effective configuration.',
    next: `Start ${instance.engine} by its unit, then try again.`,
  });
}
