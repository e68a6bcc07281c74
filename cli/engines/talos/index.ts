import { explainRendered, refusedHost } from '../common/renderer.ts';

/** It has a system extension with Kata of its own. */
export const talos = refusedHost(
  { name: 'talos', title: 'Talos Linux' },
  { ids: ['talos'], files: [] },
  {
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
);
