import { KataError } from '../errors/index.ts';

interface Found {
  subject: string;
  found: string;
  needed: string;
}

/** The pod itself is not as this program needs it. */
export function podUnfit(found: Found): KataError {
  return new KataError('node-pod-unfit', { ...found, next: 'kata-sysext explain node-pod-unfit' });
}

/** systemd of the node is not reached, or does not do what it is asked for. */
export function busFails(found: string, cause?: unknown): KataError {
  return new KataError('node-pod-bus', {
    subject: '/run/dbus/system_bus_socket',
    found,
    needed: 'the message bus of the node, and uid 0 of the node',
    next: 'kata-sysext explain node-pod-bus',
    cause,
  });
}

/** The unit on the node ended without a word on this request. */
export function unitFails(unit: string, found: string, needed: string): KataError {
  return new KataError('node-pod-unit', { subject: unit, found, needed, next: 'kata-sysext explain node-pod-unit' });
}
