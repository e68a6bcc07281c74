import { hidden } from '../common/renderer.ts';
import type { RefusedEngine } from '../contract.ts';
import { krunFindings } from './krun.ts';

/** Podman prevents no change. It starts OCI programs through conmon, and Kata is none since 2.0 (docs/facts/docker.md#nerdctl-and-podman). */
export const podman: RefusedEngine = {
  kind: 'refused',
  name: 'podman',
  title: 'Podman',
  units: [],
  programs: ['podman'],
  storage: [],
  report: hidden([]),
  renders: undefined,
  refusal: undefined,
  named: {
    found:
      'Podman starts OCI programs and no shims, and Kata has had no OCI program since 2.0 (kata-containers issue 722, podman issue 8579).',
    needed: 'containerd, CRI-O or Docker, which start shims.',
    next: 'kata-sysext check',
  },
  instead: krunFindings,
};
