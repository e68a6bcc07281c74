import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface Qmp {
  execute(command: string, args?: Record<string, unknown>): Promise<unknown>;
  /** a command of the human monitor; throws what it says, for these commands say nothing when all is well */
  human(line: string): Promise<void>;
  close(): void;
}

/** QEMU's control socket; throws when QEMU says an error. */
export async function openQmp(path: string): Promise<Qmp> {
  const socket = await connected(path);
  const waiting: { resolve(value: unknown): void; reject(error: Error): void }[] = [];
  const greeted = new Promise<void>((resolve) => {
    const lines = createInterface({ input: socket });
    // it says again what the socket says
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      const said = JSON.parse(line) as { QMP?: unknown; return?: unknown; error?: { desc: string } };
      if (said.QMP !== undefined) resolve();
      else if (said.error !== undefined) waiting.shift()?.reject(new Error(`qemu: ${said.error.desc}`));
      else if ('return' in said) waiting.shift()?.resolve(said.return);
    });
  });
  const ended = () => {
    for (const one of waiting.splice(0)) one.reject(new Error('qemu ended'));
  };
  socket.on('close', ended);
  socket.on('error', ended);
  const execute = (command: string, args?: Record<string, unknown>): Promise<unknown> =>
    new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      socket.write(`${JSON.stringify({ execute: command, ...(args === undefined ? {} : { arguments: args }) })}\n`);
    });
  await greeted;
  await execute('qmp_capabilities');
  return {
    execute,
    human: async (line) => {
      const said = await execute('human-monitor-command', { 'command-line': line });
      if (said !== '') throw new Error(`qemu: ${line}: ${String(said)}`);
    },
    close: () => socket.destroy(),
  };
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}
