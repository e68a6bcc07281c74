export { moduleFindings } from './findings.ts';
export { type ModulePlan, modulesFile, planModules } from './steps.ts';
export { moduleTable, type NeededModule, neededModules } from './table.ts';
