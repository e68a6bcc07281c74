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

const hostPrograms = ['/usr/bin/systemd-nspawn', '/usr/bin/mmdebstrap', '/usr/bin/zstd'];

export const tiers: Tier[] = [
  { name: 'unit', folders: unitFolders.map((folder) => `spec/${folder}`), programs: [], root: false },
  {
    name: 'tree',
    folders: ['spec/tree'],
    programs: ['/usr/bin/strace', '/usr/bin/zstd', '/usr/bin/xz', '/usr/bin/getfattr', '/usr/bin/containerd'],
    root: true,
  },
  { name: 'nspawn', folders: ['spec/e2e'], programs: hostPrograms, root: true },
  { name: 'merged', folders: ['spec/merged'], programs: hostPrograms, root: true },
  { name: 'boot', folders: ['spec/boot'], programs: hostPrograms, root: true },
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
    inTurn: { files: ['baked', 'deployments', 'firstBoot', 'round'].map((name) => `spec/vm/${name}.spec.ts`), count: 1 },
  },
];

/** What runs beside what, in its order: hosts that mostly wait beside what computes. */
const beside: string[][] = [['nspawn'], ['merged', 'boot'], ['unit', 'tree', 'single'], ['vm']];
export const lanes: string[][] = beside.map((lane, index) =>
  // A tier that is named nowhere comes last in the last lane.
  index < beside.length - 1 ? lane : [...lane, ...tiers.map(({ name }) => name).filter((name) => !beside.flat().includes(name))],
);
