import { constants } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { HostView } from '../host/index.ts';

const { O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants;

/**
 * Leaves a text for the status of the pod, where the kubelet takes it from when the container ends. Nothing happens where there is no such
 * file: it is made by the kubelet alone.
 */
export async function leaveMessage(host: HostView, text: string): Promise<void> {
  await writeFile(await host.locate('/dev/termination-log'), text, { flag: O_WRONLY | O_TRUNC | O_NOFOLLOW }).catch(() => undefined);
}
