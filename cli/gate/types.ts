import type { Engine, Instance, WiringPlan } from '../engines/index.ts';
import type { HostPath } from '../host/index.ts';
import type { Emit } from '../output/events.ts';
import type { GenerationManifest } from '../store/index.ts';
import type { Baseline } from './baseline.ts';

export interface GateRequest {
  engine: Engine;
  instance: Instance;
  baseline: Baseline;
  /** The generation that must work afterwards; undefined when Kata goes away. */
  to?: GenerationManifest | undefined;
  /** kata-sysext's handlers before and after: only these may differ. */
  touched: string[];
  /** Of these, the handlers that another program serves afterwards. */
  restored: string[];
  restarts: boolean;
  /** When sandboxes were last looked at before the restart, in ms of the epoch. */
  lookedMs?: number;
  /** The main file that the daemon reads from its restart on, where that is another one than now. */
  reads?: HostPath | undefined;
  /** What becomes of the engine's SELinux switch, where it is or was kata-sysext's. */
  selinux?: WiringPlan['selinux'];
  /** Key paths of another installer that may differ. */
  displaced?: string[] | undefined;
  /** An edit by another program keeps kata-sysext's text in a file: then a handler that should go may still be listed. */
  editedByOthers: boolean;
  /** The plan had to be allowed what SELinux’ policy denies: then the gate does not ask again. */
  policyDenies: boolean;
  emit: Emit;
  signal: AbortSignal;
}
