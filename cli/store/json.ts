import { KataError } from '../errors/index.ts';
import type { Host, HostPath, HostView } from '../host/index.ts';
import { schema } from './types.ts';

/** Reads one of our JSON files; undefined when it is not there. Refuses a newer schema untouched, and says so when it is damaged. */
export async function readJson<T extends { schema: number }>(host: HostView, path: HostPath): Promise<T | undefined> {
  const text = await host.readText(path);
  if (text === undefined) return undefined;
  let value: T;
  try {
    value = JSON.parse(text) as T;
  } catch (cause) {
    throw new KataError('state-damaged', {
      subject: path,
      found: `${path} is not readable as JSON`,
      needed: 'the file as kata-sysext wrote it',
      next: `look at it; if it cannot be mended, move it away (mv ${path} /root/) and run: kata-sysext recover`,
      cause,
    });
  }
  if (value.schema > schema) {
    throw new KataError('journal-newer', {
      subject: path,
      found: `${path} has schema ${value.schema}`,
      needed: `schema ${schema} or older`,
      next: 'use the newer kata-sysext that wrote it',
    });
  }
  return value;
}

/** Writes one of our JSON files durably. */
export async function writeJson(host: Host, path: HostPath, value: { schema: number }): Promise<void> {
  await host.writeFile(path, `${JSON.stringify(value, null, 1)}\n`, { mode: 0o600 });
}
