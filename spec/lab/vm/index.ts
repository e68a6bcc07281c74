export { type AuditCursor, type Denial, summary } from './audit.ts';
export { bootVm, type VmOptions } from './boot.ts';
export { type Disk, type FileSystem, REFS, VERSIONS, vmDisk } from './disk.ts';
export type { BootEntry } from './entries.ts';
export { GOODS } from './goods.ts';
export { derivedState, type SavedState, savedState } from './saved.ts';
export type { Boot, Vm } from './vm.ts';
