import { type TomlTable, valueAt } from '../../documents/toml/index.ts';
import type { Finding } from '../../errors/index.ts';
import type { HostPath } from '../../host/types.ts';
import { atLeast, type Version } from '../common/version.ts';
import type { ConfigSet } from './loader.ts';
import { newPlugin } from './schema.ts';

interface RemovedKey {
  key: readonly string[];
  /** What takes its place; a file that has it as well loses nothing. */
  next: readonly string[] | undefined;
  /** Whether its value says something else than what holds without it. */
  counts(value: unknown): boolean;
  becomes: string;
}

/** Keys of the CRI that 2.4 has no more: in files of schemas 3 and 4 it leaves them out with a warning in its log, those of schema 2 are moved. */
const removedKeys: readonly RemovedKey[] = [
  {
    key: ['cni', 'bin_dir'],
    next: ['cni', 'bin_dirs'],
    counts: (value) => value !== '' && value !== '/opt/cni/bin',
    becomes: 'it looks for CNI plugins in /opt/cni/bin alone',
  },
  { key: ['enable_cdi'], next: undefined, counts: (value) => value === false, becomes: 'CDI is on' },
];

/** What the node's own files say that its containerd does not read any more. They stay as they are: it has nothing to do with the handlers. */
export function removedKeyFindings({ files, schema }: ConfigSet, version: Version | undefined): Finding[] {
  const counting = files.filter((file) => (file.schema ?? schema ?? 0) >= 3);
  return removedKeysIn(
    counting.map(({ path, doc }) => ({ path, value: doc.value })),
    version,
  );
}

interface Settings {
  path: HostPath;
  value: TomlTable;
}

/** The same of texts of schema 3 or later that another program makes the files from. */
export function removedKeysIn(texts: readonly Settings[], version: Version | undefined): Finding[] {
  if (version === undefined || !atLeast(version, 2, 4)) return [];
  return texts.flatMap((text) => removedKeys.flatMap((each) => findingOf(text, each)));
}

function findingOf({ path, value: settings }: Settings, { key, next, counts, becomes }: RemovedKey): Finding[] {
  const at = (inner: readonly string[]) => valueAt(settings, ['plugins', newPlugin, ...inner]);
  const value = at(key);
  if (value === undefined || !counts(value) || (next !== undefined && at(next) !== undefined)) return [];
  return [
    {
      code: 'engine-key-removed',
      level: 'warning',
      subject: path,
      found: `${path} has ${key.join('.')} in plugins."${newPlugin}", which containerd 2.4 does not read: ${becomes}.`,
      needed: 'Keys that the installed containerd reads; kata-sysext leaves this one as it is.',
      next: next === undefined ? `Take ${key.join('.')} out of ${path}.` : `Write it as a list in ${next.join('.')}, in ${path}.`,
    },
  ];
}
