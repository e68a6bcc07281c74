import { KataError } from '../errors/index.ts';
import { digestOf, type HostView } from '../host/index.ts';
import { activeOne } from '../planning/choices/installed.ts';
import { type SbomRequest, versionsName } from '../sbom/index.ts';
import {
  architectureOfRelease,
  extensionName,
  hasVersions,
  type PayloadManifest,
  payloadManifest,
  payloadOf,
  sbomEntries,
  withSha1,
} from '../store/index.ts';

/**
 * What the SPDX document of the active payload is made of. Reads each of its files once, but of an image only the manifest. Throws
 * `nothing-installed`, and `payload-damaged` for files that are not as the manifest says.
 */
export async function activeSbom(host: HostView, program: string, signal: AbortSignal): Promise<SbomRequest> {
  const { manifest } = await activeOne(host);
  const payload = await payloadOf(host, manifest);
  if (payload === undefined) throw damaged(payloadManifest(manifest.payload), 'is not there');
  const versions = await versionsOf(host, payload);
  return {
    name: extensionName,
    release: payload.release,
    architecture: architectureOfRelease(payload.extension.release),
    payload: payload.digest,
    files: sbomEntries(await withSha1(host, payload.folder, payload.entries, signal)),
    sources: manifest.sources,
    versions,
    program,
    createdSeconds: Math.floor(Date.parse(manifest.created) / 1000),
  };
}

async function versionsOf(host: HostView, { folder, entries }: PayloadManifest): Promise<string | undefined> {
  if (!hasVersions(entries)) return undefined;
  const path = `${folder}/${versionsName}`;
  const bytes = await host.readFile(path, 'configuration').catch((cause: unknown) => {
    throw damaged(path, 'cannot be read', cause);
  });
  if (digestOf(bytes) !== entries.find((entry) => entry.path === versionsName)?.digest) throw damaged(path, 'has other bytes');
  return bytes.toString();
}

function damaged(path: string, what: string, cause?: unknown): KataError {
  return new KataError('payload-damaged', {
    subject: path,
    found: `${path} ${what}`,
    needed: 'the file as it was installed',
    next: 'kata-sysext verify; then install that release again',
    cause,
  });
}
