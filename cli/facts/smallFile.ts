import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { errnoOf } from '../errors/index.ts';
import type { HostPath, HostView } from '../host/index.ts';

/** The text of a foreign file, that it is not there, or why it was not read. */
export type SmallFile = { kind: 'text'; text: string } | { kind: 'absent' } | { kind: 'unread'; why: string };

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
const absent = ['ENOENT', 'ENOTDIR'];

/**
 * Reads a file that anybody may have written. Links are resolved inside the root first; what is no regular file, or has more than
 * `maxBytes`, is not read. A pipe or a device makes nobody wait.
 */
export async function readSmall(host: HostView, path: HostPath, maxBytes: number): Promise<SmallFile> {
  try {
    const real = await host.locate(await host.realpath(path));
    const file = await open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const stats = await file.stat();
      if (!stats.isFile()) return { kind: 'unread', why: `${path} is no regular file` };
      const tooLarge: SmallFile = { kind: 'unread', why: `${path} has more than ${maxBytes} bytes` };
      if (stats.size > maxBytes) return tooLarge;
      // Files of /proc say that they are empty: what is read decides.
      const buffer = Buffer.alloc(maxBytes + 1);
      let length = 0;
      for (let more = -1; more !== 0 && length <= maxBytes; length += more)
        more = (await file.read(buffer, length, buffer.length - length, null)).bytesRead;
      return length > maxBytes ? tooLarge : { kind: 'text', text: buffer.toString('utf8', 0, length) };
    } finally {
      await file.close();
    }
  } catch (error) {
    const code = errnoOf(error);
    if (absent.includes(code ?? '')) return { kind: 'absent' };
    return { kind: 'unread', why: `${path} cannot be read (${code ?? 'unknown error'})` };
  }
}
