import { parseDocument } from '../../documents/toml/index.ts';
import type { HostView } from '../../host/types.ts';
import { filesView, type Overlay } from '../common/filesView.ts';
import { cannotTurnOn, setsLabels } from '../common/selinuxSwitch.ts';
import type { Instance, SwitchFile } from '../types.ts';
import { containerd } from './containerd.ts';
import { lastWritten, startOf } from './start.ts';
import type { Distribution } from './types.ts';

const mode = 0o600;

const text = `# Written by kata-sysext and recorded by its exact text; "kata-sysext uninstall" removes it.
# SELinux labels of all pods, turned on by kata-sysext (--allow engine-selinux).
selinux: true
`;

/**
 * See `Engine.selinux.turnOn`: the program's own switch, from which its template takes the key of containerd. A file of its settings folder,
 * which sorts last; of one key the last file's value counts, and a flag of the command wins over all of them (docs/facts/rancher.md#settings).
 */
export async function turnOnRancher(of: Distribution, host: HostView, instance: Instance, files: Overlay): Promise<SwitchFile[]> {
  const start = await startOf(host, of, instance.unit ?? of.facts.units[0]!);
  const flag = start.args.map((arg) => /^--?selinux(?:=(?<value>.*))?$/.exec(arg)).findLast((match) => match !== null);
  const flagged = flag === undefined ? undefined : isTrue(flag?.groups?.['value'] ?? 'true');
  if (flagged === false) throw refusal(of, instance, 'the command of its unit has --selinux=false, which wins over its settings');
  const view = filesView(host, files);
  const written = (await lastWritten(view, start, ['selinux']))?.value ?? start.variable('SELINUX');
  if (flagged === true || isTrue(written)) return [];
  if (start.config === undefined) throw refusal(of, instance, 'its settings are read from a web address');
  const path = `${start.config}.d/zz-kata-sysext-selinux.yaml`;
  // The environment of another place can have the switch as well: what was rendered from it tells.
  const rendered = (await host.lstat(path)) === undefined ? await view.read(instance.configPath) : undefined;
  if (rendered !== undefined && setsLabels(containerd, parseDocument(rendered.text, instance.configPath).value)) return [];
  const last = await lastWritten(filesView(host, new Map([...files, [path, text]])), start, ['selinux']);
  if (isTrue(last?.value)) return [{ mark: { path, kind: 'file', text }, after: text, mode }];
  throw refusal(of, instance, `${last?.path ?? of.settings} says otherwise, and is read after ${path}`);
}

/** As Go reads it. */
function isTrue(value: unknown): boolean {
  return /^(?:true|t|1)$/i.test(String(value));
}

function refusal({ facts, settings }: Distribution, instance: Instance, why: string): Error {
  return cannotTurnOn(facts.title, instance, why, `selinux: true in ${settings}/config.yaml`);
}
