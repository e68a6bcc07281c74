import { explainRendered, hidden } from '../common/renderer.ts';
import type { RefusedEngine } from '../contract.ts';

const units = ['snap.microk8s.daemon-containerd.service'];

export const microk8s: RefusedEngine = {
  kind: 'refused',
  name: 'microk8s',
  title: 'microk8s',
  units,
  programs: [],
  storage: [],
  report: hidden([]),
  renders: {
    overwrites: undefined,
    units,
    files: ['/var/snap/microk8s/current', '/etc/systemd/system/snap.microk8s.daemon-kubelite.service'],
    written: /\/var\/snap\/microk8s\/|\$\{SNAP_DATA\}/,
  },
  refusal: {
    found:
      'microk8s starts a containerd of its own and makes its configuration at each start from a template of the snap; its pods never see what is written to another file',
    needed:
      'a node that does not get its containerd from the snap: microk8s takes no other one; by hand, the handler kata of its template finds a shim in KATA_PATH of args/containerd-env',
    next: `${explainRendered}; snap services microk8s`,
    docs: {
      does: 'makes the configuration at each start from a template of the snap',
      recognised: '`snap.microk8s.daemon-containerd.service`',
      works:
        'by hand: the handler `kata` of the template, with `KATA_PATH` in `args/containerd-env` set to the folder of your own `containerd-shim-kata-v2`',
    },
  },
};
