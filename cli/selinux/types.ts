import type { HostPath } from '../host/index.ts';

/** What a policy says of one domain, one target and one class. */
export interface Access {
  allowed: ReadonlySet<string>;
  /** Permissions of the class that the policy knows; of others the kernel decides by `deny_unknown`. */
  known: ReadonlySet<string>;
  /** The domain is permissive: what is denied is logged, and happens. */
  permissive: boolean;
}

/** A policy that can be asked. Contexts are 'user:role:type[:range]'; who asks has checked their form. */
export interface Policy {
  /** undefined: the policy does not know the class. Throws `host-selinux-unasked`, also for a context that the policy does not have. */
  access(source: string, target: string, className: string): Promise<Access | undefined>;
  /** The context that a new object of this class gets; for `process`: the domain of a program after execve(2). */
  create(source: string, target: string, className: string): Promise<string>;
  hasType(type: string): Promise<boolean>;
  /** Whether the kernel denies what the policy does not know. */
  deniesUnknown(): Promise<boolean>;
}

export type FileRole = 'shim file' | 'executable' | 'library' | 'data' | 'folder' | 'link';

/** A file on the host that a pod needs, or that an install would write. */
export interface PolicyFile {
  path: HostPath;
  role: FileRole;
  /** The whole context. */
  context: string;
  /** What the policy's own file contexts give, where the table knows it. */
  stock?: string | undefined;
}

/** Of a handler, what decides which questions are asked. */
export interface AskedHandler {
  name: string;
  family: string;
  hypervisor: string;
}

/** The domains that take part in a pod. */
export interface Domains {
  engine: string;
  shim: string;
  vm: string;
  /** Whether the engine gives virtual machines a label of their own. */
  labelled: boolean;
}

/** A permission that is missing. */
export interface Denial {
  source: string;
  target: string;
  className: string;
  permissions: string[];
  permissive: boolean;
  /** Devices and files that have the target's type; empty for domains. */
  paths: HostPath[];
  /** The type of these files is not the stock one. */
  mislabelled: boolean;
  why: string;
}
