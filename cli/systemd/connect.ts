import { stat } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { runJob } from './jobs.ts';
import { allProperties, callManager, introduce, managerVersion, ping, textProperty } from './manager.ts';
import type { Systemd, TransientService, Unit, UnitState } from './types.ts';
import { absentUnit, unitStateOf } from './unitState.ts';
import { dbusErrorOf, openWire, type Wire } from './wire.ts';

/** Where systemd is reached: through the message bus, or at PID 1's own socket (root only, no bus daemon needed). */
interface Door {
  socket: string;
  bus: boolean;
}

export interface ConnectOptions {
  /** false: only PID 1's own socket is tried. */
  bus?: boolean;
  /** Specs name another one. */
  privateSocket?: string;
}

/**
 * systemd of this machine: DBUS_SYSTEM_BUS_ADDRESS or the usual socket, else PID 1's own. undefined where none answers (no systemd, a
 * container). A connection that ends later is opened again by the next call, through whichever door opens then.
 */
export async function connectSystemd(
  env: Readonly<Record<string, string | undefined>>,
  options: ConnectOptions = {},
): Promise<Systemd | undefined> {
  const { privateSocket = '/run/systemd/private', bus = true } = options;
  const buses = bus ? busSockets(env).map((socket) => ({ socket, bus: true })) : [];
  const doors: Door[] = [...buses, { socket: privateSocket, bus: false }];
  const first = await enterFirst(doors).catch(() => undefined);
  return first === undefined ? undefined : systemdAt(doors, first);
}

/** Through the first door that opens. Throws what the last one said. */
async function enterFirst(doors: Door[]): Promise<Wire> {
  let why: unknown;
  for (const door of doors) {
    try {
      return await enter(door);
    } catch (error) {
      why = error;
    }
  }
  throw why;
}

/** Socket paths of a D-Bus address list; forms that dbus-next could only reach through a native module are left out. */
function busSockets(env: Readonly<Record<string, string | undefined>>): string[] {
  const address = env['DBUS_SYSTEM_BUS_ADDRESS'];
  if (address === undefined || address === '') return ['/run/dbus/system_bus_socket'];
  return address.split(';').flatMap((one) => {
    const path = /^unix:(?:.*,)?(?:path|socket)=(?<path>[^,]+)/.exec(one)?.groups?.['path'];
    return path !== undefined && /^\/[^,;:=%]+$/.test(path) ? [path] : [];
  });
}

async function enter(door: Door): Promise<Wire> {
  await stat(door.socket);
  const wire = await openWire(door.socket);
  try {
    if (door.bus) await introduce(wire);
    await (door.bus ? managerVersion(wire) : nudged(wire, managerVersion(wire)));
    // Without a subscriber systemd sends no JobRemoved.
    await callManager(wire, 'Subscribe');
    return wire;
  } catch (error) {
    wire.close();
    throw error;
  }
}

const nudgeMs = 50;
/** PID 1 runs its generators before it answers; systemctl waits as long. */
const reloadMs = 90_000;

/**
 * PID 1 overlooks a call that reaches it in one read with the end of the handshake, until more bytes come: then it answers both. systemd
 * 257 did so about every second time while it was busy; without this the call waits for its deadline.
 */
async function nudged<T>(wire: Wire, call: Promise<T>): Promise<T> {
  const timer = setInterval(() => void ping(wire).catch(() => undefined), nudgeMs);
  try {
    return await call;
  } finally {
    clearInterval(timer);
  }
}

