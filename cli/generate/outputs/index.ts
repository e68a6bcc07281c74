export { bakedContainerfile, containerfile, containerfileNames } from './containerfile.ts';
export { ignition } from './ignition.ts';
export { butane, machineConfigs, type PoolRequest } from './machineConfig.ts';
