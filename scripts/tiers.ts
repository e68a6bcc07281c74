import { readdirSync } from 'node:fs';

/** One row for each tier: what it runs, what that needs, and what README says of it. */
export interface Tier {
  name: string;
  /** What README's table says: what is real in the tier, what it needs, what is left out where that is missing. */
  real: string;
  needs: string;
  without: string;
  /** The folder of its specs. The unit tier has none: every folder that no other tier names belongs to it. */
  folder?: string;
  /** Programs of the packages in .ci/packages.txt without which the tier cannot run. */
  programs: string[];
  root: boolean;
  turns?: Turns;
  /** A program that makes what the tier's specs need and others do not, from the start of a run on, while other tiers wait. */
  prepare?: string;
  /** Its machines are emulated: a panic of their kernel is the emulator's. */
  emulated?: boolean;
  /**
   * Its part of the processors beside others (`share`). What computes and hardly waits gives way to those that wait for hosts, but for unit: it is
   * one process with more to compute than any other, and would end last and alone.
   */
  nice?: number;
  /** It boots hosts in containers: at most two such tiers run beside each other, because inotify's instances are counted by user. */
  bootsHosts?: boolean;
  /** Of the lines of this folder that have code, the specs run at least so many in their own process. */
  covers?: { folder: string; minPercent: number };
}

/** So many runs in a row have every file. The groups of each tier are as many, or half. */
export const groups = 16;

/** The longest files of a tier, in groups of about the same time, a file in one or in several: run number N has group N modulo their number, `npm run test:all` has them all. */
export type Turns = readonly string[][];
type Eight<T> = [T, T, T, T, T, T, T, T];

function inTurn(folder: string, ...groups: Eight<string>): Turns {
  return groups.map((names) => names.split(/\s+/).flatMap((name) => (name === '' ? [] : [`${folder}/${name}.spec.ts`])));
}

/** For what computes or builds for long: a run has an emulated machine, a cluster or a fresh machine, never two of them. By the number of the group. */
function inSixteen(folder: string, byGroup: Record<number, string>): Turns {
  return Array.from({ length: groups }, (_, group) => byGroup[group]?.split(' ').map((name) => `${folder}/${name}.spec.ts`) ?? []);
}

const hostPrograms = ['/usr/bin/systemd-nspawn', '/usr/bin/mmdebstrap', '/usr/bin/zstd'];

