import { at, parse, text } from './info.ts';
import type { StatusAnswer } from './shapes.ts';

/** Where the verbose Status names the image of sandboxes: containerd 1.x, CRI-O (names of Go's fields). containerd 2 does not name it. */
const inInfo = [['sandboxImage'], ['crio', 'PauseImage'], ['crio', 'pause_image']];

/** Where a dump of the engine's configuration names it: containerd with schema 3, 2, and CRI-O. */
const inDump = [
  ['plugins', 'io.containerd.cri.v1.images', 'pinned_images', 'sandbox'],
  ['plugins', 'io.containerd.grpc.v1.cri', 'sandbox_image'],
  ['crio', 'image', 'pause_image'],
];

/** The image that the engine makes a sandbox from: as the daemon says, else as its configuration does; undefined where neither names one. */
export function sandboxImageOf(info: Record<string, string>, dump: Record<string, unknown>): string | undefined {
  const config = parse(info['config']);
  const named = [...inInfo.map((path) => text(at(config, path))), ...inDump.map((path) => text(at(dump, path)))];
  return named.find((image) => image !== undefined);
}

/** Whether the engine can give a pod a network of its own: without a CNI configuration it says no. `why` is the engine's own reason. */
export function networkReady({ status }: StatusAnswer): { ready: boolean; why: string } {
  const condition = status?.conditions.find(({ type }) => type === 'NetworkReady');
  if (condition === undefined) return { ready: true, why: '' };
  return { ready: condition.status, why: condition.message === '' ? condition.reason : condition.message };
}
