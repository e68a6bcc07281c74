import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { LabHost } from './host.ts';
import { killGroup, start } from './run.ts';

export type Mode = 'well' | '404' | 'busy' | 'wrong' | 'half' | 'slow';

export interface BadServer {
  /** How it answers from now on. */
  become(mode: Mode): Promise<void>;
  /** What it was asked for, one line a request: mode, path, range. */
  readonly asked: string[];
  stop(): Promise<void>;
}

/** A server of the files of a folder on the host's own loopback. It runs outside, on this machine's Node, in the network of the host. */
export async function badServer(host: LabHost, port: number, folder: string): Promise<BadServer> {
  const child = start([
    'nsenter',
    '--target',
    String(host.leader),
    '--net',
    process.execPath,
    join(import.meta.dirname, 'badServer.mjs'),
    String(port),
    folder,
  ]);
  const lines: string[] = [];
  child.stdout?.on('data', (chunk: Buffer) =>
    lines.push(
      ...chunk
        .toString()
        .split('\n')
        .filter((line) => line !== ''),
    ),
  );
  await said(child, lines, 'listening');
  return {
    become: async (mode) => {
      child.stdin?.write(`${mode}\n`);
      await said(child, lines, `mode ${mode}`);
    },
    get asked() {
      return lines.filter((line) => / \/\S+ (?:whole|bytes)/.test(line));
    },
    stop: async () => {
      const ended = new Promise((resolve) => child.once('close', resolve));
      killGroup(child);
      await ended;
    },
  };
}

async function said(child: ChildProcess, lines: string[], wanted: string): Promise<void> {
  for (const deadline = Date.now() + 300_000; !lines.includes(wanted); await new Promise((resolve) => setTimeout(resolve, 20)))
    if (Date.now() > deadline || child.exitCode !== null) throw new Error(`the server does not say “${wanted}”`);
  lines.splice(lines.indexOf(wanted), 1);
}
