export { moduleFindings } from './findings.ts';
export { type ModulePlan, modulesFile, planModules } from './steps.ts';
export { moduleTable } from './table.ts';
