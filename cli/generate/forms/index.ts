export { firstBootScript, firstBootUnit } from './common.ts';
export { hook } from './hook.ts';
export { rendered } from './rendered.ts';
