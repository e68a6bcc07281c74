interface Config {
  storage?: { files?: File[] } & Record<string, unknown>;
  kernelArguments?: unknown;
  [key: string]: unknown;
}

interface File {
  path: string;
  mode?: number;
  append?: unknown[];
  contents?: { source?: string; httpHeaders?: unknown };
}

/** What the machine-config-operator refuses or cannot keep (the filters of Butane's openshift variants; facts of MCO's reconcile.go). */
export function forbiddenForMachines(machineConfig: Record<string, unknown>): string[] {
  const { config } = machineConfig['spec'] as { config: Config };
  const { storage = {} } = config;
  const unkept = ['links', 'directories', 'disks', 'raid', 'filesystems', 'luks'].filter((key) => storage[key] !== undefined);
  const elsewhere = ['kernelArguments', 'passwd'].filter((key) => config[key] !== undefined);
  return [...unkept.map((key) => `storage.${key}`), ...elsewhere, ...(storage.files ?? []).flatMap(forbiddenOfFile)];
}

function forbiddenOfFile({ path, mode = 0o644, append, contents }: File): string[] {
  return [
    ...(contents?.source === undefined || contents.source.startsWith('data:') ? [] : [`${path}: contents.source is no data URL`]),
    ...(append === undefined ? [] : [`${path}: append`]),
    ...(contents?.httpHeaders === undefined ? [] : [`${path}: httpHeaders`]),
    ...((mode & ~0o777) === 0 ? [] : [`${path}: mode`]),
  ];
}
