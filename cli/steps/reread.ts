import { tableOf } from '../documents/shapes.ts';
import { KataError } from '../errors/index.ts';
import type { Host } from '../host/index.ts';
import { kind, unit } from './shapes.ts';
import type { RereadStep, StepKind } from './types.ts';

/**
 * PID 1 keeps what it has read of a unit, also early in a boot: the engine would start as its unit was. An undo makes it read them again
 * when the files are back.
 */
export const reread: StepKind<RereadStep> = {
  shape: tableOf({ kind, unit }),
  subject: (step) => step.unit,
  describe: (step) => `let systemd read ${step.unit} again (daemon-reload)`,
  prepare: async () => ({ begun: true }),
  apply: (host) => readAgain(host),
  revert: async () => undefined,
  look: async (_host, _step, undo) => (undo['begun'] === true ? 'after' : 'before'),
  atBoot: true,
  finishUndo: async (host, step) => {
    try {
      await readAgain(host);
      return [];
    } catch (error) {
      const found = error instanceof KataError ? error.complaint.found : String(error);
      return [{ path: step.unit, found: `systemd has not read it again: ${found}`, next: 'systemctl daemon-reload', retry: true }];
    }
  },
};

async function readAgain(host: Host): Promise<void> {
  if (!host.booted) return;
  const manager = await host.manager();
  if (manager !== undefined) return manager.daemonReload();
  throw new KataError('failed', {
    subject: 'systemd',
    found: 'systemd does not answer, neither on the message bus nor at its own socket',
    needed: 'systemd, to read a unit again',
    next: 'systemctl daemon-reload; then kata-sysext recover',
  });
}
