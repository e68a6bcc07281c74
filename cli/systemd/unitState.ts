import type { UnitState } from './types.ts';

/** Properties of a D-Bus object: each value is a dbus-next Variant. */
export type Properties = Record<string, { value: unknown } | undefined>;

/** systemd's "infinity". */
const forever = 0xffff_ffff_ffff_ffffn;

/** systemd's own defaults. */
const usualTimeout = { value: 90_000_000n };
const absent: Properties = {
  LoadState: { value: 'not-found' },
  ActiveState: { value: 'inactive' },
  SubState: { value: 'dead' },
  Result: { value: 'success' },
  KillMode: { value: 'control-group' },
  TimeoutStartUSec: usualTimeout,
  TimeoutStopUSec: usualTimeout,
};

/** What PID 1 says of a unit that has no file and does not run. */
export function absentUnit(unit: string): UnitState {
  return unitStateOf(unit, absent);
}

/** Reads the answers of GetAll for the interfaces Unit and (services only) Service. Missing properties read as empty or 0. */
export function unitStateOf(unit: string, properties: Properties): UnitState {
  const value = (name: string) => properties[name]?.value;
  const text = (name: string) => (typeof value(name) === 'string' ? (value(name) as string) : '');
  const list = (name: string) => (Array.isArray(value(name)) ? (value(name) as unknown[]).map(String) : []);
  const number = (name: string) => Number(value(name) ?? 0);
  return {
    unit,
    loadState: text('LoadState'),
    activeState: text('ActiveState'),
    queued: Number((value('Job') as unknown[] | undefined)?.[0] ?? 0) !== 0,
    subState: text('SubState'),
    result: text('Result'),
    mainPid: number('MainPID'),
    invocationId: hex(value('InvocationID')),
    restarts: number('NRestarts'),
    killMode: text('KillMode'),
    fragmentPath: text('FragmentPath'),
    dropInPaths: list('DropInPaths'),
    needDaemonReload: value('NeedDaemonReload') === true,
    activeEnterMs: milliseconds(value('ActiveEnterTimestamp')),
    stateChangeMs: milliseconds(value('StateChangeTimestamp')),
    timeoutStartMs: milliseconds(value('TimeoutStartUSec')),
    timeoutStopMs: milliseconds(value('TimeoutStopUSec')),
    environment: list('Environment'),
    wantedBy: list('WantedBy'),
    requiredBy: list('RequiredBy'),
    boundBy: list('BoundBy'),
    consistsOf: list('ConsistsOf'),
    requisiteOf: list('RequisiteOf'),
    propagatesStopTo: list('PropagatesStopTo'),
  };
}

/** Microseconds to milliseconds; "infinity" becomes Infinity. */
function milliseconds(value: unknown): number {
  if (typeof value !== 'bigint' && typeof value !== 'number') return 0;
  return BigInt(value) === forever ? Number.POSITIVE_INFINITY : Number(value) / 1000;
}

function hex(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return Array.isArray(value) ? Buffer.from(value as number[]).toString('hex') : '';
}
