import { errnoOf, KataError } from '../../errors/index.ts';
import { readRegular } from '../../host/regular.ts';
import type { Digest } from '../../host/types.ts';
import { downloadWhole } from '../index.ts';
import type { DownloadRequest } from '../types.ts';
import { type Layer, maxManifestBytes, readManifest, typesAsked, unfit } from './manifest.ts';
import { type OciReference, type Registry, shownReference } from './reference.ts';
import { addressIn, credentialsFor } from './registry.ts';

type Options = Omit<DownloadRequest, 'address' | 'digest' | 'credentials' | 'accept'>;

export interface Artefact {
  /** What is installed: a file of a layout, or the artefact's word again. */
  source: string;
  /** Of the layer, as its manifest has it. */
  digest: Digest;
  /** What the layer calls itself, where that is a usual name of a file. */
  name: string | undefined;
}

/**
 * What an artefact has for a machine. `architecture`: as `uname -m` says it; asked for an index only.
 * Throws `oci-unfit`, `download-failed`, `download-refused`, and `usage` for a file of passwords that cannot be used.
 */
export async function resolveOci(
  reference: OciReference,
  options: Options,
  architecture: () => Promise<string | undefined>,
): Promise<Artefact> {
  const { digest, name } = await layerIn(reference, options, architecture);
  return { source: reference.kind === 'layout' ? blobIn(reference.folder, digest) : shownReference(reference), digest, name };
}

async function layerIn(reference: OciReference, options: Options, architecture: () => Promise<string | undefined>): Promise<Layer> {
  const first = readManifest(await manifestOf(reference, options), reference);
  if (first.kind === 'manifest') return first.layer;
  const own = { ...reference, manifest: first.manifestFor(await architecture()) };
  const second = readManifest(await manifestOf(own, options), own);
  if (second.kind === 'manifest') return second.layer;
  throw unfit(own, 'it is an index in an index');
}

/** How the layer of an artefact is downloaded. */
export async function layerRequest(registry: Registry, digest: Digest, options: DownloadRequest): Promise<DownloadRequest> {
  const credentials = await credentialsFor(registry, options, downloadWhole);
  return { ...options, address: addressIn(registry, 'blobs', digest), digest, credentials };
}

async function manifestOf(reference: OciReference, options: Options): Promise<Buffer> {
  const { manifest } = reference;
  if (reference.kind === 'registry') {
    const request = { ...options, address: addressIn(reference, 'manifests', manifest), accept: typesAsked.join(', ') };
    return downloadWhole({ ...request, credentials: await credentialsFor(reference, request, downloadWhole) }, maxManifestBytes);
  }
  return readRegular(blobIn(reference.folder, manifest), 'configuration').catch((error: unknown) => {
    const found = error instanceof KataError ? error.complaint.found : (errnoOf(error) ?? String(error));
    throw unfit(reference, `the manifest cannot be read (${found})`, error);
  });
}

/** OCI image specification 1.1, “Image Layout”. */
function blobIn(folder: string, digest: Digest): string {
  return `${folder}/blobs/${digest.replace(':', '/')}`;
}
