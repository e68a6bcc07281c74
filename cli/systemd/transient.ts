import { callManager } from './manager.ts';
import type { TransientService } from './types.ts';
import type { Wire } from './wire.ts';

/** Time that a stop (a shutdown, most likely) leaves the change to put the host back, µs. */
const stopTimeoutUs = 600_000_000n;

/** StartTransientUnit; unit properties as systemd.exec(5) and systemd.service(5) name them. */
export async function startTransient(wire: Wire, service: TransientService): Promise<void> {
  const { default: dbus } = await import('dbus-next');
  const property = (name: string, signature: string, value: unknown) => [name, new dbus.Variant(signature, value)];
  const command = (argv: string[]) => [[argv[0], argv, false]];
  const properties = [
    property('Description', 's', service.description),
    property('Type', 's', 'exec'),
    property('CollectMode', 's', 'inactive-or-failed'),
    // systemd puts variables of the unit into words of a command line, also of one that came over the bus (systemd.service(5)).
    property('ExecStart', 'a(sasb)', command(service.argv.map((word) => word.replaceAll('$', '$$$$')))),
    ...(service.after.length === 0 ? [] : [property('ExecStopPost', 'a(sasb)', command(service.after))]),
    property('Environment', 'as', service.environment),
    property('WorkingDirectory', 's', service.folder),
    property('StandardOutputFile', 's', service.stdout),
    property('StandardErrorFile', 's', service.stderr),
    property('TimeoutStopUSec', 't', stopTimeoutUs),
    // A restart of the engine must not take the change down with it, whatever slice it was asked from.
    property('Slice', 's', 'system.slice'),
  ];
  await callManager(wire, 'StartTransientUnit', 'ssa(sv)a(sa(sv))', [service.unit, 'fail', properties, []]);
}
