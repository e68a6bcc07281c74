import { explainRendered, hidden, ownEngine } from '../common/renderer.ts';
import type { RefusedEngine } from '../types.ts';

const units = ['k0sworker.service', 'k0scontroller.service'];

export const k0s: RefusedEngine = {
  kind: 'refused',
  name: 'k0s',
  title: 'k0s',
  units,
  programs: ['k0s'],
  storage: [],
  report: hidden(['/etc/k0s']),
  renders: {
    overwrites: undefined,
    units,
    program: /^k0s$/,
    files: ['/etc/k0s/containerd.toml', '/run/k0s/containerd-cri.toml', '/var/lib/k0s'],
    external: { words: /(?:^|[\s'"])--cri-socket[=\s'"]+\S/, files: [], folders: [] },
    written: /^# k0s_managed=true$|\/run\/k0s\//m,
  },
  refusal: {
    found:
      'k0s starts a containerd of its own with /etc/k0s/containerd.toml, which it writes itself; its pods never see what is written to another file',
    needed: ownEngine('k0s worker --cri-socket'),
    next: `${explainRendered}; systemctl cat k0sworker k0scontroller`,
    docs: {
      does: 'starts a containerd of its own with `/etc/k0s/containerd.toml`',
      recognised: '`k0sworker.service`, `k0scontroller.service`',
      works: '`k0s worker --cri-socket`',
    },
  },
};
