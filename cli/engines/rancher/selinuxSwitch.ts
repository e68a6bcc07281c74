import { parseDocument } from '../../documents/toml/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { type FilesView, filesView, type Overlay } from '../common/filesView.ts';
import { cannotTurnOn, setsLabels } from '../common/selinuxSwitch.ts';
import { startOfUnit } from '../common/unitFiles.ts';
import type { Instance, SwitchFile } from '../types.ts';
import { containerd } from './containerd.ts';
import type { Distribution } from './types.ts';

const maxFiles = 100;
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
  const path = `${of.settings}/config.yaml.d/zz-kata-sysext-selinux.yaml`;
  const flag = /\s["']?--selinux(?:=(?<value>[\w.]+))?["']?(?=\s|$)/.exec(
    (await startOfUnit(host, instance.unit ?? of.facts.units[0]!)) ?? '',
  );
  const flagged = flag === null ? undefined : !/^(?:false|f|0)$/i.test(flag.groups?.['value'] ?? '');
  if (flagged === false) throw refusal(of, instance, 'the command of its unit has --selinux=false, which wins over its settings');
  const view = filesView(host, files);
  if (flagged === true || (await lastSaying(of, view))?.value === true) return [];
  // The environment can have the switch as well: what was rendered from it tells.
  const rendered = (await host.lstat(path)) === undefined ? await view.read(instance.configPath) : undefined;
  if (rendered !== undefined && setsLabels(containerd, parseDocument(rendered.text, instance.configPath).value)) return [];
  const last = await lastSaying(of, filesView(host, new Map([...files, [path, text]])));
  if (last?.value === true) return [{ mark: { path, kind: 'file', text }, after: text, mode }];
  throw refusal(of, instance, `${last?.path ?? of.settings} says otherwise, and is read after ${path}`);
}

/** In the order in which the program reads them. */
async function lastSaying(of: Distribution, view: FilesView): Promise<{ path: HostPath; value: unknown } | undefined> {
  const folder = `${of.settings}/config.yaml.d`;
  const names = (await view.list(folder)).filter((name) => /\.ya?ml$/i.test(name)).slice(0, maxFiles);
  const paths = [`${of.settings}/config.yaml`, ...names.map((name) => `${folder}/${name}`)];
  const said: { path: HostPath; value: unknown }[] = [];
  for (const path of paths) said.push({ path, value: await switchIn((await view.read(path))?.text ?? '') });
  return said.findLast(({ value }) => value !== undefined);
}

/** undefined where the file has no such key, or is none that can be read: then the program does not read it either. */
async function switchIn(yaml: string): Promise<unknown> {
  const { parseYaml } = await import('../../facts/yaml.ts');
  try {
    const value = parseYaml(yaml);
    const said = value instanceof Map ? value.get('selinux') : undefined;
    return said === undefined || said === null ? undefined : /^true$/i.test(String(said));
  } catch {
    return undefined;
  }
}

function refusal({ facts, settings }: Distribution, instance: Instance, why: string): Error {
  return cannotTurnOn(facts.title, instance, why, `selinux: true in ${settings}/config.yaml`);
}
