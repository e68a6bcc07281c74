export { firstThatSpeaks, forgets, mixing, newestSpoken, protocolOf } from './protocol.ts';
export { type ServiceReader, taskServices } from './services.ts';
