export { isRefused } from './common/complaints.ts';
export { probeTimeouts } from './probeTimeouts.ts';
export { allUnits, engineNamed, enginePlugins, engines, engineUnits, unitNames, withEngines } from './registry.ts';
export { type Renderer, rendererOf, type Sighting, writerOf } from './renderers.ts';
export type {
  EffectiveDiff,
  Engine,
  EngineCri,
  EngineDaemon,
  EngineDump,
  EnginePlugin,
  EngineState,
  FileChange,
  ForeignWiring,
  Instance,
  Mark,
  OfflineWiring,
  Sandbox,
  Scratch,
  ShimProtocol,
  WantedHandler,
  Wiring,
  WiringPlan,
} from './types.ts';