function systemdAt(doors: Door[], first: Wire): Systemd {
  let wire = Promise.resolve(first);
  const connected = async (): Promise<Wire> => {
    const last = await wire.catch(() => undefined);
    // Two turns of the loop (what was polled before, what is there now), in which the end of an idle connection is noticed.
    // A call on it would be lost.
    await turn();
    await turn();
    if (last?.open) return last;
    // A message bus that is gone for good must not keep a change from PID 1 itself.
    wire = enterFirst(doors);
    return wire;
  };
  return {
    version: async () => managerVersion(await connected()),
    unit: async (unit) => stateOf(await connected(), unit),
    async activeUnits(pattern) {
      const patterns = pattern === undefined ? [] : [pattern];
      const [units] = await callManager(await connected(), 'ListUnitsByPatterns', 'asas', [['active', 'reloading'], patterns]);
      return (units as [string][]).map(([name]) => name);
    },
    async livingUnits(pattern) {
      const [units] = await callManager(await connected(), 'ListUnitsByPatterns', 'asas', [living, [pattern]]);
      return (units as [string][]).map(([name]) => name);
    },
    start: async (unit, deadlineMs) => runJob(await connected(), 'StartUnit', unit, deadlineMs),
    restart: async (unit, deadlineMs) => runJob(await connected(), 'RestartUnit', unit, deadlineMs),
    reload: async (unit, deadlineMs) => runJob(await connected(), 'ReloadUnit', unit, deadlineMs),
    stop: async (unit, deadlineMs) => runJob(await connected(), 'StopUnit', unit, deadlineMs),
    async resetFailed(unit) {
      try {
        await callManager(await connected(), 'ResetFailedUnit', 's', [unit]);
      } catch (error) {
        // systemd has unloaded it meanwhile: then there is nothing to reset.
        if (dbusErrorOf(error) !== 'org.freedesktop.systemd1.NoSuchUnit') throw error;
      }
    },
    async daemonReload() {
      await callManager(await connected(), 'Reload', '', [], reloadMs);
    },
    startTransient: async (service) => startTransient(await connected(), service),
    async signal(unit, signal) {
      try {
        await callManager(await connected(), 'KillUnit', 'ssi', [unit, 'main', signal]);
      } catch (error) {
        // It has ended meanwhile.
        if (!/NoSuchUnit|NoSuchProcess/.test(dbusErrorOf(error) ?? '')) throw error;
      }
    },
    close() {
      wire.then((last) => last.close()).catch(() => undefined);
    },
  };
}

const unitFace = 'org.freedesktop.systemd1.Unit';

async function stateOf(wire: Wire, unit: Unit): Promise<UnitState> {
  const [object] = (await callManager(wire, 'LoadUnit', 's', [unit])) as [string];
  const [load, active] = await Promise.all(['LoadState', 'ActiveState'].map((name) => textProperty(wire, object, unitFace, name)));
  // Most engines and renderers are not on a host.
  if (load === 'not-found' && active === 'inactive') return absentUnit(unit);
  const general = await allProperties(wire, object, unitFace);
  const service = unit.endsWith('.service') ? await allProperties(wire, object, 'org.freedesktop.systemd1.Service') : {};
  return unitStateOf(unit, { ...general, ...service });
}

/** States of a unit that has processes, or is about to have them. */
const living = ['active', 'reloading', 'activating', 'deactivating'];

/** Time that a stop (a shutdown, most likely) leaves the change to put the host back, µs. */
const stopTimeoutUs = 600_000_000n;

/** StartTransientUnit; unit properties as systemd.exec(5) and systemd.service(5) name them. */
async function startTransient(wire: Wire, service: TransientService): Promise<void> {
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
    ...(service.environmentFile === undefined ? [] : [property('EnvironmentFiles', 'a(sb)', [[service.environmentFile, false]])]),
    property('WorkingDirectory', 's', service.folder),
    ...(service.stdout === undefined ? [] : [property('StandardOutputFile', 's', service.stdout)]),
    ...(service.stderr === undefined ? [] : [property('StandardErrorFile', 's', service.stderr)]),
    property('TimeoutStopUSec', 't', stopTimeoutUs),
    // A restart of the engine must not take the change down with it, whatever slice it was asked from.
    property('Slice', 's', 'system.slice'),
  ];
  await callManager(wire, 'StartTransientUnit', 'ssa(sv)a(sa(sv))', [service.unit, 'fail', properties, []]);
}
