import { posix } from 'node:path';
import type { Backend } from '../backends/index.ts';
import { type Finding, KataError } from '../errors/index.ts';
import { etcState, type HostFacts, machineMountOf, volatileMount, writableAgain } from '../facts/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import { words as quoted } from '../output/index.ts';
import { imageRoot, stateFolder } from '../store/index.ts';

type Producer = (host: HostView, facts: HostFacts, backend: Backend) => Finding[] | Promise<Finding[]>;

/** What a host must have for any change: a table of small producers. `check` shows all, a change stops at the first blocker. */
const producers: Producer[] = [
  (_host, { os }) => unknownFact(os, 'the operating system', 'an os-release file with an ID'),
  (_host, { architecture }) => unknownFact(architecture, 'the architecture', 'a program in the tree, or a running host'),
  (_host, { etc }) => unknownFact(etc, '/etc', 'a folder /etc'),
  (host, { etc }) => etcFinding(host, etc),
  (host) => stateFinding(host),
  async (host, facts, backend) => readOnlyFindings(host, [stateFolder, ...writtenRoot(host, backend.root(facts))]),
  (host, facts, backend) => backend.preflight(host, facts),
  (_host, { kvm }) => kvmFinding(kvm),
];

export async function hostFindings(host: HostView, facts: HostFacts, backend: Backend): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const produce of producers) found.push(...(await produce(host, facts, backend)));
  // A backend says the same of its own folder, in its own words.
  const said = found.some(({ code }) => code === 'backend-read-only');
  return found.filter(({ code, found: text }) => !said || code !== 'host-read-only' || text.startsWith(`${stateFolder} `));
}

/** What an OS image brought is not written on the host that it was booted on. */
function writtenRoot(host: HostView, root: HostPath): HostPath[] {
  return root === imageRoot && !host.image ? [] : [root];
}

/** Folders of kata-sysext on file systems that cannot be written. */
async function readOnlyFindings(host: HostView, folders: HostPath[]): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const folder of new Set(folders)) {
    let at = await host.realpath(folder);
    while ((await host.stat(at)) === undefined && at !== '/') at = posix.dirname(at);
    if (await host.canWrite(at)) continue;
    const mount = await machineMountOf(host, at);
    const real = posix.join(host.root, at);
    const point = mount?.point ?? real;
    const next = mount === undefined ? [] : [`mount -o ${writableAgain(mount)} ${quoted([point])}`];
    found.push({
      code: 'host-read-only',
      level: 'blocker',
      subject: point,
      found: `${folder} lies on ${point}, which is mounted read-only`,
      needed: 'a file system that can be written',
      next: [`findmnt -T ${quoted([real])}`, ...next].join('; '),
    });
  }
  return found;
}

/** Checked before kata-sysext makes or locks a file in its state folder. Throws `host-read-only`. */
export async function refuseReadOnly(host: HostView): Promise<void> {
  const [first] = await readOnlyFindings(host, [stateFolder]);
  if (first !== undefined) throw KataError.of(first);
}

/** What every change needs, whatever else the host is: an /etc that can be written and stays. */
export async function etcFindings(host: HostView): Promise<Finding[]> {
  const etc = await etcState(host);
  return [...unknownFact(etc, '/etc', 'a folder /etc'), ...etcFinding(host, etc)];
}

function unknownFact(fact: { known: boolean; why?: string }, subject: string, needed: string): Finding[] {
  if (fact.known) return [];
  return [
    {
      code: 'host-unknown',
      level: 'blocker',
      subject,
      found: `${subject} is not known: ${fact.why}`,
      needed,
      next: 'check that --root names a host tree',
    },
  ];
}

function etcFinding({ root }: HostView, etc: HostFacts['etc']): Finding[] {
  if (!etc.known || (etc.value.writable && !etc.value.transient)) return [];
  const what = etc.value.writable ? 'is transient: what is written there is lost at the next boot' : 'is mounted read-only';
  return [
    {
      code: 'host-etc-unsafe',
      level: 'blocker',
      subject: '/etc',
      found: `/etc ${what}`,
      needed: 'a persistent, writable /etc',
      next: `findmnt -T ${quoted([posix.join(root, 'etc')])}`,
    },
  ];
}

/** The wiring stays, and what it names would be gone. */
async function stateFinding(host: HostView): Promise<Finding[]> {
  const point = await volatileMount(host, stateFolder);
  if (point === undefined) return [];
  return [
    {
      code: 'host-var-unsafe',
      level: 'blocker',
      subject: stateFolder,
      found: `${point} is empty again after each boot: the engine’s configuration would name files that are gone`,
      needed: `a ${stateFolder} that stays`,
      next: `findmnt -T ${point}; then boot with a /var on a disk (without systemd.volatile=)`,
    },
  ];
}

function kvmFinding(kvm: HostFacts['kvm']): Finding[] {
  if (!kvm.known || kvm.value) return [];
  return [
    {
      code: 'host-no-kvm',
      level: 'warning',
      subject: '/dev/kvm',
      found: 'there is no /dev/kvm',
      needed: 'KVM, or pods of these handlers will not start',
      next: 'modprobe kvm_intel || modprobe kvm_amd',
    },
  ];
}