export const tiers: Tier[] = [
  {
    name: 'unit',
    real: 'parsers, planners, editors on whole files',
    needs: 'Node',
    without: 'nothing; single tests name the program that they lack',
    programs: [],
    root: false,
    nice: -4,
    covers: { folder: 'cli', minPercent: 80 },
  },
  {
    name: 'fresh',
    folder: 'spec/fresh',
    real: 'the two commands above, in a minimal Debian with git, Node and npm',
    needs: 'the packages, root, a Debian mirror and an npm registry',
    without: 'the proof that a fresh machine is enough',
    programs: ['/usr/bin/mmdebstrap', '/usr/bin/unshare', '/usr/bin/git'],
    root: true,
    // Each runs the whole unit tier once more.
    turns: inSixteen('spec/fresh', { 2: 'bookworm', 6: 'trixieRoot', 10: 'trixieUser' }),
  },
  {
    name: 'tree',
    folder: 'spec/tree',
    real: "whole changes on host trees, by fingerprints of every byte, containerd's own binary",
    needs: 'the packages, root',
    without: 'fingerprint tests',
    programs: ['/usr/bin/strace', '/usr/bin/zstd', '/usr/bin/xz', '/usr/bin/getfattr', '/usr/bin/containerd'],
    root: true,
    // Each in one or two of eight runs: more in the first and the fifth, which have neither an emulated machine nor a fresh one.
    turns: inTurn(
      'spec/tree',
      'adoptLayered allHandlers closureLabels components fingerprint foreignLocks guard handlers labels labelsVerified ' +
        'lock pointer rendered repeat savedBundle shimProtocols travelled',
      'adoptLayered adoptRendered build handlersGoing imageForm lock refusedInputs savedSigned',
      'baked closureLabels generateEngines generateImage notices oci refusedJournals renderedContainerd stage sysext',
      'adoptLayeredContainerd baked generateRefusals halfDone installAddress installImage refusedJournals renderedNode room stage',
      'adoptRendered allHandlers defaultHandler dropPlans guard labels labelsVerified machineConfigAdvice ' +
        'machineConfigOwned overlay program rendered',
      'checkBundle defaultHandler deployments generateImage hostileDocuments hostileFiles installAddress json renderers secrets',
      'adoptLayeredRefused imageForm installImage kernelModules program refusedHosts renderers secrets signatures stateFolders',
      'choices configure damagedState deployments fingerprint generateComponents generateRefusals hostileDocuments roomRefused sysext',
    ),
  },
  {
    name: 'killed',
    folder: 'spec/killed',
    real: 'such changes that die at any step, or whose system calls and disks fail',
    needs: 'the packages, root',
    without: 'crash and full-disk tests',
    programs: ['/usr/bin/strace', '/usr/bin/zstd', '/usr/bin/getfattr', '/usr/bin/containerd'],
    root: true,
    nice: 5,
    turns: inTurn(
      'spec/killed',
      'syscalls',
      'adoptKataDeployKilled',
      'syscalls',
      'adoptLayeredKilled interrupts',
      'syscalls',
      'crashEngines',
      'disks syscalls',
      'interrupts',
    ),
  },
  {
    name: 'nspawn',
    folder: 'spec/e2e',
    real: 'hosts with systemd as process 1, containerd 1.7 and 2.x, CRI-O, Docker, pods, a QEMU that boots the installed kernel',
    needs: 'the packages, root, a Debian mirror on the first run',
    without: 'everything live',
    programs: hostPrograms,
    root: true,
    bootsHosts: true,
    turns: inTurn(
      'spec/e2e',
      'crio lostShims k3s fleet',
      'docker k0s crioReload nodePod',
      'handlers nodeadm generated apply',
      'detached skew rootFile adoptKataDeploy',
      'dependents vmm ownKernel guest',
      'lost configure rke2 mainFileReleases',
      'crioHosts adoptLayered containerdReleases',
      'restore podEngines rootFileReleases severalEngines',
    ),
  },
  {
    name: 'merged',
    folder: 'spec/merged',
    real: 'such hosts whose `/usr` has Kata or extensions of others merged into it',
    needs: 'the same',
    without: 'backends sysext and overlay live',
    programs: hostPrograms,
    root: true,
    bootsHosts: true,
    turns: inTurn(
      'spec/merged',
      'imageForm',
      'sysextOld',
      'sysextForeign',
      'sysextKilled',
      'engineExtension',
      'overlayHosts',
      '',
      'engineNamespace',
    ),
  },
  {
    name: 'boot',
    folder: 'spec/boot',
    real: 'boots of such hosts: losses of power, the boot guard, another engine after an update',
    needs: 'the same',
    without: 'boots',
    programs: hostPrograms,
    root: true,
    bootsHosts: true,
    turns: inTurn(
      'spec/boot',
      'first/firstBoot guard/guardHard',
      'first/rendered guard/guardEngine',
      'first/renderedContainerd guard/guardSystemd',
      'first/renderedImage',
      'guard/guardUpdate',
      'overlayKilled guard/guardEngineFails',
      'baked bootWithout',
      'guard/guardUsr',
    ),
  },
  {
    name: 'cluster',
    folder: 'spec/cluster',
    real: 'Kubernetes: control plane and kubelets built from source, nodes that are such hosts, with three releases of containerd',
    needs: 'the same, and a Go module proxy on the first run',
    without: 'everything that Kubernetes does',
    programs: [...hostPrograms, '/usr/bin/ip', '/usr/bin/openssl', '/usr/bin/curl'],
    root: true,
    bootsHosts: true,
    prepare: 'spec/lab/kube/prepare.ts',
    // What they prepare is half an hour of a core where nothing is built.
    turns: inSixteen('spec/cluster', {
      0: 'lab chart story',
      4: 'lab chart machineConfigs token thousand',
      8: 'lab helmStory token',
      12: 'lab story waves',
    }),
  },
  {
    name: 'single',
    folder: 'spec/single',
    real: 'the self-contained program on Debian 12, 13 and testing, on a bare root, arm64 in an emulator',
    needs: 'the packages, root, a Debian mirror',
    without: "the single file's own needs",
    programs: [
      '/usr/bin/readelf',
      '/usr/bin/qemu-aarch64-static',
      '/usr/bin/mmdebstrap',
      '/usr/bin/zstd',
      '/usr/bin/aarch64-linux-gnu-gcc',
    ],
    root: true,
    nice: 5,
    turns: inTurn(
      'spec/single',
      'release',
      'airGap nodeImage',
      'release',
      'airGap nodeImage',
      'release',
      'airGap nodeImage',
      'release',
      'airGap nodeImage',
    ),
  },
  {
    name: 'vm',
    folder: 'spec/vm',
    real: 'an ostree host with SELinux enforcing in QEMU: boots, deployments, a recorded disk cut at any point',
    needs: 'the packages, root, a Debian mirror, 3 GB of memory',
    without: 'all of that',
    programs: [
      '/usr/bin/qemu-system-x86_64',
      '/usr/bin/qemu-img',
      '/usr/bin/ssh',
      '/usr/bin/mmdebstrap',
      '/usr/bin/mkfs.erofs',
      '/usr/sbin/setfiles',
      '/usr/sbin/mkfs.xfs',
    ],
    root: true,
    emulated: true,
    // Each boots an emulated machine again and again.
    turns: inSixteen('spec/vm', {
      1: 'round',
      3: 'deployments',
      5: 'firstBoot',
      7: 'baked',
      9: 'selinuxSwitch',
      11: 'nodePod',
      13: 'podMemory lab',
      14: 'labDisks',
      15: 'replay',
    }),
  },
];

