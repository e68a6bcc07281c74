export { type ConnectOptions, connectSystemd } from './connect.ts';
export type { JobResult, Systemd, Unit, UnitState } from './types.ts';
export { dbusErrorOf } from './wire.ts';
