export { type Cri, openCri } from './client.ts';
export { probeCri } from './probe.ts';
export type { Container, ContainerConfig, ContainerStatus, PodSandbox, SandboxConfig, StatusAnswer, VersionAnswer } from './shapes.ts';
export { networkReady, sandboxImageOf } from './sandboxImage.ts';
export { realSocket } from './probe.ts';
