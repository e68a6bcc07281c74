import { type Finding, KataError } from '../../errors/index.ts';
import type { HostView } from '../../host/types.ts';
import { unsupported } from '../common/unsupported.ts';
import { parseVersion } from '../common/version.ts';
import { newPlugins, oldPlugin } from '../containerd/schema.ts';
import type { Instance } from '../types.ts';
import { versionOnFile } from './detect.ts';
import { cache, folder, wiringFile } from './facts.ts';
import { invalid, mentions } from './nodeConfig.ts';
import type { Source, Sources } from './sources.ts';

/** In which schema the handlers have to be, and what to report of it. */
export interface Chosen {
  schema: 2 | 3;
  findings: Finding[];
}

/**
 * nodeadm takes its template of schema 3 for containerd 2 where the merged text names a plugin of schema 3, or where there is no text; else
 * its template of schema 2, whose result containerd migrates (docs/facts/nodeadm.md#the-schema-of-the-rendered-file). So the handlers' plugin
 * ids decide for the user's settings as well: where the schemas differ, nodeadm drops those settings without a word, or the handlers. With
 * containerd 1 a plugin of schema 3 makes nodeadm fail.
 *
 * @param recorded the schema of the handlers as they are now
 */
export async function chooseSchema(host: HostView, instance: Instance, sources: Sources, recorded: 2 | 3 | undefined): Promise<Chosen> {
  const said = [...sources.folder, ...(sources.user === undefined ? [] : [sources.user])].filter(({ config }) => config !== '');
  const [newer, older] = [said.find(says(newPlugins)), said.find(says([oldPlugin]))];
  if ((await majorVersion(host, instance)) < 2) {
    // There no user data needs another schema than the handlers.
    if (newer === undefined) return { schema: 2, findings: [] };
    throw newer.path === cache
      ? unfitUserData()
      : invalid(newer.path, 'it has plugins of schema 3, with which nodeadm stops where containerd is 1.x');
  }
  const schema =
    newer !== undefined ? 3 : older !== undefined ? 2 : schemaOfOthers(said, sources.user?.hadOurs === true ? recorded : undefined);
  const lost = newer !== undefined && older !== undefined ? [dropped(older)] : [];
  return { schema, findings: [...(sources.user === undefined ? [unknownUserData(host, schema)] : []), ...lost] };
}

/** Of settings without any plugin. Where nodeadm has merged them with the handlers, they may have had an empty table of a plugin. */
function schemaOfOthers(said: readonly Source[], recorded: 2 | 3 | undefined): 2 | 3 {
  return said.every(({ value }) => Object.keys(value).length === 0) ? 3 : (recorded ?? 2);
}

function says(plugins: readonly string[]): (source: Source) => boolean {
  return ({ value }) => mentions(value, plugins);
}

async function majorVersion(host: HostView, instance: Instance): Promise<number> {
  const version = parseVersion((await versionOnFile(host)) ?? instance.version);
  if (version !== undefined) return version.major;
  throw unsupported(
    instance.configPath,
    'The version of containerd is not known: neither its program nor /etc/eks/containerd-version.txt tells it.',
    'The version: nodeadm takes other plugin ids for containerd 1.x than for 2.x.',
    'Name it: --engine nodeadm@VERSION.',
  );
}

function unfitUserData(): KataError {
  return new KataError('engine-config-invalid', {
    subject: cache,
    found: `The user data of this node (${cache}) names plugins of schema 3 (${newPlugins.join(', ')}): nodeadm stops with them where containerd is 1.x.`,
    needed: `User data with plugins of schema 2 (${oldPlugin}), or containerd 2.x.`,
    next: 'Change spec.containerd.config in the user data of the nodes, and start the node again.',
  });
}

function unknownUserData(host: HostView, schema: 2 | 3): Finding {
  const [other, effect] =
    schema === 3
      ? [`plugins of schema 2 (${oldPlugin})`, 'beside handlers of schema 3 nodeadm drops those settings']
      : [
          `plugins of schema 3 (${newPlugins.join(', ')})`,
          'with those nodeadm drops handlers of schema 2, which the files of the folder need',
        ];
  return {
    code: 'engine-user-data',
    level: 'warning',
    subject: folder,
    found: host.booted
      ? `${cache} does not tell what the user data of this node says of containerd`
      : 'what the user data of the nodes says of containerd is not known in a tree',
    needed: `user data that does not name ${other}: ${effect}`,
    next: 'nothing: at each boot the boot guard writes the handlers as the user data needs them, before nodeadm renders',
  };
}

function dropped({ path }: Source): Finding {
  return {
    code: 'engine-config-mixed',
    level: 'warning',
    subject: path,
    found: `${path} names plugins of schema 2 (${oldPlugin}), and there are plugins of schema 3 beside it: nodeadm drops the former`,
    needed: 'plugins of one schema in all NodeConfigs',
    next: `move the settings of ${oldPlugin} to ${newPlugins.join(' and ')}, or remove ${wiringFile === path ? 'them' : 'the others'}`,
  };
}
