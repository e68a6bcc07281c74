export { butane } from './butane.ts';
export { bakedContainerfile, containerfile, containerfileNames } from './containerfile.ts';
export { ignition } from './ignition.ts';
export { machineConfigs, type PoolRequest } from './machineConfig.ts';
