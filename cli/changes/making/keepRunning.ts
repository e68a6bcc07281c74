import { backendOf } from '../../backends/index.ts';
import { ownArchitecture, readFacts } from '../../facts/index.ts';
import type { HostPath } from '../../host/index.ts';
import { type GenerationManifest, keepProgram, programPath, readPrograms } from '../../store/index.ts';
import type { Context } from '../types.ts';

/** Keeps a copy of the program where it is one file, and the host's processor can run it. Gives whether it was written. */
export async function keepRunning(context: Context, backend: string): Promise<boolean> {
  const kept = await keepable(context, backend);
  return kept === undefined ? false : keepProgram(context.host, kept.root, { version: context.program, file: kept.file });
}

/** The copy that guards the boots of a generation: that of the version which made it; undefined where none is kept. */
export async function guardOf(context: Context, to: Pick<GenerationManifest, 'program' | 'backend'>): Promise<HostPath | undefined> {
  const kept = context.program === to.program ? await keepable(context, to.backend) : undefined;
  if (kept !== undefined) return programPath(kept.root, to.program);
  const there = (await readPrograms(context.host)).find(({ version }) => version === to.program);
  return there === undefined ? undefined : programPath(there.root, there.version);
}

async function keepable({ host, programFile }: Context, backend: string): Promise<{ root: HostPath; file: string } | undefined> {
  if (programFile === undefined) return undefined;
  const facts = await readFacts(host);
  if (!facts.architecture.known || facts.architecture.value !== ownArchitecture()) return undefined;
  return { root: backendOf(backend).root(facts), file: programFile };
}
