import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { ADDRESS } from './certificates.ts';
import { endProcess } from './daemon.ts';
import type { Network } from './network.ts';

/** A port of the machine's own loopback behind which the API server answers: its certificate names 127.0.0.1 too. */
export interface Passage {
  port: number;
  stop(): Promise<void>;
}

export async function openPassage(network: Network): Promise<Passage> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const argv = network.command([process.execPath, join(import.meta.dirname, 'passage.mjs'), ADDRESS, '443']);
  const child = spawn(argv[0]!, argv.slice(1), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  try {
    const ready = Promise.race([once(child, 'message'), once(child, 'exit').then(() => Promise.reject(new Error('the passage ends')))]);
    child.send('socket', server);
    await ready;
  } finally {
    server.close();
  }
  child.unref();
  child.channel?.unref();
  return {
    port,
    stop: async () => {
      child.ref();
      await endProcess(child);
    },
  };
}
