export { has } from './checks.ts';
export { type Closure, missingFrom } from './closure.ts';
export { type Requirement, renderConfiguration, requirements } from './configuration.ts';
export { keepFor } from './keep.ts';
export { fallbackLabel, families, familyOfPolicy, isUsable, type LabelClass, labelFor, stockLabel } from './labels.ts';
export { defaultRow, type LayOutInput, layOut } from './layOut.ts';
export { type NeedRow, needsOf, needTable } from './needs.ts';
export { type Architecture, type HandlerRow, handlerRow, handlerTable, installedName, pathTable, qemuTable } from './tables.ts';
export type { LaidHandler, Layout } from './types.ts';
