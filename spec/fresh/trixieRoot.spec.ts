import { twoCommands } from './twoCommands.ts';

twoCommands('trixie', 'root');
