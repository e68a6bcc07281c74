import { posix } from 'node:path';
import { engines } from '../engines/index.ts';
import type { Finding } from '../errors/index.ts';
import { type Amount, type Kubelet, kubeletOf, type Threshold } from '../facts/index.ts';
import type { FileSystem, HostPath, HostView } from '../host/index.ts';
import { words as quoted, bytes as words } from '../output/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import type { Write } from '../planning/types.ts';
import { roomAdvice } from './collectable.ts';
import { refuse } from './engine.ts';

/** What stays free for others where no kubelet says more. */
const marginBytes = 4 << 20;
const marginInodes = 32;

/** What a file system must keep free, and who acts where it does not. */
interface Floor {
  of: 'bytes' | 'inodes';
  free: number;
  /** In words: 'nodefs.available 10% (kubelet’s default)' */
  why: string;
}

/** The file systems of a change, as they are watched. */
export interface Room {
  /** What prevents these writes now; reads how much room is free. */
  findings(writes: Write[]): Promise<Finding[]>;
}

/**
 * Reads once what each file system must keep free: a little, and what the host's kubelet wants before it evicts pods or removes images
 * (`host-space-kubelet`). A tree on a file system of the machine around it has no kubelet, and neither has an OS image.
 */
export async function roomOf(host: HostView, { kubelet: heeded }: { kubelet: boolean }): Promise<Room> {
  const floors = heeded && !host.image ? await kubeletFloors(host) : new Map<string, Floor[]>();
  return { findings: (writes) => findings(host, writes, floors) };
}

/**
 * Throws `host-space` where the writes would fill a file system. `kubelet`: also `host-space-kubelet`, unless it is allowed; then it is given
 * as a warning. A change that stores no payload writes a few kB, and may be the way out of a full disk.
 */
export async function refuseFull(host: HostView, writes: Write[], kubelet: boolean, { allow }: ChangeOptions): Promise<Finding[]> {
  return refuse(await (await roomOf(host, { kubelet })).findings(writes), allow);
}

async function findings(host: HostView, writes: Write[], floors: Map<string, Floor[]>): Promise<Finding[]> {
  const needs = new Map<string, { fileSystem: FileSystem; path: HostPath; bytes: number; inodes: number }>();
  for (const write of writes) {
    const fileSystem = await host.fileSystem(write.path);
    const need = needs.get(fileSystem.id) ?? { fileSystem, path: write.path, bytes: 0, inodes: 0 };
    const more = write.done === true ? 0 : 1;
    need.bytes += more * (write.bytes + write.entries * fileSystem.blockBytes);
    need.inodes += more * write.entries;
    needs.set(fileSystem.id, need);
  }
  const short = [...needs.values()].flatMap((need) => {
    const all: (Floor & { code: string })[] = [
      { code: 'host-space', of: 'bytes', free: marginBytes, why: 'room for others' },
      { code: 'host-space', of: 'inodes', free: marginInodes, why: 'inodes for others' },
      ...(floors.get(need.fileSystem.id) ?? []).map((floor) => ({ code: 'host-space-kubelet', ...floor })),
    ];
    const [first] = all.filter((floor) => !leaves(need, floor));
    return first === undefined ? [] : [{ need, floor: first }];
  });
  return Promise.all(short.map(({ need, floor }) => tooLittle(host, need, floor)));
}

interface Need {
  fileSystem: FileSystem;
  path: HostPath;
  bytes: number;
  inodes: number;
}

function leaves({ fileSystem, bytes, inodes }: Need, floor: Floor): boolean {
  if (floor.of === 'bytes') return fileSystem.freeBytes - bytes >= floor.free;
  return fileSystem.inodes === 0 || fileSystem.freeInodes - inodes >= floor.free;
}

