import { podText, reply } from '../../../cli/commands/answer.ts';
import { written } from '../../../cli/engines/k0s/managed.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { errorText } from '../../../cli/output/index.ts';
import { gateText } from '../../../cli/planning/shownPlan.ts';
import { podFailed } from '../../../cli/pod/findings.ts';
import { describe as stepText } from '../../../cli/transaction/index.ts';

/** A line that only a running node prints. `parts` are in the source that prints it; in the spec such a node does what prints it. */
export interface LiveLine {
  line: string;
  source: string;
  parts: string[];
  spec: string;
}

const row = (line: string, source: string, parts: string | string[], spec: string): LiveLine => ({
  line,
  source,
  parts: [parts].flat(),
  spec,
});
const refusals = 'cli/preflight/refusals.ts';
const layer = 'cli/operations/adopt/layer.ts';
const [round, guest, adopted, restored] = [
  'spec/e2e/round.spec.ts',
  'spec/e2e/guest.spec.ts',
  'spec/e2e/adoptLayered.spec.ts',
  'spec/e2e/restore.spec.ts',
];
const [kvm, again, keep, cleanUp] = [
  'there is no /dev/kvm',
  'again, and the next boot starts without it',
  'to keep the layer, if it is wanted',
  'rpm-ostree status; rpm-ostree cleanup --pending drops what waits for the next boot',
];

const [verified, labelled] = ['cli/commands/verbs/verify.ts', 'spec/tree/labelsVerified.spec.ts'];
const qemu = '/usr/local/libexec/kata-sysext/tree/ea40f8a8.../usr/share/kata/bin/qemu-system-x86_64';
const differs = 'system_u:object_r:var_lib_t:s0, not system_u:object_r:bin_t:s0';

export const liveLines: LiveLine[] = [
  row(`✗ ${qemu}: the SELinux label ${differs}`, 'cli/labels/survey.ts', ['the SELinux label ', ', not '], labelled),
  row('generation 1: 106 files, 67 MB, 137 labels: differing: 1. Next: kata-sysext verify --repair', verified, ' labels', labelled),
  row(`✓ ${qemu}: SELinux label put back`, verified, ': SELinux label put back', labelled),
  row('SELinux labels put back: 1', verified, 'SELinux labels put back: ', labelled),
  row('✓ generation 1: 106 files, 67 MB, 137 labels, all as installed', verified, ', all as installed', labelled),
  row(`! ${kvm} [host-no-kvm]`, refusals, [kvm, 'host-no-kvm'], guest),
  row('    needed: KVM, or pods of these handlers will not start', refusals, 'KVM, or pods of these handlers will not start', guest),
  row('    next:   modprobe kvm_intel || modprobe kvm_amd', refusals, 'modprobe kvm_intel || modprobe kvm_amd', guest),
  row('  reloads: docker.service, whose process stays', 'cli/commands/answer.ts', '  reloads: ', 'spec/e2e/docker.spec.ts'),
  row(
    '  then proven: the daemon is ready and lists every earlier handler',
    'cli/planning/shownPlan.ts',
    ' is ready and lists every earlier handler',
    'spec/e2e/docker.spec.ts',
  ),
  row(
    '  rendered: k3s writes /var/lib/rancher/k3s/agent/etc/containerd/config.toml at each start of k3s.service, which starts containerd and the kubelet, and on this server the Kubernetes API',
    'cli/engines/rancher/detect.ts',
    ['at each start of ', ', which starts containerd and the kubelet', ', and on this server the Kubernetes API'],
    'spec/e2e/k3s.spec.ts',
  ),
  row('  restarts: k3s.service', 'cli/commands/answer.ts', '  restarts: ', 'spec/e2e/k3s.spec.ts'),
  row(
    '  rendered: nodeadm writes /etc/containerd/config.toml at each boot and at each start of nodeadm-run.service, which restarts containerd and kubelet',
    'cli/engines/nodeadm/detect.ts',
    ['at each boot and at each start of ', ', which restarts containerd and kubelet'],
    'spec/e2e/nodeadm.spec.ts',
  ),
  row('  restarts: nodeadm-run.service, containerd.service', 'cli/commands/answer.ts', '  restarts: ', 'spec/e2e/nodeadm.spec.ts'),
  row(
    '· containerd.service does not run, and no boot starts it before nodeadm-run.service has rendered, as in an AMI: the files are written, nothing restarts, and no engine is asked [engine-first-start]',
    'cli/engines/nodeadm/plan.ts',
    [
      ' does not run, and no boot starts it before ',
      ' has rendered, as in an AMI: the files are written, nothing restarts, and no engine is asked',
    ],
    'spec/e2e/nodeadm.spec.ts',
  ),
  row('› waiting for containerd', 'cli/gate/gate.ts', 'waiting for ', round),
  row('› watching containerd for 8 s', 'cli/gate/gate.ts', 'watching ', round),
  row(
    '! install (process 4711, since 2026-11-24T00:04:26.000Z) is running',
    'cli/commands/verbs/status.ts',
    ' is running',
    'spec/inspect/changeState.spec.ts',
  ),
  row(
    'program 0.1.0: /var/lib/kata-sysext/bin/0.1.0/kata-sysext (110 MB)',
    'cli/commands/verbs/status.ts',
    'program ',
    'spec/tree/program.spec.ts',
  ),
  row(`! kata is served by the layered kata-containers ${again} [layer-stays]`, layer, [' is served by the layered ', again], adopted),
  row(`    needed: ${keep}`, layer, keep, adopted),
  row(`    next:   ${cleanUp}`, layer, cleanUp, adopted),
  row('  | containerd.service: activating (auto-restart), result exit-code', 'cli/gate/evidence.ts', ', result ', restored),
  row('  | node-agent.service: inactive (dead), result success', 'cli/gate/evidence.ts', ', result ', restored),
];

