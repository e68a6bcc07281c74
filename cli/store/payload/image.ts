import { isUtf8 } from 'node:buffer';
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { appendFile, chmod, stat } from 'node:fs/promises';
import { KataError } from '../../errors/index.ts';
import { type Architecture, selinuxState } from '../../facts/index.ts';
import { byBytes, type Digest, type Host, type HostPath } from '../../host/index.ts';
import {
  formatRow,
  type ImageFormat,
  type ImageManifest,
  imageSchema,
  labelled,
  type Recipe,
  recipeFor,
  trailerOf,
  tryImage,
} from '../../images/index.ts';
import { familyOfPolicy } from '../../layout/index.ts';
import { versionsName } from '../../sbom/versions.ts';
import { version as program } from '../../version.ts';
import { extensionName, imageName, insideExtension } from '../paths.ts';
import type { PayloadManifest } from '../types.ts';
import { extensionEntries, hasVersions, sbomEntries, textsOf, wrapExtension } from './extension.ts';
import { writeNotices } from './notices.ts';
import { withSha1 } from './sha1.ts';

export interface PackRequest {
  format: ImageFormat;
  architecture: Architecture;
  /** kata-sysext's folder; `tree` in it has the release's tree. */
  staging: HostPath;
  /** Seconds; the time of everything in the image. */
  epoch: number;
}

/** A payload as an image that is whole but not yet in the store. */
export interface Packed {
  manifest: PayloadManifest;
  /** Where the release's tree is now. */
  tree: HostPath;
  /** The folder to put into the store by one rename: the image, and the texts beside it. */
  whole: HostPath;
}

/** Makes an image of a staged release. The same tree, format and tools make the same bytes. Throws `host-program-missing`, `image-tool-old`, `image-kernel`. */
export async function packImage(host: Host, manifest: PayloadManifest, request: PackRequest): Promise<Packed> {
  const { staging } = request;
  const { release } = manifest.extension;
  const [around, whole] = [`${staging}/extension`, `${staging}/image`];
  await wrapExtension(host, `${staging}/tree`, around, release);
  const tree = `${around}/${insideExtension}`;
  const hashed = { ...manifest, entries: await withSha1(host, tree, manifest.entries) };
  const notices = await writeNotices(host, around, await noticesFor(host, hashed, tree, request));
  const state = await selinuxState(host);
  const family = familyOfPolicy(state.known ? (state.value.policy ?? '') : '');
  const contents = labelled(
    [...extensionEntries(release, hashed.entries), ...notices].sort((a, b) => byBytes(a.path, b.path)),
    family,
  );
  await host.mkdir(whole, 0o755);
  const path = `${whole}/${imageName}`;
  await host.failpoint('store/image/before');
  const tool = await runMaker(host, { ...request, around, path, contents, payload: manifest.digest });
  const held = await host.hold(whole);
  try {
    return await withManifest(host, hashed, request, {
      whole,
      around,
      contents,
      tool,
      real: `${held.path}/${imageName}`,
    });
  } finally {
    held.close();
  }
}

async function noticesFor(
  host: Host,
  { release, digest: payload, sources, entries }: PayloadManifest,
  tree: HostPath,
  { architecture, epoch: createdSeconds }: PackRequest,
): Promise<{ path: string; text: string }[]> {
  const { noticeFiles } = await import('../../sbom/index.ts');
  const files = sbomEntries(entries);
  const versions = hasVersions(entries) ? await host.readText(`${tree}/${versionsName}`) : undefined;
  return noticeFiles({ name: extensionName, release, architecture, payload, files, sources, versions, program, createdSeconds });
}

interface Made {
  whole: HostPath;
  around: HostPath;
  contents: ImageManifest['contents'];
  /** The program's name and version. */
  tool: string;
  /** Of the image, through its folder's descriptor. */
  real: string;
}

/** Puts the manifest behind the file system, and the texts beside the image. */
async function withManifest(
  host: Host,
  manifest: PayloadManifest,
  { format, architecture, epoch }: PackRequest,
  { whole, around, contents, tool, real }: Made,
): Promise<Packed> {
  const texts = await textsIn(host, manifest, `${around}/${insideExtension}`);
  const hash = await hashOf(real);
  const filesystem = { sizeBytes: (await stat(real)).size, digest: digestOfHash(hash) };
  const { release: name, sources, handlers, defaultHandler, available, savedBytes } = manifest;
  const said: ImageManifest = {
    schema: imageSchema,
    format,
    payload: manifest.digest,
    architecture,
    release: name,
    sources,
    handlers,
    defaultHandler,
    available,
    savedBytes,
    extensionRelease: manifest.extension.release,
    contents,
    texts,
    epoch,
    tool,
    program,
    filesystem,
  };
  const trailer = trailerOf(said);
  await appendFile(real, trailer);
  await chmod(real, 0o644);
  await host.failpoint('store/image/made');
  await writeTexts(host, whole, texts, manifest);
  const image = { format, sizeBytes: filesystem.sizeBytes + trailer.length, digest: digestOfHash(hash.update(trailer)) };
  await tryImage(host, await host.locate(`${whole}/${imageName}`), format);
  // Not the file system: what the image was made of lies there as well, and goes.
  await host.syncTree(whole);
  return { manifest: { ...manifest, image }, tree: `${around}/${insideExtension}`, whole };
}

