interface Config {
  ignition?: { version?: string };
  storage?: { files?: File[] } & Record<string, unknown>;
  kernelArguments?: unknown;
  [key: string]: unknown;
}

interface File {
  path: string;
  mode?: number;
  append?: unknown[];
  contents?: { source?: string; httpHeaders?: unknown; compression?: string };
}

/** Bytes of all MachineConfigs of a pool as one (MaxMachineConfigSize, OCPBUGS-62619). */
const largest = 1_572_864;

/**
 * What the machine-config-operator of OpenShift 4.N refuses or cannot keep (the filters of Butane's openshift variants; facts of MCO's
 * reconcile.go). Those of 4.8 and 4.9 know no compression, none knows Ignition's specification 3.6.
 */
export function forbiddenForMachines(machineConfig: Record<string, unknown>, minor: number): string[] {
  const { config } = machineConfig['spec'] as { config: Config };
  const { storage = {} } = config;
  const bytes = Buffer.byteLength(JSON.stringify(machineConfig));
  const unkept = ['links', 'directories', 'disks', 'raid', 'filesystems', 'luks'].filter((key) => storage[key] !== undefined);
  const elsewhere = ['kernelArguments', 'passwd'].filter((key) => config[key] !== undefined);
  return [
    ...(bytes < largest ? [] : [`${bytes} bytes`]),
    ...(/^3\.[0-5]\./.test(config.ignition?.version ?? '') ? [] : ['ignition.version']),
    ...unkept.map((key) => `storage.${key}`),
    ...elsewhere,
    ...(storage.files ?? []).flatMap((file) => forbiddenOfFile(file, minor)),
  ];
}

function forbiddenOfFile({ path, mode = 0o644, append, contents }: File, minor: number): string[] {
  return [
    ...(contents?.source === undefined || contents.source.startsWith('data:') ? [] : [`${path}: contents.source is no data URL`]),
    ...(append === undefined ? [] : [`${path}: append`]),
    ...(contents?.httpHeaders === undefined ? [] : [`${path}: httpHeaders`]),
    ...(contents?.compression === 'gzip' && minor < 10 ? [`${path}: compression`] : []),
    ...((mode & ~0o777) === 0 ? [] : [`${path}: mode`]),
  ];
}
