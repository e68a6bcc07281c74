import { twoCommands } from './twoCommands.ts';

twoCommands('bookworm', 'newcomer');
