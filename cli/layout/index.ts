export { has, releaseOf } from './checks.ts';
export { incompleteness } from './closure.ts';
export { renderConfiguration, requirements } from './configuration.ts';
export { fallbackLabel, families, familyOfPolicy, isUsable, type LabelClass, labelFor, stockLabel } from './labels.ts';
export { defaultRow, layOut } from './layOut.ts';
export { placeOf, shippedBundle } from './places.ts';
export { resolve } from './resolve.ts';
export {
  type HandlerRow,
  handlerRow,
  handlerTable,
  installedName,
  keepFor,
  type NeedRow,
  needsOf,
  needTable,
  pathTable,
  qemuTable,
} from './tables.ts';
export type { Layout } from './types.ts';
