export { type Cri, networkReady, openCri, realSocket } from './client.ts';
export { type EffectiveHandlers, infoOf, runtimesIn, textIn } from './info.ts';
export type { ContainerConfig, PodSandbox, SandboxConfig, StatusAnswer } from './shapes.ts';
