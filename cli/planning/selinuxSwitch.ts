import { switchCode } from '../engines/index.ts';
import { selinuxState } from '../facts/index.ts';
import type { HostView } from '../host/index.ts';
import { type Generation, type GenerationRecord, isWaiting, wiringsOf } from '../store/index.ts';

/** `allowed`: this command turns it on, for every engine. Else the names of the engines whose switch kata-sysext has turned on. */
export type SwitchWish = 'allowed' | readonly string[];

/** What a new generation wants: what this command allows, else what the active one has. */
export async function switchFor(host: HostView, from: Generation | undefined, allow: readonly string[]): Promise<SwitchWish> {
  return allow.includes(switchCode) && (await hasSelinux(host)) ? 'allowed' : switchedOn(from?.record);
}

/** The same for a switch to a generation that is there: as it had it, or, where it was never active, as it was made. */
export async function switchOf(
  host: HostView,
  from: Generation | undefined,
  to: Generation,
  allow: readonly string[],
): Promise<SwitchWish> {
  const { record } = to;
  if (isWaiting(to)) return switchFor(host, from, [...allow, ...(record.allowed ?? [])]);
  return allow.includes(switchCode) && (await hasSelinux(host)) ? 'allowed' : switchedOn(record);
}

/** The engines whose switch kata-sysext turned on, by the record. */
export function switchedOn(record: GenerationRecord | undefined): string[] {
  return wiringsOf(record?.wiring).flatMap(({ engine, selinux }) => (selinux === undefined ? [] : [engine]));
}

/** Without SELinux there is no switch to turn. */
async function hasSelinux(host: HostView): Promise<boolean> {
  const state = await selinuxState(host);
  return !state.known || state.value.mode !== 'disabled';
}
