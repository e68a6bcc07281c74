export { firstBootScript, firstBootUnit } from './common.ts';
export { fill, shellWord } from './fill.ts';
export { hook } from './hook.ts';
export { rendered } from './rendered.ts';
