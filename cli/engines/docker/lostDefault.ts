import { isJson, readJsonText } from '../../documents/jsonFile/index.ts';
import { type Finding, KataError } from '../../errors/index.ts';
import type { HostPath } from '../../host/types.ts';
import { handlerIsDefault } from '../common/complaints.ts';
import type { Instance } from '../types.ts';
import { defaultHandler, lostDefault } from './checks.ts';
import { facts } from './facts.ts';
import { isTable, runtimesKey, type Table } from './runtimes.ts';
import type { SeenFile } from './seen.ts';

type State = string | 'absent';

/** Throws `handler-is-default` where the planned text names a default handler that it removes: dockerd would not start. */
export function refuseLostDefault(instance: Instance, file: SeenFile, planned: State): void {
  const name = defaultLostIn(file, planned);
  if (name !== undefined) throw refusal(name, instance);
}

/**
 * The files without the text of kata-sysext. Nothing can be asked while the host boots (`starting`), and a Docker with a handler that starts
 * nothing is better than none: such a file stays then, with a finding. Else it throws `handler-is-default`.
 */
export function withoutText(
  instance: Instance,
  seen: readonly SeenFile[],
  starting: boolean,
): { after: Map<HostPath, State>; kept: Finding[] } {
  const kept: Finding[] = [];
  const after = new Map(
    seen.map((file): [HostPath, State] => {
      const name = defaultLostIn(file, file.bare);
      if (name === undefined) return [file.path, file.bare];
      const { code, complaint } = refusal(name, instance);
      if (!starting) throw new KataError(code, complaint);
      const found = `${complaint.found} The text of kata-sysext stays in ${file.path}, so that Docker starts.`;
      kept.push({ ...complaint, subject: name, code, level: 'warning', found });
      return [file.path, file.now!];
    }),
  );
  return { after, kept };
}

/** Names of handlers in a file as it is. */
export function handlersNow({ now = 'absent' }: SeenFile): string[] {
  const table = tableFrom(now)[runtimesKey];
  return isTable(table) ? Object.keys(table) : [];
}

function refusal(name: string, instance: Instance): KataError {
  return handlerIsDefault(name, { title: facts.title, defaultHandler }, instance);
}

function defaultLostIn({ now = 'absent' }: SeenFile, after: State): string | undefined {
  return lostDefault(tableFrom(now), tableFrom(after));
}

/** Empty for what is no JSON: a daemon does not start with it, whatever it names. */
function tableFrom(text: State): Table {
  const value = text === 'absent' || !isJson(text, '') ? undefined : readJsonText(text, '')?.value;
  return isTable(value) ? value : {};
}
