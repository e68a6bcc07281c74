import { getSystemErrorName } from 'node:util';
import { kvmProbe } from '../assets/index.ts';
import type { HostView } from '../host/index.ts';
import { type Fact, known, unknown } from './types.ts';

/** What helpers/kvm/probe.c calls its steps, in its order: its exit status is the number of the step that failed. */
export const kvmSteps = ['open', 'api-version', 'create-vm', 'memory', 'create-vcpu', 'map-vcpu', 'registers', 'run', 'exit'] as const;

export type KvmStep = (typeof kvmSteps)[number];

export type KvmGuest =
  | { asked: false; why: string }
  | { asked: true; runs: true }
  /** `late`: the guest's instructions never came to their end. `errno` by name, where the step has one; `said` in words. */
  | { asked: true; runs: false; step: KvmStep | 'late'; errno?: string; said: string };

/** Why KVM stopped a guest before its end (include/uapi/linux/kvm.h); the commonest. */
const exitReasons: Record<number, string> = {
  0: 'KVM_EXIT_UNKNOWN',
  5: 'KVM_EXIT_HLT',
  6: 'KVM_EXIT_MMIO',
  8: 'KVM_EXIT_SHUTDOWN',
  9: 'KVM_EXIT_FAIL_ENTRY',
  17: 'KVM_EXIT_INTERNAL_ERROR',
};

/** On a busy emulated machine the probe takes a second. */
const deadlineMs = 10_000;

/** Whether KVM runs a guest: a virtual machine of one page and one processor, made, run and gone within milliseconds. Only a booted host is asked. */
export async function kvmGuest(host: HostView, probe = kvmProbe()): Promise<KvmGuest> {
  if (!host.booted) return { asked: false, why: 'an offline tree has no devices' };
  if (probe === undefined) return { asked: false, why: `this build has no probe for ${process.arch}` };
  const answer = await host.helper(probe, { deadlineMs });
  if (answer.kind === 'unstarted') return { asked: false, why: `the probe could be started nowhere (${answer.why})` };
  if (answer.kind === 'late') return { asked: true, runs: false, step: 'late', said: `no answer within ${deadlineMs / 1000} s` };
  const { status, line } = answer;
  if (status === 0 && line === 'ok') return { asked: true, runs: true };
  const step = kvmSteps[status - 1];
  if (step === undefined || !line.startsWith(`${step} `)) return { asked: false, why: `the probe ended with status ${status}` };
  const { errno, reason, detail } =
    /^\S+ (?:errno (?<errno>\d{1,4})|reason (?<reason>\d{1,10}) (?<detail>\d{1,20}))$/.exec(line)?.groups ?? {};
  const name = errno === undefined || errno === '0' ? {} : { errno: getSystemErrorName(-Number(errno)) };
  // Who may not open it has not asked. For root it is a device that does not open.
  if (step === 'open' && name.errno === 'EACCES' && process.getuid?.() !== 0)
    return { asked: false, why: 'this user may not open /dev/kvm' };
  const ended = reason === undefined ? line.slice(step.length + 1) : `${exitReasons[Number(reason)] ?? `KVM_EXIT ${reason}`} ${detail}`;
  return { asked: true, runs: false, step, ...name, said: `step ${step}, ${ended}` };
}

/** How many huge pages of the default size are reserved now. */
export async function reservedHugepages(host: HostView): Promise<Fact<number>> {
  if (!host.live) return unknown('an offline tree has no memory');
  const said = /^HugePages_Total:\s+(\d+)/m.exec((await host.readText('/proc/meminfo')) ?? '')?.[1];
  return said === undefined ? unknown('/proc/meminfo has no HugePages_Total') : known(Number(said), '/proc/meminfo');
}

const folder = '/sys/kernel/iommu_groups';

/** Whether the kernel has IOMMU groups: without them no device can be given to a guest. */
export async function iommuState(host: HostView): Promise<Fact<boolean>> {
  if (!host.live) return unknown('an offline tree has no devices');
  return known((await host.readdir(folder)).length > 0, folder);
}
