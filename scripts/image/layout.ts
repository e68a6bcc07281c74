import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOfFile } from '../../cli/host/index.ts';
import { compress } from '../single/compress.ts';

/** As OCI's image specification names an architecture. */
export type OciArch = 'amd64' | 'arm64';

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

/** One image: the tar of its root, which is moved into the layout. */
export interface ImageOf {
  arch: OciArch;
  tar: string;
}

export interface LayoutRequest {
  /** Empty; the layout is written to it. */
  folder: string;
  version: string;
  images: readonly ImageOf[];
  /** Seconds since 1970: when the image was made, as it says. */
  seconds: number;
  /** Of zstd. */
  level: number;
}

const media = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+zstd',
};

/**
 * Writes an OCI image layout (image-spec 1.1) of one index with an image of one layer for each architecture. Gives the digest of the index,
 * which is what a pod names, and the compressed bytes of each layer.
 */
export async function writeLayout({
  folder,
  version,
  images,
  seconds,
  level,
}: LayoutRequest): Promise<{ index: string; layerBytes: Record<string, number> }> {
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true });
  const created = new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
  const labels = {
    'org.opencontainers.image.title': 'kata-sysext',
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.licenses': 'Apache-2.0',
    'org.opencontainers.image.created': created,
  };
  const manifests: object[] = [];
  const layerBytes: Record<string, number> = {};
  for (const { arch, tar } of images) {
    const diffId = await digestOfFile(tar);
    const layer = { mediaType: media.layer, ...(await moveIn(folder, await compress(tar, level))) };
    await rm(tar);
    layerBytes[arch] = layer.size;
    const config = await put(folder, media.config, {
      created,
      architecture: arch,
      os: 'linux',
      // No entry point: a pod says what each container runs.
      config: { User: '0', Env: ['PATH=/'], WorkingDir: '/', Labels: labels },
      rootfs: { type: 'layers', diff_ids: [diffId] },
      history: [{ created, created_by: 'kata-sysext: npm run image' }],
    });
    const manifest = await put(folder, media.manifest, {
      schemaVersion: 2,
      mediaType: media.manifest,
      config,
      layers: [layer],
      annotations: labels,
    });
    manifests.push({ ...manifest, platform: { architecture: arch, os: 'linux' } });
  }
  const index = await put(folder, media.index, { schemaVersion: 2, mediaType: media.index, manifests, annotations: labels });
  const named = { ...index, annotations: { 'org.opencontainers.image.ref.name': version } };
  await writeFile(join(folder, 'index.json'), jsonOf({ schemaVersion: 2, mediaType: media.index, manifests: [named] }));
  await writeFile(join(folder, 'oci-layout'), jsonOf({ imageLayoutVersion: '1.0.0' }));
  return { index: index.digest, layerBytes };
}

async function moveIn(folder: string, file: string): Promise<Omit<Descriptor, 'mediaType'>> {
  const bytes = await readFile(file);
  const digest = sha256(bytes);
  await rename(file, blob(folder, digest));
  return { digest, size: bytes.length };
}

async function put(folder: string, mediaType: string, value: object): Promise<Descriptor> {
  const bytes = Buffer.from(jsonOf(value));
  const digest = sha256(bytes);
  await writeFile(blob(folder, digest), bytes);
  return { mediaType, digest, size: bytes.length };
}

function blob(folder: string, digest: string): string {
  return join(folder, 'blobs/sha256', digest.replace('sha256:', ''));
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function jsonOf(value: object): string {
  return JSON.stringify(value);
}
