import type { HostPath } from '../host/index.ts';
import { keepable } from '../planning/programCopy.ts';
import { type GenerationManifest, keepProgram, programPath, readPrograms } from '../store/index.ts';
import type { Context } from './types.ts';

/** Keeps a copy of the program where it is one file, and the host's processor can run it. Gives whether it was written. */
export async function installProgramCopy(context: Context, backend: string): Promise<boolean> {
  const kept = await keepable(context, backend);
  return kept === undefined ? false : keepProgram(context.host, kept.root, { version: context.program, file: kept.file });
}

/** For a change that makes no generation: keeps the running program where the guard will be that, and no copy of it is there. */
export async function installGuardCopy(
  context: Context,
  { backend }: Pick<GenerationManifest, 'backend'>,
  guard?: HostPath,
): Promise<void> {
  const own = await keepable(context, backend);
  if (own === undefined || guard !== programPath(own.root, context.program)) return;
  if ((await readPrograms(context.host)).every(({ version }) => version !== context.program)) await installProgramCopy(context, backend);
}
