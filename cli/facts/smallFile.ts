import { KataError } from '../errors/index.ts';
import type { HostPath, HostView } from '../host/index.ts';

/** The text of a foreign file, that it is not there, or why it was not read. */
export type SmallFile = { kind: 'text'; text: string } | { kind: 'absent' } | { kind: 'unread'; why: string };

/** Reads a configuration that any program or user may have written, for facts that a host may also lack: what is unfit is not read. */
export async function readSmall(host: HostView, path: HostPath): Promise<SmallFile> {
  try {
    const text = await host.readText(path, 'configuration');
    return text === undefined ? { kind: 'absent' } : { kind: 'text', text };
  } catch (error) {
    if (error instanceof KataError && error.code === 'interrupted') throw error;
    return { kind: 'unread', why: error instanceof Error ? error.message : String(error) };
  }
}
