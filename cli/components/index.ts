export { editConfiguration, ownConfiguration, ownFolder, ownPath } from './edit.ts';
export { type Runner, requireKind } from './kinds.ts';
export { aliasLabel, isAliasName, isHandlerName } from './names.ts';
export {
  type ComponentKind,
  componentKinds,
  type Own,
  type OwnFile,
  type OwnRequest,
  type OwnSource,
  type OwnWanted,
  type PayloadHandler,
  type PlannedComponent,
} from './types.ts';
