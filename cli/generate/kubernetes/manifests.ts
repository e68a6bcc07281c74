import { KataError } from '../../errors/index.ts';
import { parseYaml } from '../../facts/yaml.ts';
import { version } from '../../version.ts';
import { chartFiles } from './chart.ts';
import { isRefusal } from './template/functions.ts';
import { renderTemplates } from './template/render.ts';
import { asValue, isTable, plainOf, type Table, type Value } from './template/values.ts';

/** An object of the API server. */
export interface ApiObject {
  kind: string;
  name: string;
  /** The whole of it. */
  object: Record<string, unknown>;
}

/** What Helm runs before it deletes a release, and what it prints: plain manifests have neither. */
const onlyHelm = ['templates/uninstall-hook.yaml', 'templates/NOTES.txt'];

/** Kinds that others need come first, as Helm sorts them; nodes begin last. */
const lastKinds = ['RuntimeClass', 'DaemonSet'];
const firstKinds = ['Namespace', 'PriorityClass', 'ServiceAccount'];

/** The objects that the chart makes of whole values, without a cluster: as `helm template --no-hooks`. Throws `usage` where the chart refuses. */
export function renderObjects(values: Table): ApiObject[] {
  const sources = chartFiles().filter(({ name }) => name.startsWith('templates/') && !onlyHelm.includes(name));
  const root = new Map<string, Value>([
    ['Values', values],
    ['Release', asValue({ Name: 'kata-sysext', Namespace: '', Service: 'kata-sysext', IsInstall: true, IsUpgrade: false })],
    ['Chart', asValue({ Name: 'kata-sysext', Version: version, AppVersion: version })],
  ]);
  const files = rendered(Object.fromEntries(sources.map(({ name, text }) => [name, text])), root);
  // No value brings a line of its own: all of them are JSON.
  const objects = Object.values(files).flatMap((text) => text.split(/^---$/m).flatMap(objectOf));
  return objects.sort((a, b) => rank(a) - rank(b));
}

function rendered(sources: Record<string, string>, root: Table): Record<string, string> {
  try {
    return renderTemplates(sources, root);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const needed = 'values that the chart takes';
    throw new KataError('usage', { subject: 'kubernetes', found: error.refusal, needed, next: 'kata-sysext generate --help' });
  }
}

function objectOf(text: string): ApiObject[] {
  const value = asValue(parseYaml(text));
  if (value === undefined) return [];
  const metadata = isTable(value) ? value.get('metadata') : undefined;
  const [kind, name] = isTable(value) && isTable(metadata) ? [value.get('kind'), metadata.get('name')] : [];
  if (typeof kind !== 'string' || typeof name !== 'string') throw new Error('the chart renders something that is no object');
  return [{ kind, name, object: plainOf(value) as Record<string, unknown> }];
}

function rank({ kind }: ApiObject): number {
  if (firstKinds.includes(kind)) return firstKinds.indexOf(kind);
  return firstKinds.length + 1 + lastKinds.indexOf(kind);
}
