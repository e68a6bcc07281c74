/** A machine’s architecture, by the name that Kata uses. */
export type Architecture = 'x86_64' | 'aarch64' | 's390x' | 'ppc64le';

/** A fact is known with its source, or unknown with the reason. Nothing is guessed. */
export type Fact<T> = { known: true; value: T; source: string } | { known: false; why: string };

export interface OperatingSystem {
  id: string;
  name: string;
  version: string;
  /** '4.19' where the host is a node of OpenShift. */
  openshift?: string | undefined;
  /** Row of the table in `os.ts`. */
  kind: 'fcos' | 'rhcos' | 'flatcar' | 'microos' | 'other';
}

export interface EtcState {
  writable: boolean;
  /** Lost at the next boot: in memory, or an overlay in memory. */
  transient: boolean;
}

export interface SelinuxState {
  /** 'targeted', 'default', …; undefined when no policy is there. */
  policy?: string;
  mode: 'enforcing' | 'permissive' | 'disabled';
}

export interface HostFacts {
  os: Fact<OperatingSystem>;
  architecture: Fact<Architecture>;
  ostree: Fact<boolean>;
  machine: string;
  deployment: string;
  boot: string;
  etc: Fact<EtcState>;
  selinux: Fact<SelinuxState>;
  kvm: Fact<boolean>;
}

export function known<T>(value: T, source: string): Fact<T> {
  return { known: true, value, source };
}

export function unknown<T>(why: string): Fact<T> {
  return { known: false, why };
}
