import { SUITES, type Suite } from './roots.ts';
import type { Content } from './storage.ts';

export const PAUSE = 'localhost/pause:lab';
export const BUSYBOX = 'localhost/busybox:lab';

/**
 * A whole /etc/containerd/config.toml for a lab host. A tree of cgroups without controllers is what a container of a v1 machine
 * gets: runc fails there on cpu.weight, and without `restrict_oom_score_adj` with "can't get final child's PID from pipe: EOF".
 * containerd 2 has dropped `disable_cgroup`: see {@link runcWithoutControllers}.
 */
export function containerdConfig(suite: Suite, configVersion: 2 | 3 = SUITES[suite].schema): string {
  if (configVersion === 3 && SUITES[suite].schema === 2) throw new Error(`containerd of ${suite} reads no configuration of version 3`);
  const text = configVersion === 3 ? VERSION_3 : VERSION_2;
  return SUITES[suite].containerd !== '2' ? text : text.replace(/^ *disable_cgroup.*\n/m, '');
}

const VERSION_2 = `# lab host
version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "${PAUSE}"
    disable_cgroup = true
    restrict_oom_score_adj = true
    [plugins."io.containerd.grpc.v1.cri".containerd]
      default_runtime_name = "runc"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes]
        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
          runtime_type = "io.containerd.runc.v2"
`;

const VERSION_3 = `# lab host
version = 3

[plugins]
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '${PAUSE}'

  [plugins.'io.containerd.cri.v1.runtime']
    restrict_oom_score_adj = true

    [plugins.'io.containerd.cri.v1.runtime'.containerd]
      default_runtime_name = 'runc'

      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
        runtime_type = 'io.containerd.runc.v2'
`;

// the CRI calls its network ready as soon as it has read one; pods on the host's network never run it
export const CNI = `${JSON.stringify({ cniVersion: '1.0.0', name: 'lab', plugins: [{ type: 'loopback' }] })}\n`;

/**
 * What containerd 2 needs besides its configuration: a runc, first in the unit's PATH, that takes the resource limits out of a
 * bundle before the real one creates it. The engine's configuration stays what a real host has.
 */
export function runcWithoutControllers(suite: Suite): Record<string, Content> {
  if (SUITES[suite].containerd !== '2') return {};
  return {
    '/etc/systemd/system/containerd.service.d/10-lab.conf':
      '[Service]\nEnvironment=PATH=/etc/lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin\n',
    '/etc/lab/bin/runc': { text: RUNC, mode: 0o755 },
  };
}

/** Where a containerd that the lab built lies inside a host, whatever its suite has. */
export const BUILT = '/mnt/containerd';

/** What a host of a suite with containerd 1.x needs for one of 2.x: its own shim comes first, and the runc as above. */
export function builtFiles(): Record<string, Content> {
  return {
    '/etc/systemd/system/containerd.service.d/10-lab.conf': `[Service]\nEnvironment=PATH=/etc/lab/bin:${BUILT}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin\n`,
    '/etc/lab/bin/runc': { text: RUNC, mode: 0o755 },
  };
}

const RUNC = `#!/bin/sh
# the lab's: its cgroups have no controllers, and containerd 2 has no disable_cgroup
create= bundle= before=
for word; do
  [ "$word" = create ] && create=yes
  [ "$before" = --bundle ] && bundle=$word
  before=$word
done
[ -z "$create" ] || perl -0777 -pi -e 's/"resources":(\\{(?:[^{}"]|"(?:[^"\\\\]|\\\\.)*"|(?1))*\\}),//' "$bundle/config.json" || exit 1
exec /usr/bin/runc "$@"
`;

/** The same below a kubelet, whose privileged pods need a rule for devices: without one runc cannot open the container's /dev/null again. */
export function kubeRunc(): Record<string, Content> {
  return {
    ...builtFiles(),
    '/etc/lab/bin/runc': { text: RUNC.replace("),//'", `),/"resources":{"devices":[{"allow":true,"access":"rwm"}]},/'`), mode: 0o755 },
  };
}

/** The same for CRI-O, which also asks for a lower score of the OOM killer than the lab's kernel gives. */
export function crioRunc(): Record<string, Content> {
  const text = RUNC.replace('\'s/"resources":(', `'s/,\\s*"oomScoreAdj":\\s*-?\\d+//; s/"resources":\\s*(`);
  return {
    '/etc/systemd/system/crio.service.d/10-lab.conf':
      '[Service]\nEnvironment=PATH=/etc/lab/bin:/mnt/crio:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin\n',
    '/etc/lab/bin/runc': { text, mode: 0o755 },
  };
}
