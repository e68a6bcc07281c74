import { asset } from '../assets/index.ts';
import { parseJson } from '../documents/index.ts';
import type { HostPath, HostView } from '../host/index.ts';

/** A kernel module that Kata or a backend needs: a row of overlays/modules.json. One of the three lists makes the row apply. */
export interface ModuleRow {
  name: string;
  hypervisors?: string[];
  backends?: string[];
  formats?: string[];
  /** Only on processors of which a line of /proc/cpuinfo says so: an expression. */
  processor?: string;
  /** What is in /dev with it. */
  device?: HostPath;
  /** What it is for, in a few words. */
  why: string;
}

/** What an installation uses. */
export interface Use {
  handlers: readonly { name: string; hypervisor: string }[];
  backend?: string;
  format?: string;
}

/** A row that applies, and the handlers that it is for; none where the backend needs it. */
export interface NeededModule {
  row: ModuleRow;
  handlers: string[];
}

export const moduleTable = (parseJson(asset('overlays/modules.json')) as { modules: ModuleRow[] }).modules;

/** One processor of the list is enough. */
const processorBytes = 64 * 1024;

/**
 * The modules that an installation needs on this host, in the order of the table. Which KVM it is depends on the processor: of a tree that is
 * not booted none is named, and udev loads the right one by the processor at each boot.
 */
export async function neededModules(host: HostView, { handlers, backend, format }: Use): Promise<NeededModule[]> {
  const processor = host.booted ? ((await host.readHead('/proc/cpuinfo', processorBytes)) ?? Buffer.alloc(0)).toString('latin1') : '';
  const needed = moduleTable.map((row) => ({
    row,
    handlers: handlers.filter(({ hypervisor }) => row.hypervisors?.includes(hypervisor) === true).map(({ name }) => name),
  }));
  const used = ({ row, handlers: names }: NeededModule) =>
    names.length > 0 ||
    (backend !== undefined && row.backends?.includes(backend) === true) ||
    (format !== undefined && row.formats?.includes(format) === true);
  const fits = ({ row }: NeededModule) => row.processor === undefined || new RegExp(row.processor, 'm').test(processor);
  return needed.filter((each) => used(each) && fits(each));
}
