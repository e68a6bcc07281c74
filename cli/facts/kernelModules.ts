import type { HostPath, HostView } from '../host/index.ts';

/** What a kernel brings of modules: the texts of its modules.dep and its modules.builtin. */
export interface ModuleLists {
  modules: string;
  builtin: string;
}

/** What the host has of one module. */
export interface ModuleState {
  /** In the running kernel; 'unknown' of a tree that is not booted. */
  now: 'built in' | 'loaded' | 'loadable' | 'absent' | 'unknown';
  /** In the kernel of the next boot; 'unknown' where the tree has no kernel. */
  atBoot: 'built in' | 'as a module' | 'absent' | 'unknown';
  /** What keeps it from being loaded at a boot: a file of modprobe.d, or the kernel's command line. */
  keptOut?: string | undefined;
  /** The folder of the running kernel's modules is not there: an update took it away, or a container does not see it. */
  lost?: HostPath | undefined;
}

const modprobeFolders = ['/etc/modprobe.d', '/run/modprobe.d', '/usr/local/lib/modprobe.d', '/usr/lib/modprobe.d', '/lib/modprobe.d'];
/** A host keeps a few kernels. */
const maxKernels = 16;

/** The lists of each kernel below /usr/lib/modules; with `running` those of the running kernel alone. */
export async function moduleLists(host: HostView, running: boolean): Promise<ModuleLists[]> {
  const kernel = running ? await runningKernel(host) : undefined;
  const names = kernel === undefined ? (await host.readdir('/usr/lib/modules')).slice(0, maxKernels) : [kernel];
  const lists = await Promise.all(names.map((name) => listsIn(host, name)));
  return lists.filter((each) => each !== undefined);
}

/** Whether one of these texts names the module. Its file may have `-` where the kernel says `_`. */
export function namesModule(text: string, name: string): boolean {
  return new RegExp(`/${inFiles(name)}\\.ko(\\.\\w+)?(:|$)`, 'm').test(text);
}

/**
 * What keeps a module from being loaded, by modprobe.d(5): a file of the same name in an earlier folder hides the later one. undefined: nothing
 * does. A module that is built in is not concerned.
 */
export async function keptOutBy(host: HostView, name: string, booted: boolean): Promise<string | undefined> {
  const seen = new Set<string>();
  const module = inFiles(name);
  const line = new RegExp(`^[ \\t]*(blacklist[ \\t]+${module}|install[ \\t]+${module}[ \\t]+\\S*/(false|true)\\b.*)[ \\t]*$`, 'm');
  for (const folder of modprobeFolders) {
    for (const file of (await host.readdir(folder)).filter((each) => each.endsWith('.conf') && !seen.has(each))) {
      seen.add(file);
      if (line.test((await host.readText(`${folder}/${file}`).catch(() => undefined)) ?? '')) return `${folder}/${file}`;
    }
  }
  const words = booted ? ((await host.readText('/proc/cmdline')) ?? '') : '';
  return new RegExp(`\\b(modprobe\\.|module_)blacklist=(\\S*,)?${module}(,|\\s|$)`).test(words) ? 'the kernel’s command line' : undefined;
}

/**
 * What the host has of a module. `device`: the file in /dev that is there with it. It counts only where the kernel has no list of its modules:
 * elsewhere systemd makes such files before the module is loaded (`kmod static-nodes`), and built-in modules are listed.
 */
export async function moduleState(host: HostView, name: string, device?: HostPath): Promise<ModuleState> {
  const own = host.booted ? await moduleLists(host, true) : [];
  const kernels = own.length > 0 ? own : await moduleLists(host, false);
  const keptOut = await keptOutBy(host, name, host.booted);
  const state = { now: await stateNow(host, name, own, device), atBoot: stateAtBoot(host, name, kernels) };
  const lost = host.booted && own.length === 0 ? `/usr/lib/modules/${(await runningKernel(host)) ?? ''}` : undefined;
  return { ...state, keptOut, lost };
}

/** Whether the running kernel has the module: loaded, or built in. */
export async function isModuleThere(host: HostView, name: string): Promise<boolean> {
  const { now } = await moduleState(host, name);
  return now === 'built in' || now === 'loaded';
}

async function stateNow(host: HostView, name: string, own: ModuleLists[], device: HostPath | undefined): Promise<ModuleState['now']> {
  if (!host.booted) return 'unknown';
  if (own.some(({ builtin }) => namesModule(builtin, name))) return 'built in';
  // A built-in module without parameters has no folder there, and the file is not there in a kernel that takes no modules.
  if ((await host.lstat(`/sys/module/${name}`)) !== undefined) return 'loaded';
  if (new RegExp(`^${name} `, 'm').test((await host.readText('/proc/modules')) ?? '')) return 'loaded';
  if (own.some(({ modules }) => namesModule(modules, name))) return 'loadable';
  return own.length === 0 && device !== undefined && (await host.lstat(device)) !== undefined ? 'built in' : 'absent';
}

function stateAtBoot(host: HostView, name: string, kernels: ModuleLists[]): ModuleState['atBoot'] {
  if (kernels.length === 0) return host.booted ? 'absent' : 'unknown';
  if (kernels.every(({ builtin }) => namesModule(builtin, name))) return 'built in';
  return kernels.some(({ modules }) => namesModule(modules, name)) ? 'as a module' : 'absent';
}

async function runningKernel(host: HostView): Promise<string | undefined> {
  const name = (await host.readText('/proc/sys/kernel/osrelease'))?.trim();
  return name === undefined || !/^[\w.+~-]+$/.test(name) || name.startsWith('.') ? undefined : name;
}

async function listsIn(host: HostView, kernel: string): Promise<ModuleLists | undefined> {
  const folder = `/usr/lib/modules/${kernel}`;
  const read = (file: string) => host.readText(`${folder}/${file}`).catch(() => undefined);
  const [modules, builtin] = [await read('modules.dep'), await read('modules.builtin')];
  return modules === undefined && builtin === undefined ? undefined : { modules: modules ?? '', builtin: builtin ?? '' };
}

function inFiles(name: string): string {
  return name.replaceAll('_', '[-_]');
}
