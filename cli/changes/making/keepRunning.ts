import { backendOf } from '../../backends/index.ts';
import { ownArchitecture, readFacts } from '../../facts/index.ts';
import { keepProgram } from '../../store/index.ts';
import type { Context } from '../types.ts';

/** Keeps a copy of the program where it is one file, and the host's processor can run it. Gives whether it was written. */
export async function keepRunning({ host, program, programFile }: Context, backend: string): Promise<boolean> {
  if (programFile === undefined) return false;
  const facts = await readFacts(host);
  if (!facts.architecture.known || facts.architecture.value !== ownArchitecture()) return false;
  return keepProgram(host, backendOf(backend).root(facts), { version: program, file: programFile });
}
