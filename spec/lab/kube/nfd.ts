import { join } from 'node:path';
import { builtRequired, moduleFiles, unbuilt } from '../goPrograms.ts';
import type { Availability } from '../roots.ts';

const [module, version] = ['sigs.k8s.io/node-feature-discovery', 'v0.19.0'];

/** Node Feature Discovery. */
export interface Nfd {
  /** A folder with nfd-worker and nfd-master, built as for its image: they find the host's folders below /host-. */
  programs: string;
  /** Its own kustomization for a cluster. */
  kustomization: string;
}

/** Whether it can be had here; a `why` is for a skip's name. A cold build takes 100 seconds of a core. */
export async function nfdAvailable(): Promise<Availability> {
  try {
    await nfd();
    return { ok: true };
  } catch (error) {
    return unbuilt(`Node Feature Discovery ${version}`, error);
  }
}

export async function nfd(): Promise<Nfd> {
  const variables = { 'version.version': version, 'utils/hostpath.pathPrefix': '/host-' };
  const flags = Object.entries(variables).map(([name, value]) => `-X ${module}/pkg/${name}=${value}`);
  const programs = await builtRequired('nfd', {
    sources: join(import.meta.dirname, 'nfd'),
    above: `${module}/cmd`,
    names: ['nfd-worker', 'nfd-master'],
    ldflags: `-s -w ${flags.join(' ')}`,
  });
  const files = await moduleFiles('nfd-deployment', `${module}@${version}`, ['deployment']);
  return { programs, kustomization: join(files, 'deployment/overlays/default') };
}
