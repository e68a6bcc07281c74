export { firstThatSpeaks, forgets, mixing, newestSpoken, protocolOf } from './protocol.ts';
export { taskServices } from './services.ts';
