export { type AuditCursor, type Denial, summary } from './audit.ts';
export { bootVm, type VmOptions } from './boot.ts';
export { type FileSystem, REFS, VERSIONS } from './disk.ts';

export { firstBootDisk } from './firstBoot.ts';
export { GOODS } from './goods.ts';
export { type ImageRepo, imageRepo } from './imageRepo.ts';
export { SERVER } from './machine.ts';
export { isOurs, unexplained } from './noise.ts';
export { type Recording, record } from './recording.ts';
export { checkDisk, insideDisk, replay } from './replay.ts';
export { derivedState, savedState } from './saved.ts';
export type { Vm } from './vm.ts';
export { type Cut, durableAt, phaseAt, readWriteLog } from './writeLog.ts';
