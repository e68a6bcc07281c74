import { asset } from '../assets/index.ts';
import { parseJson } from '../documents/index.ts';
import type { Accelerator } from './types.ts';

/** How a machine of a hypervisor shows its console and takes its root; `machine` and `cpu` are words of its command line. */
export interface MachineRow {
  architecture: string;
  /** The kernel's name of the serial port that the hypervisor prints. */
  console: string;
  /** The parameter that makes the kernel print before its console driver works, or ''. */
  early: string;
  images: ('pmem' | 'block')[];
  disk?: string;
  /** What the shim itself puts before the parameters of the configuration. */
  parameters: string[];
  /**
   * A microvm has nothing but the PIT to measure its clock by, and on a busy host an emulated one is too late for the kernel: a parameter
   * gives it the frequency.
   */
  accelerators: Partial<Record<Accelerator, { machine?: string; cpu?: string; parameters?: string[] }>>;
}

/** A row for each table below [hypervisor] that a handler of Kata may have. */
export interface HypervisorRow {
  table: string;
  name: string;
  /** What of it the specs run for real; a row without any was written from Kata's sources alone. */
  tried: string[];
  /** Why it cannot be started without its shim; then all below is missing. */
  why?: string;
  /** Its own words, as a pattern, when KVM does not do what it asks. */
  broken?: string;
  /** The key of the configuration that names the machine; without it the machines are named by architecture. */
  machine?: string;
  machines?: Record<string, MachineRow>;
  /** Groups of words. A group whose `{name}` has no value is left out, one whose `{name}` has several is repeated; `{name,}` doubles commas. */
  arguments?: string[][];
  /** A file that it reads, filled like the arguments: members and elements without a value are left out. */
  file?: { name: string; content: unknown };
}

interface HypervisorTable {
  /** Put last, so that nothing of the configuration hides the boot. */
  watched: string[];
  roots: Record<'block' | 'pmem', string>;
  rootFlags: Record<string, string>;
  image: string[];
  hypervisors: HypervisorRow[];
}

export const hypervisorTable = parseJson(asset('overlays/hypervisors.json')) as HypervisorTable;

/** The row of a table below [hypervisor]. */
export function hypervisorRow(table: string): HypervisorRow | undefined {
  return hypervisorTable.hypervisors.find((row) => row.table === table);
}
