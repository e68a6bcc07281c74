import { posix } from 'node:path';
import { nullish } from 'valibot';
import { parseJson } from '../documents/index.ts';
import { listOf, misfitOf, plainName, type Shape, tableOf, text, writtenPath } from '../documents/shapes.ts';
import { KataError } from '../errors/index.ts';
import type { HostPath, HostView } from '../host/index.ts';

/** Where the machine-config-daemon notes what it has written to the node: the rendered MachineConfig of its pool. */
const currentConfig: HostPath = '/etc/machine-config-daemon/currentconfig';

const unitsFolder = '/etc/systemd/system';

/** What the machine-config-operator keeps on this node as it is: an edit of any of it marks the node as degraded. */
export interface MachineConfig {
  /** Of the rendered one: 'rendered-worker-HASH'. */
  name: string;
  /** The pool that it is for, where its name says so. */
  pool?: string | undefined;
  /** Files and unit files, links in their parents resolved. */
  paths: Set<HostPath>;
  /** Packages of the operating system that it adds. */
  extensions: string[];
}

/** null and absent are the same: the daemon writes both. */
type Maybe<T> = T | null | undefined;

interface Written {
  metadata?: Maybe<{ name?: Maybe<string> }>;
  spec: {
    extensions?: Maybe<string[]>;
    config?: Maybe<{
      storage?: Maybe<{ files?: Maybe<{ path: string }[]> }>;
      systemd?: Maybe<{ units?: Maybe<{ name: string; contents?: Maybe<string>; dropins?: Maybe<{ name: string }[]> }[]> }>;
    }>;
  };
}

const units = listOf(tableOf({ name: plainName, contents: nullish(text), dropins: nullish(listOf(tableOf({ name: plainName }))) }));

const writtenShape: Shape<unknown> = tableOf({
  metadata: nullish(tableOf({ name: nullish(text) })),
  spec: tableOf({
    extensions: nullish(listOf(text)),
    config: nullish(
      tableOf({
        storage: nullish(tableOf({ files: nullish(listOf(tableOf({ path: writtenPath }))) })),
        systemd: nullish(tableOf({ units: nullish(units) })),
      }),
    ),
  }),
});

/** undefined where no such daemon looks after the host. Throws `host-unknown` for a note that cannot be read: nothing is guessed from it. */
export async function machineConfigOf(host: HostView): Promise<MachineConfig | undefined> {
  const text = await host.readText(currentConfig);
  if (text === undefined) return undefined;
  const { metadata, spec } = parsed(text);
  const name = metadata?.name ?? 'without a name';
  const pool = /^rendered-(.+)-[0-9a-f]+$/.exec(name)?.[1];
  const files = (spec.config?.storage?.files ?? []).map(({ path }) => path);
  const ofUnits = (spec.config?.systemd?.units ?? []).flatMap(({ name: unit, contents, dropins }) => [
    ...(typeof contents === 'string' ? [`${unitsFolder}/${unit}`] : []),
    ...(dropins ?? []).map((dropin) => `${unitsFolder}/${unit}.d/${dropin.name}`),
  ]);
  const paths = await Promise.all([...files, ...ofUnits].map((path) => placeOf(host, path)));
  return { name, pool, paths: new Set(paths), extensions: spec.extensions ?? [] };
}

/** A path whose last part is not followed: the comparison needs the name that a program writes to. */
export async function placeOf(host: HostView, path: HostPath): Promise<HostPath> {
  return posix.join(await host.realpath(posix.dirname(path)), posix.basename(path));
}

function parsed(text: string): Written {
  try {
    const value = parseJson(text);
    const misfit = misfitOf(writtenShape, value);
    if (misfit === undefined) return value as Written;
    throw new Error(misfit);
  } catch (error) {
    throw unreadable(error);
  }
}

function unreadable(cause: unknown): KataError {
  return new KataError('host-unknown', {
    subject: currentConfig,
    found: `${currentConfig} is there and is no MachineConfig that can be read`,
    needed: 'to know which files of this node belong to a MachineConfig',
    next: `look at it: head -c 300 ${currentConfig}; journalctl -u machine-config-daemon-firstboot`,
    cause,
  });
}
