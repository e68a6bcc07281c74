import { architectureOf } from '../../facts/index.ts';
import type { HostView } from '../../host/index.ts';
import { archivesOf, catalogueFor, namedRelease } from '../../releases/index.ts';
import { activeGeneration } from '../../store/index.ts';
import type { InstallRequest } from './types.ts';
import { wantedHandlers } from './wanted.ts';

/** The request with the archives of the release that it names by a version. Throws `usage` and `release-unknown`. */
export async function withArchives(host: HostView, request: InstallRequest): Promise<InstallRequest> {
  const named = namedRelease(request);
  const architecture = await architectureOf(host);
  // What prevents the installation is said where all of that is looked at.
  if (named === undefined || !architecture.known) return request;
  const handlers = wantedHandlers(host, request, await activeGeneration(host));
  const catalogue = await catalogueFor(host, named);
  return { ...request, ...archivesOf(catalogue, { named, architecture: architecture.value, handlers, from: request.fetching?.from }) };
}
