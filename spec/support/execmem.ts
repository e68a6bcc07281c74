import { fileURLToPath } from 'node:url';

/** Put before a command: it and all that it starts get no executable memory but that of files. Needs python3. */
export const denyExecmem = ['python3', fileURLToPath(new URL('denyExecmem.py', import.meta.url))];
