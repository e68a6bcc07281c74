import type { Properties } from './unitState.ts';
import type { Wire } from './wire.ts';

const name = 'org.freedesktop.systemd1';
const path = '/org/freedesktop/systemd1';
export const managerFace = 'org.freedesktop.systemd1.Manager';

/** A call of systemd's Manager object. The destination is needed on the bus and does no harm on PID 1's own socket. */
export function callManager(wire: Wire, member: string, signature = '', body: unknown[] = [], deadlineMs?: number): Promise<unknown[]> {
  return wire.call(
    { destination: name, path, interface: managerFace, member, ...(signature === '' ? {} : { signature }), body },
    deadlineMs,
  );
}

/** All properties of an object's interface, as dbus-next gives them. */
export async function allProperties(wire: Wire, object: string, face: string): Promise<Properties> {
  const [all] = await wire.call({ ...propertiesOf(object), member: 'GetAll', signature: 's', body: [face] });
  return all as Properties;
}

/** One property; empty where it is not a text. A unit has hundreds, which take PID 1 and dbus-next long. */
export async function textProperty(wire: Wire, object: string, face: string, property: string): Promise<string> {
  const [variant] = await wire.call({ ...propertiesOf(object), member: 'Get', signature: 'ss', body: [face, property] });
  const value = (variant as { value?: unknown } | undefined)?.value;
  return typeof value === 'string' ? value : '';
}

function propertiesOf(object: string) {
  return { destination: name, path: object, interface: 'org.freedesktop.DBus.Properties' };
}

/**
 * On a bus: says Hello and asks for the signal of ended jobs. PID 1's own socket knows neither call and sends the signal to every client.
 */
export async function introduce(wire: Wire): Promise<void> {
  const bus = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' };
  await wire.call({ ...bus, member: 'Hello' });
  const rule = `type='signal',sender='${name}',path='${path}',interface='${managerFace}',member='JobRemoved'`;
  await wire.call({ ...bus, member: 'AddMatch', signature: 's', body: [rule] });
}

/** A call that every D-Bus peer answers and that does nothing. */
export function ping(wire: Wire): Promise<unknown[]> {
  return wire.call({ destination: name, path, interface: 'org.freedesktop.DBus.Peer', member: 'Ping' });
}

/** '252.39-1~deb12u1' */
export async function managerVersion(wire: Wire): Promise<string> {
  return await textProperty(wire, path, managerFace, 'Version');
}
