export { firstThatSpeaks, forgets, mixing, newestSpoken, protocolOf, taskServices } from './protocol.ts';
