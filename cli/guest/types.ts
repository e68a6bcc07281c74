import type { Finding } from '../errors/index.ts';
import type { HostPath } from '../host/index.ts';

export type Accelerator = 'kvm' | 'tcg';

/** What `verify --boot-guest` was asked for. */
export interface GuestRequest {
  /** As the user wrote them; empty: every installed handler. */
  handlers: string[];
  /** Emulate where KVM runs no guest. */
  tcg: boolean;
  /** For each guest. */
  timeoutSeconds: number;
}

/** How one handler's guest came up. */
export interface GuestBoot {
  handler: string;
  /** The table of its configuration: 'qemu', 'clh'. */
  hypervisor: string;
  /** The program that was started, or would have been. */
  path?: HostPath;
  /** What the last try ran with; absent when nothing was started. */
  accelerator?: Accelerator;
  /** Release of the guest's kernel, by its own first line. */
  kernel?: string | undefined;
  /** From the start of the hypervisor until that line was seen. */
  milliseconds?: number | undefined;
  /** Whether the kernel has started the first program of the initrd or image. */
  reachedInit: boolean;
  ok: boolean;
  findings: Finding[];
}

/** A handler's configuration as its shim would read it, fragments included, as far as it matters for a boot. */
export interface GuestConfiguration {
  handler: string;
  family: 'go' | 'rust';
  /** The table below [hypervisor]. */
  table: string;
  values: Readonly<Record<string, unknown>>;
}

/** A hypervisor's command line: what to start and which small file it wants in its folder. */
export interface GuestCommand {
  program: HostPath;
  args: string[];
  files: Record<string, string>;
}
