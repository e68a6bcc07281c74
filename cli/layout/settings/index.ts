export { addSetting, applySettings, misfits } from './apply.ts';
export { configured, wantedSettings } from './configured.ts';
export { readConfiguration } from './keys.ts';
export { settingText } from './kinds.ts';
export {
  type Profile,
  profileNamed,
  profileSettings,
  profiles,
  requireFit,
  rowsFor,
  unfit,
} from './profiles.ts';
export { type Assignment, findSetting, isPlainKey, readAssignment, resolveSettings } from './request.ts';
