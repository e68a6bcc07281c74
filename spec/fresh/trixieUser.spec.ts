import { twoCommands } from './twoCommands.ts';

twoCommands('trixie', 'newcomer');
