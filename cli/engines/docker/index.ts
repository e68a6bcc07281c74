import type { RefusedEngine } from '../types.ts';

/** Docker is neither wired nor in the way: the support bundle shows its unit and hides its credentials. */
export const docker: RefusedEngine = {
  kind: 'refused',
  name: 'docker',
  title: 'Docker',
  units: ['docker.service'],
  programs: ['dockerd'],
  storage: ['/var/lib/docker'],
  report: {
    configuration: [],
    tables: undefined,
    keys: undefined,
    credentials: ['/etc/docker', '/root/.docker', '/var/roothome/.docker'],
    registries: ['/etc/docker/certs.d'],
    logNoise: undefined,
    words: ['docker'],
  },
  renders: undefined,
  refusal: undefined,
};
