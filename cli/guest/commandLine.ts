import { KataError } from '../errors/index.ts';
import { type HypervisorRow, hypervisorRow, hypervisorTable, type MachineRow } from './tables.ts';
import type { Accelerator, GuestCommand, GuestConfiguration } from './types.ts';

/** MiB. Enough for an initrd of Kata's size to unpack, and little beside what runs on a node. */
const memory = 512;

/** A value for each `{name}`; undefined: there is none; a list: the group is wanted once for each. */
type Values = Readonly<Record<string, string | readonly string[] | undefined>>;

const placeholder = /\{(\w+)(,?)\}/g;

/** The files that a configuration names, of those that a boot reads. Empty ones are not named. */
export interface GuestFiles {
  path: string;
  kernel: string;
  initrd?: string;
  image?: string;
  firmware?: string;
  pflashes: string[];
}

/** The files of a configuration. Throws `guest-not-drivable` for a hypervisor without a command line and for a confidential guest, `guest-failed` where the shim refuses. */
export function guestFiles({ handler, table, values }: GuestConfiguration): GuestFiles {
  drivableRow(handler, table);
  const confidential = ['confidential_guest', 'sev_snp_guest', 'sgx_guest'].find((key) => values[key] === true);
  if (confidential !== undefined) {
    throw notDrivable(handler, `its guest is confidential (${confidential} = true), and only the shim measures and starts such a guest`);
  }
  const [path, kernel, initrd, image] = ['path', 'kernel', 'initrd', 'image'].map((key) => text(values, key));
  if (path === undefined || kernel === undefined) {
    throw refused(handler, `its configuration names no ${path === undefined ? 'hypervisor (path)' : 'kernel'}`, 'both path and kernel');
  }
  if ((initrd === undefined) === (image === undefined)) {
    const found = `its configuration names ${initrd === undefined ? 'neither an image nor an initrd' : 'both an image and an initrd'}`;
    throw refused(handler, found, 'exactly one of them: the shim refuses anything else');
  }
  const firmware = text(values, 'firmware');
  const files: GuestFiles = { path, kernel, pflashes: strings(values['pflashes']) };
  return Object.assign(files, initrd && { initrd }, image && { image }, firmware && { firmware });
}

/**
 * The command line that starts a handler's guest as near to its shim as can be without an agent: the same program, kernel, image or initrd,
 * machine, firmware and kernel parameters. Not as the shim: 512 MiB and one processor, the kernel's console on the serial port, no network,
 * no vsock, no shared folder, no dm-verity, images without DAX; every file is opened read-only.
 *
 * @param host.architecture as uname says: decides the machine where the configuration names none
 *
 * @param host.imageBytes size of the image, which QEMU needs for a pmem device Throws `guest-not-drivable` when the hypervisor cannot use
 * the accelerator or is not for this machine.
 */
export function guestCommand(
  configuration: GuestConfiguration,
  accelerator: Accelerator,
  host: { architecture: string; imageBytes?: number | undefined },
): GuestCommand {
  const { handler, table, values } = configuration;
  const row = drivableRow(handler, table);
  const files = guestFiles(configuration);
  const machine = machineOf(handler, row, values, host.architecture);
  const start = machine.accelerators[accelerator];
  if (start === undefined) throw notDrivable(handler, `${row.name} can only use KVM: it emulates no processor`);
  const root = rootDevice(configuration, machine);
  const pmem = root === 'pmem' && files.image !== undefined;
  const features = accelerator === 'kvm' ? text(values, 'cpu_features') : undefined;
  const extras = text(values, 'machine_accelerators')?.replace(/^,?/, ',') ?? '';
  const filled: Values = {
    kernel: files.kernel,
    initrd: files.initrd,
    firmware: files.firmware,
    pflash: files.pflashes.length === 0 ? undefined : files.pflashes,
    block: pmem ? undefined : files.image,
    pmem: pmem ? files.image : undefined,
    size: String(host.imageBytes ?? 0),
    nvdimm: pmem ? ',nvdimm=on' : '',
    ceiling: pmem ? String(memory + Math.ceil((host.imageBytes ?? 0) / 2 ** 20) + 1024) : undefined,
    flat: pmem ? undefined : String(memory),
    disk: machine.disk,
    machine: start.machine,
    cpu: start.cpu === undefined ? undefined : [start.cpu, features].filter((word) => word !== undefined).join(','),
    extras,
    seccomp: text(values, 'seccompsandbox') ?? text(values, 'seccomp_sandbox'),
    parameters: parameters(values, files, { ...machine, parameters: [...machine.parameters, ...(start.parameters ?? [])] }, root),
  };
  const file = row.file === undefined ? {} : { [row.file.name]: JSON.stringify(fillJson(row.file.content, filled)) };
  return { program: files.path, args: fillGroups(row.arguments ?? [], filled), files: file };
}

