import { listOf, tableOf, textLike } from '../documents/shapes.ts';
import { type Finding, KataError } from '../errors/index.ts';
import { isModuleThere } from '../facts/index.ts';
import type { Host } from '../host/index.ts';
import { deadlineMs, kind } from './shapes.ts';
import type { ModulesStep, StepKind } from './types.ts';

const moduleName = textLike('the name of a kernel module', /^[a-z0-9_]+$/);

/**
 * A module that is loaded stays until the next boot: others may use it by then, so that an undo takes none out. One that cannot be loaded is
 * reported and fails nothing: the installation is right, and works as soon as the module is there.
 */
export const modules: StepKind<ModulesStep> = {
  shape: tableOf({ kind, names: listOf(moduleName), deadlineMs }),
  subject: (step) => step.names.join(', '),
  describe: (step) =>
    `load ${step.names.length === 1 ? 'the kernel module' : 'the kernel modules'} ${step.names.join(', ')} (loaded until the next boot, whatever becomes of this change)`,
  prepare: async () => ({}),
  apply: async (host, step, _undo, _store, report) => {
    for (const name of step.names)
      if (!(await isModuleThere(host, name))) for (const finding of await load(host, name, step)) report(finding);
  },
  revert: async () => undefined,
  look: async () => 'before',
};

async function load(host: Host, name: string, { deadlineMs }: ModulesStep): Promise<Finding[]> {
  try {
    // What an administrator has denied stays denied.
    await host.run('modprobe', ['--use-blacklist', name], { timeoutMs: deadlineMs, throughPipe: true });
  } catch (error) {
    return [notLoaded(name, error instanceof KataError ? error.complaint.found : String(error))];
  }
  return (await isModuleThere(host, name))
    ? []
    : [notLoaded(name, `modprobe ${name} ended without an error, and the kernel has no such module`)];
}

function notLoaded(name: string, found: string): Finding {
  const next = `modprobe -v ${name}; the kernel's own words: dmesg | tail -n 20`;
  return { code: 'handler-needs-module', level: 'warning', subject: name, found, needed: `the kernel module ${name}`, next };
}
