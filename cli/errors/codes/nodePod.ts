import { type CodeRow, row } from './row.ts';

/** Codes of the node pod. */
export const nodePodCodes: Record<string, CodeRow> = {
  'node-pod-unfit': row(
    2,
    'The pod is not as its step needs it: KATA_SYSEXT_REQUEST is missing, /var/lib/kata-sysext of the node is not mounted, or the program is not the single file. The pod of generate kubernetes has all of it; docs/concepts/node-pod.md lists it.',
  ),
  'node-pod-bus': row(
    1,
    'systemd of the node does not answer over the message bus, or refuses a transient unit. The pod needs the folder /run/dbus of the node, uid 0 outside of a user namespace, the SELinux type spc_t, and no AppArmor profile (Unconfined). Under Debian’s SELinux policy it also needs the module in examples/selinux.',
  ),
  'node-pod-unit': row(
    1,
    'The unit of the request ended on the node without a report. Its output is in the log of the pod. The kubelet starts the container again, which starts the unit again.',
  ),
};
