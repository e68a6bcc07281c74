import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Finding, KataError } from '../../errors/index.ts';
import { type HostFacts, systemdVersion } from '../../facts/index.ts';
import type { HostView } from '../../host/index.ts';
import { type ImageManifest, readTrailer } from '../../images/index.ts';
import type { PayloadManifest } from '../../store/index.ts';
import type { InstallRequest } from './types.ts';

/** An image that was made elsewhere, named in place of a bundle. */
export interface Given {
  /** Real path on this machine. */
  file: string;
  said: ImageManifest;
}

/** The image that an install is about; undefined when it names bundles. Throws `usage`, `image-damaged`, `image-newer`. */
export async function givenImage({ sources, format }: Pick<InstallRequest, 'sources' | 'format'>): Promise<Given | undefined> {
  const all = await Promise.all(sources.map(async (file) => ({ file, said: await saidBy(file) })));
  const [given] = all.flatMap(({ file, said }) => (said === undefined ? [] : [{ file, said }]));
  if (given === undefined) return undefined;
  const name = basename(given.file);
  const next = 'kata-sysext install --help';
  if (sources.length > 1) throw usage(`the image ${name} together with ${sources.length - 1} more`, 'one image, or bundles', next);
  if (format !== undefined && format !== given.said.format)
    throw usage(`--format ${format}, but ${name} is an image of the format ${given.said.format}`, 'no --format with an image', next);
  return given;
}

async function saidBy(file: string): Promise<ImageManifest | undefined> {
  return (await stat(file).catch(() => undefined))?.isFile() === true ? readTrailer(file) : undefined;
}

/** What prevents the use of an image on this host that was made on another one. */
export async function givenFindings(host: HostView, { file }: Given): Promise<Finding[]> {
  const systemd = await systemdVersion(host);
  if (!systemd.known || systemd.value >= 252) return [];
  return [
    {
      code: 'image-systemd-old',
      level: 'blocker',
      subject: basename(file),
      found: `systemd ${systemd.value} takes no extension that is made for any OS, as images are`,
      needed: 'systemd 252 or later',
      next: 'install the bundle itself, with --format; an image is then made here',
    },
  ];
}

/** Whether the image was made for another architecture than the host's. */
export function architectureFindings({ architecture }: HostFacts, { file, said }: Given): Finding[] {
  const own = architecture.known ? architecture.value : 'unknown';
  if (own === said.architecture) return [];
  return [
    {
      code: 'host-architecture',
      level: 'blocker',
      subject: basename(file),
      found: `${basename(file)} was made for ${said.architecture}, and the host is ${own}`,
      needed: `an image for ${own}`,
      next: 'make one from the archives for that architecture: kata-sysext build',
    },
  ];
}

/** An image may have more handlers than are wanted; a generation has only these. */
export function limitedTo(payload: PayloadManifest, wanted: string[] | undefined): PayloadManifest {
  if (wanted === undefined) return payload;
  return { ...payload, handlers: payload.handlers.filter((handler) => wanted.includes(handler.release)) };
}

function usage(found: string, needed: string, next: string): KataError {
  return new KataError('usage', { subject: 'install', found, needed, next });
}
