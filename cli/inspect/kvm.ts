import type { Finding } from '../errors/index.ts';
import { type HostFacts, type KvmGuest, kvmGuest } from '../facts/index.ts';
import type { HostView } from '../host/index.ts';

type Failed = Extract<KvmGuest, { runs: false }>;

const dmesg = 'dmesg | grep -i kvm; in a virtual machine, switch on nested virtualisation for it';

/** By step, and errno where that decides: what was seen, and what to do. The first row that fits. */
const rows: { step: Failed['step']; errno?: string[]; found: string; next: string }[] = [
  {
    step: 'open',
    errno: ['ENODEV', 'ENXIO'],
    found: 'there is no driver behind /dev/kvm',
    next: 'modprobe kvm_intel || modprobe kvm_amd; dmesg | grep -i kvm',
  },
  { step: 'open', found: '/dev/kvm does not open', next: 'ls -lZ /dev/kvm; dmesg | tail -n 20' },
  {
    step: 'api-version',
    found: '/dev/kvm is not the device of KVM, or of another version of it',
    next: 'ls -l /dev/kvm; lsmod | grep kvm',
  },
  {
    step: 'create-vm',
    errno: ['EBUSY'],
    found: 'another hypervisor of this host holds the processor’s virtualisation',
    next: 'lsmod | grep -i -e vbox -e vmmon',
  },
  { step: 'create-vm', found: 'KVM makes no virtual machine', next: dmesg },
  { step: 'memory', found: 'KVM takes no memory for a virtual machine', next: dmesg },
  { step: 'create-vcpu', found: 'KVM makes no virtual processor', next: dmesg },
  { step: 'map-vcpu', found: 'KVM makes no virtual processor', next: dmesg },
  { step: 'registers', found: 'KVM does not set the registers of a virtual processor', next: dmesg },
  { step: 'run', found: 'KVM does not start a virtual processor', next: dmesg },
  { step: 'exit', found: 'KVM does not run the instructions of a guest', next: dmesg },
  { step: 'late', found: 'a guest of a few instructions did not come to its end', next: dmesg },
];

/** What KVM answers to the probe; nothing where there is no /dev/kvm, which is a finding of its own. */
export async function kvmGuestFindings(host: HostView, kvm: HostFacts['kvm']): Promise<Finding[]> {
  if (!kvm.known || !kvm.value) return [];
  return kvmFindings(await kvmGuest(host));
}

/** As findings: none where a guest ran. A warning, as a missing /dev/kvm is: the installation itself works. */
export function kvmFindings(guest: KvmGuest): Finding[] {
  if (!guest.asked) return [unasked(guest.why)];
  if (guest.runs) return [];
  const row = rows.find(({ step, errno }) => step === guest.step && (errno === undefined || errno.includes(guest.errno ?? '')))!;
  return [
    {
      code: 'host-kvm-no-guest',
      level: 'warning',
      subject: '/dev/kvm',
      found: `${row.found} (${guest.said}${guest.errno === undefined ? '' : `, ${guest.errno}`})`,
      needed: 'KVM that runs guests, or pods of these handlers will not start',
      next: row.next,
    },
  ];
}

function unasked(why: string): Finding {
  return {
    code: 'host-kvm-unasked',
    level: 'info',
    subject: '/dev/kvm',
    found: `/dev/kvm is there, but KVM was not asked to run a guest: ${why}`,
    needed: 'an answer of KVM, which check gets as root with the single file or the npm package',
    next: 'kata-sysext verify --boot-guest, once Kata is installed',
  };
}
