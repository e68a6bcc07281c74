export { type Cri, openCri } from './client.ts';
export { probeCri, realSocket } from './probe.ts';
export { networkReady, sandboxImageOf } from './sandboxImage.ts';
export type { Container, ContainerConfig, ContainerStatus, PodSandbox, SandboxConfig, StatusAnswer, VersionAnswer } from './shapes.ts';
