import { backendNames, imagingBackend } from '../../backends/registry.ts';
import { isAddress, requireName, shownAddress } from '../../download/address.ts';
import { isOci, ociReference } from '../../download/oci/reference.ts';
import { engineNamed } from '../../engines/index.ts';
import { engineNames } from '../../engines/names.ts';
import { allowedCodes, KataError } from '../../errors/index.ts';
import type { Architecture } from '../../facts/index.ts';
import type { Digest } from '../../host/index.ts';
import { formatNames, isFormat } from '../../images/index.ts';
import { handlerRow } from '../../layout/index.ts';
import { profileNamed } from '../../layout/settings/index.ts';
import { aliasRequests } from '../../planning/choices/aliases.ts';
import { settingsOfWords } from '../../planning/choices/settingsWords.ts';
import { archivesOf, catalogueOf, namedRelease, ownCatalogue, ownName, refuseUnfitMirror } from '../../releases/index.ts';
import type { NodeRequest } from '../../requests/request.ts';

/** Of the nodes that get the node pod. */
const architectures: Architecture[] = ['x86_64', 'aarch64'];

/** Words of a request that no node would take, whatever is on it, by the rules of the command line. Throws `request-unfit`. */
export function refuseWords(request: NodeRequest, path: string): void {
  const { handlers = [], aliases = [], settings = [], profiles = [], engines = [], allow = [], backend, format } = request;
  try {
    refuseBundles(request);
    handlers.forEach(handlerRow);
    allowedCodes(allow);
    aliasRequests(aliases);
    settingsOfWords({ set: settings, profiles }).profiles?.forEach(profileNamed);
  } catch (error) {
    if (!(error instanceof KataError)) throw error;
    const { found, needed = '' } = error.complaint;
    throw unfit(path, found, needed);
  }
  const strange = engines.find((name) => engineNamed(name.replace(/@.*$/s, '')) === undefined);
  if (strange !== undefined) throw unfit(path, `the engine ${strange}`, `one of ${engineNames}`);
  if (backend !== undefined && !backendNames.includes(backend))
    throw unfit(path, `backend ${backend}`, `one of ${backendNames.join(', ')}`);
  if (format !== undefined && !isFormat(format)) throw unfit(path, `format ${format}`, `one of ${formatNames.join(', ')}`);
  if (format !== undefined && ![undefined, 'auto', imagingBackend].includes(backend))
    throw unfit(path, `format ${format} with the backend ${backend}`, `backend ${imagingBackend}, or no format`);
}

/** Throws `usage` and `release-unknown`. */
function refuseBundles({ bundles = [], mirror, handlers }: NodeRequest): void {
  // Of a request without bundles no node reads the mirror.
  if (bundles.length === 0) return;
  const sources = bundles.map(({ from }) => from);
  if (mirror !== undefined) refuseUnfitMirror(mirror, sources);
  for (const { from, digest } of bundles) {
    if (isOci(from)) ociReference(from, (path) => path);
    else if (isAddress(from)) refuseUnproven(from, digest);
  }
  const named = namedRelease({ sources, digests: bundles.map(({ digest }) => digest) });
  // Other catalogues are on the nodes.
  if (named !== undefined && catalogueOf(named) === ownName) refuseUnknown(named, handlers);
}

function refuseUnproven(address: string, digest: Digest | undefined): void {
  requireName(address);
  if (digest !== undefined) return;
  const found = `no digest of ${shownAddress(address)} is named`;
  const needed = 'the digest that the release page shows: what a server sends is used only if it has that';
  throw new KataError('usage', { subject: shownAddress(address), found, needed, next: 'kata-sysext releases' });
}

/** A release that has archives for one architecture alone is for the nodes of that one. */
function refuseUnknown(named: string, handlers: string[] | undefined): void {
  const faults = architectures.flatMap((architecture) => {
    try {
      archivesOf(ownCatalogue(), { named, architecture, handlers, from: undefined });
      return [];
    } catch (error) {
      return [error];
    }
  });
  if (faults.length === architectures.length) throw faults[0];
}

function unfit(path: string, found: string, needed: string): KataError {
  return new KataError('request-unfit', { subject: path, found: `${path}: ${found}`, needed, next: 'kata-sysext install --help' });
}
