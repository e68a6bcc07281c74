import { type CodeRow, row } from './row.ts';

/** Codes of a change that runs. */
export const runningCodes: Record<string, CodeRow> = {
  failed: row(1, 'The change failed; the host is as it was.'),
  'gate-failed': row(1, 'The result was not proven to work; the host was put back.'),
  'sysext-refresh-failed': row(1, 'The refresh of system extensions did not bring what it should; the host was put back.'),
  'overlay-mount-failed': row(1, 'The overlay of /usr did not become what it should; the host was put back.'),
  interrupted: {
    ...row(1, 'A signal, such as ^C, asked the change to end; the host is as it was. After the commit a signal changes nothing any more.'),
    bySignal: true,
  },
  'drift-found': row(1, 'verify found files, links or wiring that differ from the active generation.'),
  'label-differs': row(
    1,
    'A file of kata-sysext has another SELinux label than the one that it needs: the host’s own stock label or, where that keeps virtual machines out, the one that an install writes. A warning where the access is the same, and where the file is another program’s. verify --repair and a repeated install put labels back.',
  ),
  'guest-failed': row(
    1,
    'verify --boot-guest started the installed hypervisor, and its guest did not come up, or its files or configuration are such that the shim would refuse them.',
  ),
  'pod-failed': row(1, 'The engine was asked for a pod of the handler, and it did not run. The message has what the engine answered.'),
  'pod-left': row(1, 'A pod that verify --pod or --prove pod started could not be removed. The next change tries it again.'),
  'pod-on-host-kernel': row(
    1,
    'The pod ran, but its kernel is that of the host and no hypervisor was seen: it may not have been in a virtual machine. A warning.',
  ),
  'not-restored': row(5, 'The change failed and something could not be put back. The message lists what and the commands.'),
  'edited-meanwhile': row(5, 'Another program or user edited a file of the change while it ran.'),
  'lock-held': row(75, 'Another change is running.'),
  'needs-root': row(77, 'Changing a live host needs root.'),
  internal: row(1, 'A fault of the program itself. Please report it with the output of --json.'),
};
