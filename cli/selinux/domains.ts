import type { TomlTable } from '../documents/toml/index.ts';
import type { Engine } from '../engines/contract.ts';
import { setsLabels } from '../engines/index.ts';
import type { Instance } from '../engines/types.ts';
import { commandWord, KataError } from '../errors/index.ts';
import { contextsOf, type HostView } from '../host/index.ts';
import { contextOfProcess, vmContext } from './contexts.ts';
import type { Domains, Policy } from './types.ts';

export interface PolicyEngine {
  engine: Pick<Engine, 'name' | 'selinux' | 'dump'>;
  instance: Instance;
}

/**
 * The domains of a pod: of the engine that runs, or that would be started by systemd; of the shim, by its label; of the virtual machine, by
 * lxc_contexts. Throws `host-selinux-unasked` where the engine's cannot be told, and what the engine's binary says of its configuration.
 */
export async function domainsOf(
  host: HostView,
  policy: Policy,
  { engine, instance }: PolicyEngine,
  { shim, type, dump }: { shim: string; type: string; dump?: TomlTable | undefined },
): Promise<Domains> {
  const context = await engineContext(host, policy, instance);
  if (context === undefined) throw unknownEngine(engine.name, instance.unit);
  const shimContext = await policy.create(context, shim, 'process');
  const labels = setsLabels(engine, dump ?? (await engine.dump?.dumpEffective(host, instance)) ?? {});
  const vm = labels ? await vmContext(host, type) : undefined;
  return { engine: context, shim: shimContext, vm: vm ?? shimContext, labelled: vm !== undefined };
}

async function engineContext(host: HostView, policy: Policy, { process, binary }: Instance): Promise<string | undefined> {
  const running = process === undefined ? undefined : await contextOfProcess(host, process.pid);
  if (running !== undefined || binary === undefined) return running;
  const init = await contextOfProcess(host, 1);
  const path = await host.realpath(binary);
  const label = (await contextsOf(host, [path])).get(path);
  return init === undefined || label === undefined ? undefined : await policy.create(init, label, 'process');
}

/** A distribution has the name of its program, and units of other names. */
function unknownEngine(name: string, unit: string | undefined): KataError {
  return new KataError('host-selinux-unasked', {
    subject: name,
    found: `the SELinux domain of ${name} is not known: it does not run, and its binary has no label`,
    needed: 'an engine that runs, to ask the policy what its domain may do',
    next: `${unit === undefined ? `start ${name}` : `systemctl start ${commandWord(unit)}`}; then kata-sysext check`,
  });
}
