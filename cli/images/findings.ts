import type { Finding } from '../errors/index.ts';
import { keptOutBy, moduleLists, namesModule } from '../facts/kernelModules.ts';
import { type HostView, programs } from '../host/index.ts';
import { formatRow } from './formats.ts';
import { strictPolicy } from './policy.ts';
import type { ImageFormat } from './types.ts';

const otherFormat = 'install with another --format; directory always works';

/** What prevents images of this format on this host, each with a code of its own; nothing is mounted for it. */
export async function imageFindings(host: HostView, format: ImageFormat): Promise<Finding[]> {
  const { kernel } = formatRow(format);
  return [...(await blacklisted(host, kernel)), ...(await lacking(host, kernel)), ...(await noLoop(host)), ...(await policy(host))];
}

/** What is missing on this machine to make images of this format. */
export async function makerFindings(host: HostView, format: ImageFormat): Promise<Finding[]> {
  const { maker } = formatRow(format);
  if (await host.has(maker)) return [];
  const found = `the program ${maker} is not on this host`;
  const next = `install ${programs[maker]}; or make the image on another machine (kata-sysext build) and install that; or ${otherFormat}`;
  return blocker('image-tool-missing', maker, found, `${maker}, from the package ${programs[maker]}`, next);
}

function blocker(code: string, subject: string, found: string, needed: string, next: string): Finding[] {
  return [{ code, level: 'blocker', subject, found, needed, next }];
}

/** Whether the kernel has it: built in, loaded, as a module; undefined when the tree does not show it. */
async function kernelHas(host: HostView, kernel: string): Promise<'built in' | 'loaded' | 'as a module' | 'no' | undefined> {
  const known = await moduleLists(host, host.live);
  if (known.length > 0 && known.every(({ builtin }) => namesModule(builtin, kernel))) return 'built in';
  if (host.live && new RegExp(`\\b${kernel}$`, 'm').test((await host.readText('/proc/filesystems')) ?? '')) return 'loaded';
  if (known.length === 0) return undefined;
  return known.some(({ modules, builtin }) => namesModule(modules, kernel) || namesModule(builtin, kernel)) ? 'as a module' : 'no';
}

async function lacking(host: HostView, kernel: string): Promise<Finding[]> {
  if ((await kernelHas(host, kernel)) !== 'no') return [];
  return blocker(
    'image-kernel',
    kernel,
    `the kernel has no ${kernel}, neither built in nor as a module`,
    `a kernel with ${kernel}`,
    otherFormat,
  );
}

/** A module that is loaded now by hand would not be there at the next boot, and an image that cannot be mounted takes every extension away. */
async function blacklisted(host: HostView, kernel: string): Promise<Finding[]> {
  if ((await kernelHas(host, kernel)) === 'built in') return [];
  const path = await keptOutBy(host, kernel, host.live);
  if (path === undefined) return [];
  const found = `${path} keeps the kernel from loading ${kernel} by itself: at the next boot no extension at all would be merged`;
  return blocker('image-blacklisted', kernel, found, `${kernel} free to be loaded`, `take it out of ${path}, or ${otherFormat}`);
}

async function noLoop(host: HostView): Promise<Finding[]> {
  if (!host.live || (await host.stat('/dev/loop-control'))?.kind === 'other') return [];
  return blocker('image-no-loop', '/dev/loop-control', 'there is no /dev/loop-control', 'loop devices', `modprobe loop; or ${otherFormat}`);
}

/** kata-sysext's images are not signed yet. */
async function policy(host: HostView): Promise<Finding[]> {
  const strict = await strictPolicy(host);
  if (strict === undefined) return [];
  return blocker(
    'image-policy',
    strict.path,
    `${strict.path} has the image policy ${strict.policy}, which refuses images without a signature`,
    'a policy that takes unprotected images for root or usr',
    `change it, or ${otherFormat}`,
  );
}
