export { firstBootScript, firstBootUnit, shellWord } from './common.ts';
export { hook } from './hook.ts';
export { rendered } from './rendered.ts';
