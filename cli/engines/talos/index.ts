import { explainRendered, hidden } from '../common/renderer.ts';
import type { RefusedEngine } from '../types.ts';

/** It has a system extension with Kata of its own. */
export const talos: RefusedEngine = {
  kind: 'refused',
  name: 'talos',
  title: 'Talos Linux',
  units: [],
  programs: [],
  storage: [],
  report: hidden([]),
  renders: {
    overwrites: undefined,
    units: [],
    files: [],
    host: { ids: ['talos'], files: [] },
    written: undefined,
  },
  refusal: {
    found:
      'Talos Linux has no shell and no unit files; it starts its containerd itself, with a configuration that it makes from its image and its machine configuration',
    needed: 'the system extension kata-containers of Talos in the image of the node',
    next: `${explainRendered}; talosctl get extensions`,
    docs: {
      does: 'starts containerd itself, with a configuration from its image',
      recognised: '`ID=talos` in os-release',
      works: 'the system extension `kata-containers` in the image of the node',
    },
  },
};
