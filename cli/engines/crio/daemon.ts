import { type Daemon, flagOf, pathOf, readDaemon } from '../../facts/processes.ts';
import type { HostPath, HostView } from '../../host/types.ts';

export const usualConfig = '/etc/crio/crio.conf';
export const usualFolder = '/etc/crio/crio.conf.d';
/** An empty `--config` means that there is no main file: this one is there and says nothing. */
export const noConfig = '/dev/null';

/** The flags of a CRI-O process, or their environment variables (criocli.go: a flag wins over its variable, both win over every file). */
export interface Flags {
  daemon: Daemon;
  configPath: HostPath;
  configFolder: HostPath;
  /** undefined: the files decide. */
  socket: HostPath | undefined;
  /** Names of the handlers that are defined by flags. */
  runtimes: string[];
}

/** undefined when the process is gone. */
export async function readFlags(host: HostView, pid: number): Promise<Flags | undefined> {
  const daemon = await readDaemon(host, pid);
  if (!daemon) return undefined;
  const environment = ((await host.readText(`/proc/${pid}/environ`)) ?? '').split('\0');
  const value = (names: string[], variable: string): string | undefined =>
    flagOf(daemon.args, names) ?? environment.find((entry) => entry.startsWith(`${variable}=`))?.slice(variable.length + 1);
  const config = value(['config', 'c'], 'CONTAINER_CONFIG') ?? usualConfig;
  const folder = value(['config-dir', 'd'], 'CONTAINER_CONFIG_DIR');
  const listen = value(['listen'], 'CONTAINER_LISTEN');
  return {
    daemon,
    configPath: config === '' ? noConfig : pathOf(daemon, config),
    configFolder: folder === undefined || folder === '' ? usualFolder : pathOf(daemon, folder),
    socket: listen === undefined || listen === '' ? undefined : pathOf(daemon, listen),
    runtimes: [...flagValues(daemon.args, 'runtimes'), value([], 'CONTAINER_RUNTIMES') ?? '']
      .flatMap((list) => list.split(','))
      .map((runtime) => runtime.split(':')[0]!)
      .filter((name) => name !== ''),
  };
}

/** All values of a flag that may be given several times. */
function flagValues(args: readonly string[], name: string): string[] {
  return args.flatMap((arg, index) => {
    if (arg === `--${name}` || arg === `-${name}`) return args[index + 1] ?? [];
    const [flag, ...rest] = arg.split('=');
    return rest.length > 0 && [`--${name}`, `-${name}`].includes(flag!) ? rest.join('=') : [];
  });
}
