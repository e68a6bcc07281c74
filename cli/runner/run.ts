import { bootScratch } from '../bootGuard/units/index.ts';
import type { Scratch } from '../engines/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import type { Found } from '../planning/types.ts';
import { labelLike, nextId, scratchFolder } from '../store/index.ts';
import { openEntries } from '../transaction/index.ts';
import { execute } from './execute.ts';
import { type Before, underLock } from './session.ts';
import { stagingArea } from './staging.ts';
import type { Answer, Context, PayloadStaging, Planner, View } from './types.ts';

const nothingBefore: Before = { recovered: [], left: undefined };

/** A changing verb, from the lock to the result. */
export function runOperation<R extends ChangeOptions>(context: Context, verb: string, planner: Planner<R>, request: R): Promise<Answer> {
  return underLock(context, verb, request, (before) => runLocked(context, planner, request, before));
}

/** The same for what holds the lock already, as the boot guard does. */
export async function runLocked<R extends ChangeOptions>(
  context: Context,
  planner: Planner<R>,
  request: R,
  before: Before = nothingBefore,
): Promise<Answer> {
  const staging = stagingArea(context);
  try {
    const view = await viewOf(context, staging, before);
    const operation = await planner(view, request);
    if (request.dryRun) return { kind: 'Plan', plan: operation.plan };
    return { kind: 'Change', change: await execute(context, view, operation, staging.staged()) };
  } finally {
    await staging.discard();
  }
}

/** What planners see of a context. */
export async function viewOf(
  context: Context,
  staging: PayloadStaging = stagingArea(context),
  before: Before = nothingBefore,
): Promise<View> {
  const { host, program, programFile, emit, signal } = context;
  return {
    host,
    program,
    programFile,
    emit,
    signal,
    started: host.now(),
    id: await nextId(host, await openEntries(host)),
    staging,
    ...before,
    withScratch: (found, work) => withScratch(context, found, work),
  };
}

/** Writes copies for the engine's binary into a temporary folder, and removes it afterwards. While the host boots, the folder is one that a full disk does not concern. */
async function withScratch<T>({ host }: Context, { instance }: Found, work: (scratch: Scratch) => Promise<T>): Promise<T> {
  const own = host.booted && !host.live ? bootScratch : scratchFolder;
  const scratch = async (name: string, text: string) => {
    if ((await host.lstat(own)) === undefined) await host.mkdir(own, 0o700);
    const path = `${own}/${name}`;
    await host.writeFile(path, text, { mode: 0o600 });
    await labelLike(host, [own, path], instance.configPath);
    return path;
  };
  try {
    return await work(scratch);
  } finally {
    await host.removeTree(own);
  }
}