/**
 * kata-sysext's parameters come last, because the kernel uses the last one: `quiet` or another console of the configuration must not hide
 * the boot.
 */
function parameters(values: GuestConfiguration['values'], files: GuestFiles, machine: MachineRow, root: 'block' | 'pmem'): string {
  const kind = text(values, 'rootfs_type') ?? 'ext4';
  const { roots, rootFlags, image, watched } = hypervisorTable;
  const boot = files.image === undefined ? [] : [roots[root], rootFlags[kind] ?? 'rootflags=ro', `rootfstype=${kind}`, ...image];
  const own = text(values, 'kernel_params');
  return [...boot, ...machine.parameters, own, `console=${machine.console}`, machine.early, ...watched]
    .filter((word) => word !== undefined && word !== '')
    .join(' ');
}

/** Go: disable_image_nvdimm, and never with Cloud Hypervisor (clh.go); Rust: vm_rootfs_driver. Only where the machine has such a device. */
function rootDevice({ family, values }: GuestConfiguration, machine: MachineRow): 'block' | 'pmem' {
  const wanted = family === 'rust' ? values['vm_rootfs_driver'] === 'virtio-pmem' : values['disable_image_nvdimm'] !== true;
  return wanted && machine.images.includes('pmem') ? 'pmem' : 'block';
}

function machineOf(handler: string, row: HypervisorRow, values: GuestConfiguration['values'], architecture: string): MachineRow {
  const machines = row.machines ?? {};
  const named = row.machine === undefined ? undefined : text(values, row.machine);
  // Where no machine is named the shim takes the architecture's usual one, which is the first here.
  const found = named === undefined ? Object.values(machines).find((machine) => machine.architecture === architecture) : machines[named];
  if (found?.architecture === architecture) return found;
  throw notDrivable(handler, `this version knows no machine ${named ?? 'of its hypervisor'} on ${architecture}`);
}

/** The row of a hypervisor that has a command line. */
export function drivableRow(handler: string, table: string): HypervisorRow {
  const row = hypervisorRow(table);
  if (row?.arguments !== undefined) return row;
  throw notDrivable(handler, row?.why ?? `its hypervisor ${table} is not known to this version`);
}

function notDrivable(handler: string, why: string): KataError {
  return new KataError('guest-not-drivable', {
    subject: handler,
    found: `${handler}: ${why}`,
    needed: 'a guest that can be started without its shim',
    next: `start a pod with the RuntimeClass ${handler}`,
  });
}

function refused(handler: string, found: string, needed: string): KataError {
  return new KataError('guest-failed', {
    subject: handler,
    found: `${handler}: ${found}`,
    needed,
    next: `look at its configuration.toml and at the files in /etc/kata-containers/${handler}.d`,
  });
}

function text(values: GuestConfiguration['values'], key: string): string | undefined {
  const value = values[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string' && one !== '') : [];
}

/** The words of all groups whose values are there, in order. */
export function fillGroups(groups: readonly (readonly string[])[], values: Values): string[] {
  return groups.flatMap((group) => {
    const names = namesIn(group.join(' '));
    const several = names.find((name) => Array.isArray(values[name]));
    const rounds = several === undefined ? [values] : (values[several] as readonly string[]).map((one) => ({ ...values, [several]: one }));
    return rounds.flatMap((round) => (names.every((name) => round[name] !== undefined) ? group.map((word) => fill(word, round)) : []));
  });
}

/** A copy of a JSON value with its strings filled; members and elements that want a value which is not there are left out. */
export function fillJson(content: unknown, values: Values): unknown {
  if (typeof content === 'string') return namesIn(content).every((name) => values[name] !== undefined) ? fill(content, values) : undefined;
  if (Array.isArray(content)) return content.filter((element) => whole(element, values)).map((element) => fillJson(element, values));
  if (typeof content !== 'object' || content === null) return content;
  const members = Object.entries(content).map(([key, value]) => [key, fillJson(value, values)] as const);
  return Object.fromEntries(members.filter(([, value]) => value !== undefined));
}

function whole(element: unknown, values: Values): boolean {
  return namesIn(JSON.stringify(element)).every((name) => values[name] !== undefined);
}

function namesIn(text: string): string[] {
  return [...text.matchAll(placeholder)].map((match) => match[1]!);
}

/** QEMU reads a doubled comma as a comma of the value; one alone would begin the next option. */
function fill(word: string, values: Values): string {
  return word.replace(placeholder, (_, name: string, doubled: string) => {
    const value = String(values[name]);
    return doubled === '' ? value : value.replaceAll(',', ',,');
  });
}
