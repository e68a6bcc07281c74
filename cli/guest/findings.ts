import { commandWord, type Finding } from '../errors/index.ts';
import { type Attempt, attemptText, isLate } from './attempt.ts';
import type { HypervisorRow } from './tables.ts';
import type { Accelerator, GuestRequest } from './types.ts';

/** KVM is there by name only. A warning where the guest was emulated instead. */
export function kvmFails(handler: string, row: HypervisorRow, seen: Attempt, tcg: boolean): Finding {
  const found = `${handler}: ${row.name} runs no guest with KVM on this host: ${seen.reason === 'silent' ? 'the guest printed nothing for 5 s' : attemptText(seen)}`;
  return {
    code: 'host-kvm-fails',
    level: tcg ? 'warning' : 'blocker',
    subject: '/dev/kvm',
    found,
    needed: 'KVM that runs guests: without it no pod of this handler starts here',
    next: tcg ? otherKvm : `${otherKvm}; or see by emulation whether the files are right: kata-sysext verify --boot-guest --tcg`,
  };
}

const otherKvm = 'dmesg | grep -i kvm; in a virtual machine, switch on nested virtualisation for it';

export function noKvm(handler: string, tcg: boolean): Finding {
  const load = 'modprobe kvm_intel || modprobe kvm_amd';
  return {
    code: 'host-no-kvm',
    level: tcg ? 'warning' : 'blocker',
    subject: '/dev/kvm',
    found: `${handler}: there is no /dev/kvm`,
    needed: 'KVM: without it no pod of this handler starts here',
    next: tcg ? load : `${load}; or see by emulation whether the files are right: kata-sysext verify --boot-guest --tcg`,
  };
}

export function guestFailed(handler: string, row: HypervisorRow, seen: Attempt, accelerator: Accelerator, request: GuestRequest): Finding {
  const untried =
    row.tried.length > 0 ? '' : ` (the command line for ${row.name} has never been run by the makers of this version: ask a pod too)`;
  const late = seen.reason === 'late' ? `; on a slow host give it longer than --timeout ${request.timeoutSeconds}` : '';
  const isUnclear = isLate(seen) && accelerator === 'kvm' && !request.tcg;
  const emulated = isUnclear ? '; see by emulation whether KVM is to blame: kata-sysext verify --boot-guest --tcg' : '';
  return {
    code: 'guest-failed',
    level: 'blocker',
    subject: handler,
    found: `${handler}: its guest did not come up: ${attemptText(seen)}${untried}`,
    needed: 'a guest whose kernel starts and reaches the first program of its initrd or image',
    next: `kata-sysext rollback, or install a release whose guest boots${emulated}${late}`,
  };
}

/** A file that a boot would read, missing or of another kind. */
export function fileMissing(handler: string, key: string, path: string, found: string): Finding {
  return {
    code: 'guest-failed',
    level: 'blocker',
    subject: path,
    found: `${handler}: ${path}, its ${key}, ${found}`,
    needed: 'a regular file by an absolute path',
    next: `ls -lL ${commandWord(path)}; its configuration is merged from configuration.toml and /etc/kata-containers/${handler}.d`,
  };
}

/** Nothing that differs from what was installed is started as root. */
export function drifted(handler: string): Finding {
  return {
    code: 'guest-failed',
    level: 'blocker',
    subject: handler,
    found: `${handler}: its guest was not started, because files of the generation differ from what was installed`,
    needed: 'the installed files, unchanged: others are not run as root to see what they do',
    next: 'kata-sysext verify',
  };
}