/** How many tiers run beside each other: hosts and pods mostly wait. */
const width = 5;
const hostsWidth = 2;

/** By what each computes; what comes last has nothing beside it. A tier that is named nowhere comes after these. */
const order = ['vm', 'fresh', 'tree', 'nspawn', 'unit', 'boot', 'killed', 'cluster', 'merged', 'single'];

/** Which of the waiting tiers begins now; undefined where each has to wait for the end of one that runs. */
export function nextTier(waiting: readonly string[], running: readonly string[]): string | undefined {
  if (running.length >= width) return undefined;
  const boots = (name: string) => tiers.some((tier) => tier.name === name && tier.bootsHosts === true);
  const isFull = running.filter(boots).length >= hostsWidth;
  return [...order, ...waiting].find((name) => waiting.includes(name) && !(isFull && boots(name)));
}

/** Every spec file of a checkout, by its path from there. */
export function specFiles(root = '.'): string[] {
  const names = readdirSync(`${root}/spec`, { recursive: true }).map(String);
  return names
    .filter((name) => name.endsWith('.spec.ts'))
    .map((name) => `spec/${name}`)
    .sort();
}

/** The one tier of a spec file: that of its folder, else the unit tier. */
export function tierOf(file: string): string {
  return tiers.find(({ folder }) => folder !== undefined && file.startsWith(`${folder}/`))?.name ?? 'unit';
}

/** The files of a tier that a run has; `turn` counts runs, or is a seed. */
export function filesOf({ name, turns }: Pick<Tier, 'name' | 'turns'>, turn: number, all: boolean, root?: string): string[] {
  const left = all ? [] : leftBy(turns, turn);
  return specFiles(root).filter((file) => tierOf(file) === name && !left.includes(file));
}

/** Those of a tier's files that a run leaves to runs with another turn; `turn` counts runs, or is a seed. */
export function leftBy(turns: Turns | undefined, turn: number): string[] {
  const now = turns?.[turn % turns.length] ?? [];
  return [...new Set(turns?.flat())].filter((file) => !now.includes(file));
}
