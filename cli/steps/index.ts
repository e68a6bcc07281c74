import { file } from './file.ts';
import { dropFolder, folder } from './folder.ts';
import { layer } from './layer.ts';
import { modules } from './modules.ts';
import { pointer } from './pointer.ts';
import { reread } from './reread.ts';
import { restart } from './restart.ts';
import { setAside } from './setAside.ts';
import { stopUnit } from './stopUnit.ts';
import type { CoreStep, StepKind } from './types.ts';

/** Kinds of steps that belong to no backend. */
export const coreKinds: { [Kind in CoreStep['kind']]: StepKind<Extract<CoreStep, { kind: Kind }>> } = {
  folder,
  'drop-folder': dropFolder,
  file,
  pointer,
  restart,
  reread,
  layer,
  modules,
  'set-aside': setAside,
  'stop-unit': stopUnit,
};
