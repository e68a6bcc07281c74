import type { EngineFacts } from '../contract.ts';

/** What is known of Docker without a host. */
export const facts: EngineFacts = {
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
};

export const usualConfig = '/etc/docker/daemon.json';
export const usualSocket = '/run/docker.sock';

/** What Kata's own guide asks for; the network in Kata's guests is Docker's from this version on (docs/facts/docker.md#limits). */
export const firstVersion = { major: 26, minor: 0 };
