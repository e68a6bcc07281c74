import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { imagingBackend } from '../../backends/registry.ts';
import { isAddress } from '../../download/address.ts';
import { type Finding, KataError } from '../../errors/index.ts';
import { type HostFacts, systemdVersion } from '../../facts/index.ts';
import type { HostView } from '../../host/index.ts';
import { type Format, formatNames, type ImageManifest, isFormat, readTrailer } from '../../images/index.ts';
import type { GenerationManifest, PayloadManifest } from '../../store/index.ts';
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
  return !isAddress(file) && (await stat(file).catch(() => undefined))?.isFile() === true ? readTrailer(file) : undefined;
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
export function limitedTo(payload: PayloadManifest, wanted: string[] | undefined, gone: string[] = []): PayloadManifest {
  const handlers = payload.handlers.filter(({ name, own }) => own === undefined || !gone.includes(name));
  return { ...payload, handlers: wanted === undefined ? handlers : handlers.filter((handler) => wanted.includes(handler.release)) };
}

function usage(found: string, needed: string, next: string): KataError {
  return new KataError('usage', { subject: 'install', found, needed, next });
}

/** The form of the image that is given; else the one that is named; else the installed one, as long as the backend stays. Throws `usage`. */
export function chooseFormat(
  { format: requested }: Pick<InstallRequest, 'format'>,
  backend: string,
  from: Pick<GenerationManifest, 'backend' | 'format'> | undefined,
  given?: Given,
): Format {
  if (given !== undefined) return formatOfImage(given, backend);
  if (requested === undefined) return backend === imagingBackend && from?.backend === imagingBackend ? from.format : 'directory';
  if (!isFormat(requested)) throw refused(`--format ${requested}`, `one of ${formatNames.join(', ')}`, 'kata-sysext install --help');
  if (backend === imagingBackend) return requested;
  throw refused(
    `--format ${requested} with the backend ${backend}`,
    `backend ${imagingBackend}, or no --format`,
    `name it as well: --backend ${imagingBackend}`,
  );
}

function formatOfImage({ file, said }: Given, backend: string): Format {
  if (backend === imagingBackend) return said.format;
  throw new KataError('usage', {
    subject: basename(file),
    found: `${basename(file)} is ${said.format === 'erofs' ? 'an' : 'a'} ${said.format} image, and the backend here is ${backend}`,
    needed: `backend ${imagingBackend}, or the bundle that the image was made of`,
    next: `name it: --backend ${imagingBackend}`,
  });
}

function refused(found: string, needed: string, next: string): KataError {
  return new KataError('usage', { subject: '--format', found, needed, next });
}