const pending = {
  needed: 'A running engine that has loaded everything, so that a restart applies only the change of kata-sysext.',
  next: 'Restart it first: systemctl restart ',
};
const failed = {
  parts: ['} of ', ' ended as '],
  found: 'the restart of containerd.service ended as failed; the start of node-agent.service ended as dependency; the host is as it was',
  needed: ' and its dependents active after the ',
};

/** What a plan says on a node of k0s: spec/e2e/k0s.spec.ts. */
const k0sPlan = {
  rendered: { title: 'k0s', ...written(2, '/etc/k0s/containerd.toml') },
  restarts: [],
  byItself: { unit: 'k0sworker.service', program: '/var/lib/k0s/bin/containerd' },
  gate: [],
};

/** Texts of the errors below, by the source that has them. */
export const liveTexts: [source: string, ...parts: string[]][] = [
  ['cli/engines/common/pendingRestarts.ts', pending.needed, pending.next, 'was changed', ', after '],
  ['cli/steps/units.ts', ...failed.parts, 'the start of '],
  ['cli/runner/result.ts', '; the host is as it was'],
  ['cli/steps/restart.ts', failed.needed, 'journalctl -u '],
];

/** Lines of a running node that the program's own functions print of data. */
export function builtLines(): string[] {
  const nothing = { verb: 'install', steps: [], writes: [], bytesWritten: 0, findings: [], dependents: [] };
  const change = { changed: true, handlers: [], bytesWritten: 0, savedBytes: 0, seconds: 1, findings: [] };
  const units = ['containerd.service', 'crio.service'];
  const errors = [
    new KataError('engine-pending-edits', {
      subject: '/etc/containerd/config.toml',
      found: '/etc/containerd/config.toml was changed at 2026-11-24T00:02:01.230Z, after containerd started.',
      needed: pending.needed,
      next: `${pending.next}containerd.service; or accept the change with --allow engine-pending-edits.`,
    }),
    new KataError('gate-failed', {
      subject: units[0]!,
      found: failed.found,
      needed: `${units[0]}${failed.needed}restart`,
      next: `journalctl -u ${units[0]} -n 50`,
    }),
  ];
  return [
    ...podLines(),
    ...units.flatMap((unit) => [
      `  4. ${stepText({ kind: 'restart', by: 'restart', unit, asked: unit } as never)}`,
      `› ${stepText({ kind: 'restart', by: 'restart', unit, asked: unit } as never)}`,
    ]),
    ...units.flatMap(
      (unit) =>
        reply({
          kind: 'Plan',
          plan: { ...nothing, restarts: [unit], gate: gateText({ live: true, restarts: true, coming: true, pods: false }) },
        }).text,
    ),
    ...reply({ kind: 'Plan', plan: { ...nothing, ...k0sPlan } }).text,
    ...units.flatMap((unit) => reply({ kind: 'Change', change: { ...change, verb: 'install', restarted: [unit] } }).text),
    ...errors.flatMap(errorText),
  ];
}

function podLines(): string[] {
  const hypervisor = { name: 'qemu-system-x86_64', pid: 4711, cgroup: '/kubepods', inPodCgroup: true, memoryBytes: 182_000_000 };
  const answer = 'failed to create shim task: open /dev/vhost-vsock: no such file or directory.';
  const failure = podFailed('kata-qemu', { engine: 'containerd' }, new Error(`answered RunPodSandbox with: ${answer}`));
  return [
    ...podText({ handler: 'kata-qemu', ok: true, milliseconds: 1200, container: 'ran', kernel: '6.12.47', hypervisor, findings: [] }),
    ...podText({ handler: 'kata-qemu', ok: false, findings: [failure] }),
  ];
}
