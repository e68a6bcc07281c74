import type { HostPath, HostView } from '../host/types.ts';

/** sun_path of a Unix socket has 108 bytes with its final zero. */
const longestSocketPath = 107;

/** The path of a socket on this machine, or why it cannot be called. */
export async function realSocket(
  host: HostView,
  socket: HostPath | undefined,
): Promise<{ path: string; why?: never } | { path?: never; why: string }> {
  if (socket === undefined) return { why: 'The engine has no socket.' };
  const path = await host.locate(await host.realpath(socket));
  if (!(await host.stat(socket))) return { why: `There is no socket ${socket}.` };
  return Buffer.byteLength(path) > longestSocketPath ? { why: `The path of the socket ${path} is too long.` } : { path };
}
