import { isSea } from 'node:sea';
import { findProgram } from './programs.ts';

/** The command line with which PID 1 starts this program with other words. */
export async function ownCommand(words: string[]): Promise<string[]> {
  return [...(await doorstep()), process.execPath, ...script(), ...words];
}

/**
 * A system program that PID 1 starts, and that executes this program. Under SELinux the label of the file that PID 1 starts decides the
 * domain: a system program gets that of any service, which may do the work in both policy families. A file in a user's home is not started
 * (Fedora), or stays in PID 1's own domain, which may not even reload a unit (Debian).
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