async function tooLittle(host: HostView, need: Need, { of, free, why, code }: Floor & { code: string }): Promise<Finding> {
  const { point, freeBytes, freeInodes } = need.fileSystem;
  const [now, wanted, count] =
    of === 'bytes' ? [freeBytes, need.bytes, words] : [freeInodes, need.inodes, (each: number) => `${each} inodes`];
  const look = `df ${of === 'bytes' ? '-h' : '-i'} ${quoted([point === '/' ? host.root : posix.join(host.root, point)])}`;
  const acts = code === 'host-space' ? 'for others' : `because kubelet acts below ${why}`;
  return {
    code,
    level: 'blocker',
    subject: point,
    found: `the file system ${point} has ${count(now)} free, and the change needs ${count(wanted)} of it (${need.path})`,
    needed: `${count(wanted + free)} free now: ${count(free)} have to stay free, ${acts}`,
    next: await roomAdvice(host, look),
  };
}

async function kubeletFloors(host: HostView): Promise<Map<string, Floor[]>> {
  const floors = new Map<string, Floor[]>();
  const kubelet = await kubeletOf(host);
  if (kubelet === undefined) return floors;
  // Images are where the engines keep them by default.
  const imageFolders = engines().flatMap(({ storage }) => storage.slice(0, 1));
  const images = [];
  for (const path of imageFolders) if ((await host.stat(path)) !== undefined) images.push(path);
  const roles: [path: HostPath, of: (kubelet: Kubelet, fileSystem: FileSystem) => Floor[]][] = [
    [kubelet.folder, nodeFloors],
    ...(images.length === 0 ? imageFolders.slice(0, 1) : images).map((path): [HostPath, typeof imageFloors] => [path, imageFloors]),
  ];
  for (const [path, of] of roles) {
    const fileSystem = await host.fileSystem(path);
    if (host.booted || fileSystem.whole) floors.set(fileSystem.id, [...(floors.get(fileSystem.id) ?? []), ...of(kubelet, fileSystem)]);
  }
  for (const each of floors.values()) each.sort((a, b) => b.free - a.free);
  return floors;
}

function nodeFloors({ thresholds }: Kubelet, fileSystem: FileSystem): Floor[] {
  return [
    ...thresholds['nodefs.available'].map((each) => bytesFloor('nodefs.available', each, fileSystem)),
    ...thresholds['nodefs.inodesFree'].map((each) => inodesFloor('nodefs.inodesFree', each, fileSystem)),
  ];
}

function imageFloors({ thresholds, imageGc }: Kubelet, fileSystem: FileSystem): Floor[] {
  return [
    ...thresholds['imagefs.available'].map((each) => bytesFloor('imagefs.available', each, fileSystem)),
    ...thresholds['imagefs.inodesFree'].map((each) => inodesFloor('imagefs.inodesFree', each, fileSystem)),
    ...imageGc.filter(({ percent }) => percent < 100).map((each) => gcFloor(each, fileSystem)),
  ];
}

function bytesFloor(signal: string, { amount, source }: Threshold, { sizeBytes }: FileSystem): Floor {
  return { of: 'bytes', free: amountIn(amount, sizeBytes), why: `${signal} ${amountText(amount)} (${source})` };
}

function inodesFloor(signal: string, { amount, source }: Threshold, { inodes }: FileSystem): Floor {
  return { of: 'inodes', free: amountIn(amount, inodes), why: `${signal} ${amountText(amount)} (${source})` };
}

/** kubelet cuts the free share to whole percents: at 85 it acts as soon as less than 16 % are free (pkg/kubelet/images, image_gc_manager.go). */
function gcFloor({ percent, source }: Kubelet['imageGc'][number], { sizeBytes }: FileSystem): Floor {
  const free = Math.ceil((sizeBytes * (101 - percent)) / 100);
  return { of: 'bytes', free, why: `imageGCHighThresholdPercent ${percent} (${source})` };
}

function amountIn(amount: Amount, size: number): number {
  return 'bytes' in amount ? amount.bytes : Math.ceil((size * amount.percent) / 100);
}

function amountText(amount: Amount): string {
  return 'bytes' in amount ? words(amount.bytes) : `${amount.percent}%`;
}
