import { posix } from 'node:path';
import { KataError } from '../errors/index.ts';
import type { HostPath, HostView } from '../host/index.ts';

/** Where the machine-config-daemon notes what it has written to the node: the rendered MachineConfig of its pool. */
export const currentConfig: HostPath = '/etc/machine-config-daemon/currentconfig';

const unitsFolder = '/etc/systemd/system';

/** What the machine-config-operator keeps on this node as it is: an edit of any of it marks the node as degraded. */
export interface MachineConfig {
  /** Of the rendered one: 'rendered-worker-HASH'. */
  name: string;
  /** The pool that it is for, where its name says so. */
  pool?: string;
  /** Files and unit files, links in their parents resolved. */
  paths: Set<HostPath>;
  /** Packages of the operating system that it adds. */
  extensions: string[];
}

interface Written {
  metadata?: { name?: string };
  spec?: {
    extensions?: string[];
    config?: {
      storage?: { files?: { path?: string }[] };
      systemd?: { units?: { name?: string; contents?: string; dropins?: { name?: string }[] }[] };
    };
  };
}

/** undefined where no such daemon looks after the host. Throws `host-unknown` for a note that cannot be read: nothing is guessed from it. */
export async function machineConfigOf(host: HostView): Promise<MachineConfig | undefined> {
  const text = await host.readText(currentConfig);
  if (text === undefined) return undefined;
  const { metadata, spec } = parsed(text);
  const name = metadata?.name ?? 'without a name';
  const pool = /^rendered-(.+)-[0-9a-f]+$/.exec(name)?.[1];
  const files = (spec?.config?.storage?.files ?? []).map(({ path }) => path);
  const units = (spec?.config?.systemd?.units ?? []).flatMap(({ name: unit, contents, dropins = [] }) => [
    ...(unit === undefined || contents === undefined ? [] : [`${unitsFolder}/${unit}`]),
    ...dropins.map((dropin) => `${unitsFolder}/${unit}.d/${dropin.name}`),
  ]);
  const paths = await Promise.all([...files, ...units].filter((path) => path !== undefined).map((path) => placeOf(host, path)));
  return { name, ...(pool === undefined ? {} : { pool }), paths: new Set(paths), extensions: spec?.extensions ?? [] };
}

/** A path whose last part is not followed: what is compared is the name that somebody writes to. */
export async function placeOf(host: HostView, path: HostPath): Promise<HostPath> {
  return posix.join(await host.realpath(posix.dirname(path)), posix.basename(path));
}

function parsed(text: string): Written {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && 'spec' in value) return value as Written;
  } catch (error) {
    throw unreadable(error);
  }
  throw unreadable(undefined);
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
