/** What is real in a tier decides what it needs (design §7). */
export interface Tier {
  name: string;
  folders: string[];
  /** Programs of the packages in .ci/packages.txt without which the tier cannot run. */
  programs: string[];
  root: boolean;
  /** Files of which the gate runs `count`, by the seed, and `npm run test:all` all. */
  inTurn?: { files: string[]; count: number };
}

const unitFolders = [
  'backends',
  'bundle',
  'changes',
  'commands',
  'documents',
  'engines',
  'errors',
  'facts',
  'generate',
  'guest',
  'host',
  'images',
  'inspect',
  'layout',
  'report',
  'scripts',
  'shims',
  'store',
  'systemd',
  'transaction',
];

/** Of the longest specs of a tier the gate runs these by turns: `count` of them. */
function inTurn(folder: string, count: number, names: string): Required<Tier>['inTurn'] {
  return {
    files: names.split(/\s+/).map((name) => `${folder}/${name}.spec.ts`),
    count,
  };
}

const hostPrograms = ['/usr/bin/systemd-nspawn', '/usr/bin/mmdebstrap', '/usr/bin/zstd'];

export const tiers: Tier[] = [
  { name: 'unit', folders: unitFolders.map((folder) => `spec/${folder}`), programs: [], root: false },
  {
    name: 'tree',
    folders: ['spec/tree'],
    programs: ['/usr/bin/strace', '/usr/bin/zstd', '/usr/bin/xz', '/usr/bin/getfattr', '/usr/bin/containerd'],
    root: true,
    inTurn: inTurn(
      'spec/tree',
      9,
      `adoptLayered adoptLayeredContainerd adoptLayeredKilled adoptRendered baked choices configure disks handlers handlersGoing program
      refusedHosts refusedInputs rendered renderedContainerd renderedNode repeat shimProtocols`,
    ),
  },
  {
    name: 'nspawn',
    folders: ['spec/e2e'],
    programs: hostPrograms,
    root: true,
    inTurn: inTurn('spec/e2e', 5, 'adoptLayered configure crioHosts dependents detached guest handlers lost restore skew'),
  },
  {
    name: 'merged',
    folders: ['spec/merged'],
    programs: hostPrograms,
    root: true,
    inTurn: inTurn('spec/merged', 4, 'earlier engineExtension engineNamespace imageForm overlayHosts sysextForeign sysextKilled sysextOld'),
  },
  {
    name: 'boot',
    folders: ['spec/boot'],
    programs: hostPrograms,
    root: true,
    inTurn: inTurn(
      'spec/boot',
      5,
      `baked first/firstBoot first/rendered first/renderedContainerd first/renderedImage guard/guardEngine guard/guardHard guard/guardSystemd
      guard/guardUsr overlayKilled`,
    ),
  },
  {
    name: 'single',
    folders: ['spec/single'],
    programs: ['/usr/bin/readelf', '/usr/bin/qemu-aarch64-static', '/usr/bin/mmdebstrap', '/usr/bin/zstd'],
    root: true,
  },
  {
    name: 'vm',
    folders: ['spec/vm'],
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
    // Each boots an emulated machine again and again.
    inTurn: inTurn('spec/vm', 1, 'baked deployments firstBoot round'),
  },
];

/** What runs beside what, in its order: hosts that mostly wait beside what computes. */
const beside: string[][] = [['nspawn'], ['merged', 'boot'], ['unit', 'tree', 'single'], ['vm']];
export const lanes: string[][] = beside.map((lane, index) =>
  // A tier that is named nowhere comes last in the last lane.
  index < beside.length - 1 ? lane : [...lane, ...tiers.map(({ name }) => name).filter((name) => !beside.flat().includes(name))],
);
