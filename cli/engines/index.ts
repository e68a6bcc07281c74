import { containerd } from './containerd/index.ts';
import { crio } from './crio/index.ts';
import type { Engine } from './types.ts';

/** Every engine that can be wired, in the order in which hosts are searched for them. */
export const engines: readonly Engine[] = [containerd, crio];

/** The engine of that name (`--engine NAME[@VERSION]`, a recorded wiring), or undefined. */
export function engineNamed(name: string): Engine | undefined {
  return engines.find((engine) => engine.name === name);
}

export { isRefused } from './common/complaints.ts';
export { type Renderer, rendererOf, type Sighting, writerOf } from './renderers/index.ts';
export { restartRisks } from './restartRisks.ts';
export type {
  EffectiveDiff,
  Engine,
  EngineState,
  FileChange,
  ForeignWiring,
  Instance,
  Mark,
  Sandbox,
  Scratch,
  WantedHandler,
  Wiring,
  WiringPlan,
} from './types.ts';
