import { isPlaceholder, placeAt } from '../../documents/index.ts';
import { parseJson } from '../../documents/json.ts';
import { isTable, parseDocument, type TomlTable } from '../../documents/toml/index.ts';
import { commandWord, KataError } from '../../errors/index.ts';
import type { HostPath } from '../../host/types.ts';

const group = 'node.eks.aws';
const ownVersion = `${group}/v1alpha1`;
/** Those that nodeadm has: that of users, and that of its own cache. */
const versions = [ownVersion, `${group}/__internal`];
const indent = ' '.repeat(6);

/** What a NodeConfig says of containerd. */
export interface NodeConfig {
  /** TOML; empty where it says nothing. */
  config: string;
  value: TomlTable;
  /** It says nothing else. */
  alone: boolean;
  /** Where it has a place of a template that no program has filled in. */
  placeholder: string | undefined;
}

/**
 * The file of kata-sysext: these lines of TOML in a NodeConfig. A literal block keeps each line as it is, so that no line has to be quoted for YAML. The
 * comment is outside of the block: nodeadm looks for the names of plugins in the whole text of TOML, comments included.
 */
export function nodeConfigText(lines: readonly string[]): string {
  const head = [
    '# Written by kata-sysext and recorded by its exact text; "kata-sysext uninstall" removes it.',
    '---',
    `apiVersion: ${ownVersion}`,
    'kind: NodeConfig',
    'spec:',
    '  containerd:',
    '    config: |',
  ];
  return [...head, ...lines.map((line) => (line === '' ? '' : indent + line))].map((line) => `${line}\n`).join('');
}

/** Reads a NodeConfig in YAML or JSON. Throws engine-config-invalid for what keeps nodeadm from starting the node, and for what kata-sysext cannot read. */
export async function readNodeConfig(text: string, path: HostPath): Promise<NodeConfig> {
  const document = await documentIn(text, path);
  const at = (keys: string[]): unknown =>
    keys.reduce<unknown>((value, key) => (value instanceof Map ? value.get(key) : undefined), document);
  const [version, kind] = [at(['apiVersion']), at(['kind'])];
  if (!versions.includes(String(version)) || kind !== 'NodeConfig') throw invalid(path, `it is no NodeConfig of ${ownVersion}`);
  if (hasOddKey(document)) throw invalid(path, 'it has a key that is no text, as {{ … }} of a template makes one');
  for (const keys of [['spec'], ['spec', 'containerd']]) {
    const table = at(keys) ?? new Map();
    if (!(table instanceof Map)) throw invalid(path, `${keys.join('.')} is no table`);
  }
  const config = at(['spec', 'containerd', 'config']) ?? '';
  if (typeof config !== 'string') throw invalid(path, 'spec.containerd.config is no text');
  const keysOf = (keys: string[]) => ((value) => (value instanceof Map ? [...value.keys()] : []))(at(keys));
  const alone =
    keysOf([]).every((key) => ['apiVersion', 'kind', 'spec'].includes(String(key))) &&
    keysOf(['spec']).every((key) => key === 'containerd') &&
    keysOf(['spec', 'containerd']).every((key) => key === 'config');
  const placeholder = hasPlaceholder(document) ? placeAt(text, text.search(/\{\{|\{%|<%/)) : undefined;
  return { config, value: readToml(config, path), alone, placeholder };
}

function hasPlaceholder(value: unknown): boolean {
  if (typeof value === 'string') return isPlaceholder(value);
  if (Array.isArray(value)) return value.some(hasPlaceholder);
  return value instanceof Map && [...value].some(([key, inner]) => hasPlaceholder(key) || hasPlaceholder(inner));
}

/** nodeadm reads it as JSON, whose keys are texts. */
function hasOddKey(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasOddKey);
  if (!(value instanceof Map)) return false;
  return [...value].some(([key, inner]) => typeof key === 'object' || hasOddKey(inner));
}

/** Places in a refusal count in the text of TOML, whatever the document around it does to its lines. */
function readToml(config: string, path: HostPath): TomlTable {
  try {
    return parseDocument(config, path).value;
  } catch (error) {
    if (!(error instanceof KataError)) throw error;
    const found = error.complaint.found.replace(path, () => `spec.containerd.config of ${path}`);
    throw new KataError(error.code, { ...error.complaint, found, cause: error });
  }
}

/** Whether a text of TOML, once nodeadm has merged it, names one of these plugins anywhere: as a key or in a text. */
export function mentions(value: unknown, plugins: readonly string[]): boolean {
  if (typeof value === 'string') return plugins.some((plugin) => value.includes(plugin));
  if (Array.isArray(value)) return value.some((each) => mentions(each, plugins));
  return isTable(value) && Object.entries(value).some(([key, inner]) => mentions(key, plugins) || mentions(inner, plugins));
}

export function invalid(path: HostPath, what: string): KataError {
  return new KataError('engine-config-invalid', {
    subject: path,
    found: `nodeadm cannot take ${path}: ${what}.`,
    needed: 'NodeConfigs that nodeadm can read: one that it cannot keeps the node from joining its cluster.',
    next: `Repair ${path}, or rename it so that its name does not end in .yaml, .yml or .json.`,
  });
}

/**
 * What a file of the folder is, in YAML or JSON, with aliases and merge keys in full as nodeadm reads them. nodeadm takes some files that
 * kata-sysext does not: large ones, MIME, and what parsers read differently. Throws engine-config-invalid for those, and for what is neither.
 */
async function documentIn(text: string, path: HostPath): Promise<unknown> {
  const [head] = text.split(/\r?\n\r?\n/, 1);
  if (/^(?:MIME-Version|Content-Type):/im.test(head!)) throw unread(path, 'it is a MIME document');
  const { parseYaml } = await import('../../facts/yaml.ts');
  try {
    // What begins like JSON has to be JSON: nodeadm tries nothing else.
    if (text.trimStart().startsWith('{')) parseJson(text, { maxBytes: 1 << 20 });
    else if (hasControl(text)) throw new Error('it has a control character');
    return parseYaml(text, { aliases: true });
  } catch (error) {
    throw unread(path, error instanceof Error ? error.message : String(error));
  }
}

/** Which YAML of nodeadm does not take. */
function hasControl(text: string): boolean {
  return [...text].some((char) => (char < ' ' && !'\t\n\r'.includes(char)) || char === '\x7f');
}

function unread(path: HostPath, what: string): KataError {
  return new KataError('engine-config-invalid', {
    subject: path,
    found: `kata-sysext cannot read ${path}: ${what}.`,
    needed:
      'NodeConfigs in plain YAML or JSON: the handlers have to fit what all of them say, and one that nodeadm cannot read keeps the node from joining its cluster.',
    next: `See what nodeadm makes of it (nodeadm config dump --config-source ${commandWord(`file://${path}`)}) and write it in plainer YAML, or rename it so that its name does not end in .yaml, .yml or .json.`,
  });
}
