import { isSea } from 'node:sea';
import { findProgram } from './programs.ts';

/** The command line by which PID 1 starts this very program with other words. */
export async function ownCommand(words: string[]): Promise<string[]> {
  return [...(await doorstep()), process.execPath, ...script(), ...words];
}

/**
 * What PID 1 starts in our place, and what becomes us. Under SELinux the label of the file that PID 1 starts decides the domain: from a
 * system program it is that of any service, which may do our work in both policy families; from a file in somebody's home PID 1 would
 * start nothing (Fedora), or keep us in its own domain, which may not even reload a unit (Debian).
 */
async function doorstep(): Promise<string[]> {
  const nice = await findProgram('nice');
  return nice === undefined ? [] : [nice, '-n', '0'];
}

/**
 * What Node gets before the words of the command. A single-file program has its flags inside, and would take them for words here; it has no
 * script either: its name is in that place.
 */
function script(): string[] {
  if (isSea()) return [];
  const [, first] = process.argv;
  return [...process.execArgv, ...(first === undefined ? [] : [first])];
}
