import { hidden } from '../common/renderer.ts';
import type { EngineFacts, Rendering } from '../contract.ts';

const units = ['k0sworker.service', 'k0scontroller.service'];

/** Where k0s keeps all that it unpacks, unless --data-dir names another folder. */
export const usualDataDir = '/var/lib/k0s';
/** k0s has no option for these (docs/facts/k0s.md#files). */
export const usualConfig = '/etc/k0s/containerd.toml';
export const dropIns = '/etc/k0s/containerd.d';
export const usualSocket = '/run/k0s/containerd.sock';
/** What k0s up to 1.35 merges the drop-ins into. */
export const renderedCri = '/run/k0s/containerd-cri.toml';

/** Words of a command that make k0s use an engine of the host. */
export const external = /(?:^|[\s'"])--cri-socket[=\s'"]+\S/;

const renders: Rendering = {
  overwrites: undefined,
  units,
  otherUnits: /^k0s[\w.@-]*\.service$/,
  program: /^k0s$/,
  files: [usualConfig, renderedCri, usualDataDir],
  external: { words: external, files: [], folders: [] },
  written: /^# k0s_managed=true$|\/run\/k0s\//m,
  wired: {
    found: 'k0s starts a containerd of its own for the node’s pods, which never see what is written to the file of another one',
    docs: {
      does: 'starts a containerd of its own with `/etc/k0s/containerd.toml`, and restarts it by itself after a change of `/etc/k0s/containerd.d`',
      recognised: '`k0sworker.service`, `k0scontroller.service`; a running unit of another name whose main process is k0s',
      works: '[wired](../concepts/k0s.md): a drop-in in the folder that k0s reads',
    },
  },
};

/** What is known of k0s without a host. */
export const facts: EngineFacts = {
  name: 'k0s',
  title: 'k0s',
  units,
  programs: ['k0s'],
  storage: [`${usualDataDir}/containerd`],
  report: hidden(['/etc/k0s']),
  renders,
};
