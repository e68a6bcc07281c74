export { type Cri, openCri } from './client.ts';
export { type EffectiveHandlers, infoOf, runtimesIn, textIn } from './info.ts';
export { networkReady } from './network.ts';
export type { ContainerConfig, PodSandbox, SandboxConfig, StatusAnswer } from './shapes.ts';
export { realSocket } from './socket.ts';
