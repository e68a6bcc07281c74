import { type Host, ownCommand } from '../host/index.ts';
import type { PodNote } from './notes.ts';

/** Set in the unit of a watcher: the run that it watches. */
export const watchVariable = 'KATA_SYSEXT_POD_WATCH';

/**
 * A unit of its own, which removes the pod if this process dies before it has. Where systemd starts none, the note is left for the next
 * command.
 */
export async function startWatcher(host: Host, { run, handler }: PodNote): Promise<void> {
  const systemd = await host.systemd();
  await systemd
    ?.startTransient({
      unit: `kata-sysext-pod-${run}.service`,
      description: `kata-sysext: removes the pod of ${handler} if the command that started it dies`,
      argv: await ownCommand(['verify', '--pod']),
      environment: [`${watchVariable}=${run}`],
      folder: '/',
      stdout: '/dev/null',
      stderr: '/dev/null',
      after: [],
    })
    .catch(() => undefined);
}
