import { createHash } from 'node:crypto';
import { exactOptional } from 'valibot';
import { parseJson } from '../../documents/index.ts';
import { count, digest, listOf, misfitOf, tableOf, text, textLike, valueLike } from '../../documents/shapes.ts';
import { commandWord, KataError } from '../../errors/index.ts';
import type { Digest } from '../../host/types.ts';
import { mostBytes } from '../types.ts';
import { type OciReference, shownReference } from './reference.ts';

/** Registries refuse larger ones (OCI distribution specification 1.1, “Pushing manifests”). */
export const maxManifestBytes = 4 * 1024 * 1024;

const manifestTypes = ['application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json'];
const indexTypes = ['application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json'];

/** What a registry is asked for. */
export const typesAsked = [...manifestTypes, ...indexTypes];

/** Of a layer that may be an archive of Kata, or a saved bundle: `oras push` takes the first for a file. What is in it is judged by its bytes. */
const layerTypes = [
  'application/vnd.oci.image.layer.v1.tar',
  'application/vnd.oci.image.layer.v1.tar+gzip',
  'application/vnd.oci.image.layer.v1.tar+zstd',
  'application/vnd.docker.image.rootfs.diff.tar.gzip',
  'application/x-tar',
  'application/gzip',
  'application/zstd',
  'application/x-xz',
];

const word = textLike('a word', /^[\w.+-]{1,40}$/);
const descriptor = { mediaType: text, digest, size: count };
const title = 'org.opencontainers.image.title';
const annotations = exactOptional(tableOf({ [title]: exactOptional(text) }));
const platform = exactOptional(tableOf({ os: word, architecture: word }));

const shape = tableOf({
  schemaVersion: valueLike<2>('2', (value) => value === 2),
  mediaType: exactOptional(text),
  layers: exactOptional(listOf(tableOf({ ...descriptor, annotations }))),
  manifests: exactOptional(listOf(tableOf({ ...descriptor, platform }))),
});

interface Document {
  mediaType?: string;
  layers?: { mediaType: string; digest: Digest; size: number; annotations?: Record<string, string> }[];
  manifests?: { mediaType: string; digest: Digest; platform?: { os: string; architecture: string } }[];
}

export interface Layer {
  digest: Digest;
  sizeBytes: number;
  /** What it calls itself, where that is a usual name of a file. */
  name: string | undefined;
}

export type Manifest = { kind: 'manifest'; layer: Layer } | { kind: 'index'; manifestFor(architecture: string | undefined): Digest };

/** Throws `oci-unfit` for other bytes than those of the manifest's digest, and for everything that is no archive and no index. */
export function readManifest(content: Buffer, reference: OciReference): Manifest {
  const found = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  if (found !== reference.manifest) throw unfit(reference, `the manifest has the digest ${found}`);
  const value = parsed(content, reference);
  const misfit = misfitOf(shape, value);
  if (misfit !== undefined) throw unfit(reference, `its manifest: ${misfit}`);
  const { manifests, layers, mediaType = (manifests === undefined ? manifestTypes : indexTypes)[0]! } = value as Document;
  if (indexTypes.includes(mediaType)) {
    if (layers !== undefined) throw unfit(reference, 'it is an index with layers');
    return { kind: 'index', manifestFor: (architecture) => manifestFor(manifests ?? [], architecture, reference) };
  }
  if (!manifestTypes.includes(mediaType)) throw unfit(reference, 'its manifest is of a type that is not known');
  if (manifests !== undefined) throw unfit(reference, 'it is a manifest with manifests');
  return { kind: 'manifest', layer: layerOf(layers ?? [], reference) };
}

function layerOf(layers: NonNullable<Document['layers']>, reference: OciReference): Layer {
  const [layer, ...more] = layers;
  if (layer === undefined || more.length > 0) throw unfit(reference, `it has ${layers.length} layers`);
  if (!layerTypes.includes(layer.mediaType))
    throw unfit(reference, `its layer is of the type ${JSON.stringify(layer.mediaType.slice(0, 100))}`);
  if (layer.size > mostBytes) throw unfit(reference, `its layer has ${layer.size} bytes`);
  const name = layer.annotations?.[title];
  const isUsual = name !== undefined && /^[A-Za-z0-9][\w.+-]{0,80}$/.test(name);
  return { digest: layer.digest, sizeBytes: layer.size, name: isUsual ? name : undefined };
}

/** As Go says it (OCI image specification 1.1, “Image Index”). */
const architectures = new Map([
  ['x86_64', 'amd64'],
  ['aarch64', 'arm64'],
  ['ppc64le', 'ppc64le'],
  ['s390x', 's390x'],
]);
const maxShown = 10;

/** The one manifest of an index that is for the machine. */
function manifestFor(manifests: NonNullable<Document['manifests']>, machine: string | undefined, reference: OciReference): Digest {
  const wanted = `linux/${machine === undefined ? 'an unknown architecture' : (architectures.get(machine) ?? machine)}`;
  const platforms = manifests.map(({ platform }) => (platform === undefined ? 'no platform' : `${platform.os}/${platform.architecture}`));
  const [one, ...more] = manifests.filter(({ mediaType }, at) => platforms[at] === wanted && manifestTypes.includes(mediaType));
  if (one !== undefined && more.length === 0) return one.digest;
  const shown = [...platforms.slice(0, maxShown), ...(platforms.length > maxShown ? [`${platforms.length - maxShown} more`] : [])];
  throw unfit(
    reference,
    `it is an index with ${more.length === 0 ? 'no manifest' : `${more.length + 1} manifests`} for ${wanted}; it has ${shown.join(', ') || 'none'}`,
  );
}

function parsed(content: Buffer, reference: OciReference): unknown {
  try {
    return parseJson(content.toString(), { maxBytes: maxManifestBytes });
  } catch (error) {
    throw unfit(reference, `its manifest: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export function unfit(reference: OciReference, found: string, cause?: unknown): KataError {
  return new KataError('oci-unfit', {
    subject: shownReference(reference),
    found: `${shownReference(reference)}: ${found}`,
    needed:
      'the digest of a manifest with one layer, which is an archive of Kata or a saved bundle, or of an index with one such manifest for the machine',
    next:
      reference.kind === 'layout'
        ? `look at it: cat ${commandWord(`${reference.folder}/index.json`)}`
        : `look at it: oras manifest fetch ${shownReference(reference).slice('oci://'.length)}`,
    cause,
  });
}