/** The file is read once: what is put behind it goes into the same hash. */
async function hashOf(path: string): Promise<Hash> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash;
}

function digestOfHash(hash: Hash): Digest {
  return `sha256:${hash.copy().digest('hex')}`;
}

interface Making extends PackRequest {
  around: HostPath;
  path: HostPath;
  contents: ImageManifest['contents'];
  payload: Digest;
}

/** Gives the program's name and version. */
async function runMaker(host: Host, { format, staging, around, path, contents, epoch, payload }: Making): Promise<string> {
  const { maker, versionArguments } = formatRow(format);
  const printed = await host.run(maker, versionArguments, { accept: [0, 1] });
  const version = /\b(\d+)\.(\d+)(?:\.\d+)?/.exec(`${printed.stdout}\n${printed.stderr}`)?.[0] ?? '0';
  const folder = `${staging}/recipe`;
  await host.mkdir(folder, 0o700);
  const real = await host.locate(folder);
  const recipe = recipeFor(format, {
    tree: await host.locate(around),
    image: await host.locate(path),
    contents,
    epoch,
    payload,
    version: version.split('.').map(Number),
    at: (name) => `${real}/${name}`,
  });
  for (const [name, text] of Object.entries(recipe.files)) await host.writeFile(`${folder}/${name}`, text, { mode: 0o600 });
  await labelTree(host, recipe, around, contents, `${maker} ${version}`);
  await host
    .steady([around, path, folder], () => host.run(maker, recipe.args))
    .catch((error: unknown) => Promise.reject(outOfSpace(error, staging)));
  return `${maker} ${version}`;
}

async function labelTree(
  host: Host,
  { labelTree: wanted }: Recipe,
  around: HostPath,
  contents: ImageManifest['contents'],
  tool: string,
): Promise<void> {
  if (!wanted) return;
  const { rootContext } = await import('../../images/index.ts');
  const labels = new Map([
    [around, rootContext],
    ...contents.map(({ path, context }): [HostPath, string] => [`${around}/${path}`, context]),
  ]);
  await host.setLabels(labels).catch((cause: unknown) => {
    throw new KataError('image-tool-old', {
      subject: tool,
      found: `${tool} takes labels only from the files themselves, and they cannot be set here`,
      needed: 'squashfs-tools 4.6 or later; or root, setfattr and a file system with xattrs',
      next: 'use --format erofs',
      cause,
    });
  });
}

async function textsIn(
  host: Host,
  manifest: Pick<PayloadManifest, 'handlers' | 'entries'>,
  tree: HostPath,
): Promise<Record<string, string>> {
  const pairs = textsOf(manifest).map(async (path): Promise<[string, string]> => {
    const bytes = await host.readFile(`${tree}/${path}`);
    if (!isUtf8(bytes)) throw noText(path);
    return [path, bytes.toString()];
  });
  return Object.fromEntries(await Promise.all(pairs));
}

/** What lies beside an image is written from the text in its manifest, and has to be the same bytes. */
function noText(path: string): KataError {
  return new KataError('bundle-layout', {
    subject: path,
    found: `${path} of the release is not UTF-8 text`,
    needed: 'a release of Kata Containers, whose configurations and versions.yaml are text',
    next: 'fetch the archive again; if it stays so, do not trust its origin',
  });
}

/** The texts of an image, beside it as in the release's tree. */
export async function writeTexts(
  host: Host,
  whole: HostPath,
  texts: Record<string, string>,
  { entries }: Pick<PayloadManifest, 'entries'>,
): Promise<void> {
  const modes = new Map(entries.map(({ path, mode }) => [path, mode]));
  for (const [path, text] of Object.entries(texts)) {
    const parts = `${insideExtension}/${path}`.split('/');
    for (const [index] of parts.slice(0, -1).entries()) {
      const folder = `${whole}/${parts.slice(0, index + 1).join('/')}`;
      if ((await host.lstat(folder)) === undefined) await host.mkdir(folder, 0o755);
    }
    await host.writeFile(`${whole}/${parts.join('/')}`, text, { mode: modes.get(path) ?? 0o644 });
  }
}

/** The programs say it in words. */
function outOfSpace(error: unknown, staging: HostPath): unknown {
  if (!(error instanceof KataError) || !/no space left|ENOSPC/i.test(error.message)) return error;
  return new KataError('host-space', {
    subject: staging,
    found: `the file system of ${staging} ran full while the image was made`,
    needed: 'room for the unpacked files of the wanted handlers and for the image, at the same time',
    next: `free some: df -h ${staging}`,
    cause: error,
  });
}
