export { handlerIsDefault, isRefused } from './common/complaints.ts';
export { exceptKeys } from './common/differences.ts';
export { checkEditable } from './common/editable.ts';
export { exceptSwitch, setsLabels, switchCode, withLabels, withSwitch } from './common/selinuxSwitch.ts';
export { servingPid } from './common/servingPid.ts';
export type { Engine, EngineCri, EngineDump, Scratch, ShimProtocol } from './contract.ts';
export { probeTimeouts } from './probeTimeouts.ts';
export { allUnits, engineNamed, enginePlugins, engines, engineUnits, preparingUnits, unitNames, withEngines } from './registry.ts';
export { refusalBy, rendererOf, type Sighting, writerOf } from './renderers.ts';
export type {
  Displaced,
  EffectiveDiff,
  EngineState,
  FileChange,
  ForeignWiring,
  Instance,
  Mark,
  RenderedBy,
  Sandbox,
  WantedHandler,
  Wiring,
  WiringPlan,
} from './types.ts';
