import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Binary {
  path: string;
  version: string;
}

/** Real daemons on this machine: Debian's, and others that KATA_SYSEXT_CONTAINERD names (paths, separated by colons). */
export function containerdBinaries(): Binary[] {
  const named = (process.env['KATA_SYSEXT_CONTAINERD'] ?? '').split(':').filter((path) => path !== '');
  return ['/usr/bin/containerd', ...named]
    .filter((path) => existsSync(path))
    .map((path) => ({ path, version: /\s(\d+\.\d+\.\d+)/.exec(execFileSync(path, ['--version'], { encoding: 'utf8' }))?.[1] ?? '' }));
}

export interface RunningContainerd {
  socket: string;
  pid: number;
  config: string;
  folder: string;
  stop(): Promise<void>;
}

/** A containerd of its own: own root, state and socket, no CNI; for what the CRI says of itself. */
export async function startContainerd(binary: string, tables: string): Promise<RunningContainerd> {
  const folder = await mkdtemp(join(tmpdir(), 'ks-ctd-'));
  const socket = join(folder, 'c.sock');
  const config = join(folder, 'config.toml');
  const own = ['root', 'state'].map((name) => `${name} = "${join(folder, name)}"`).join('\n');
  await writeFile(
    config,
    `version = 2\n${own}\n[grpc]\naddress = "${socket}"\n[ttrpc]\naddress = "${join(folder, 't.sock')}"\n[plugins."io.containerd.internal.v1.opt"]\npath = "${join(folder, 'opt')}"\n${tables}`,
  );
  const log = openSync(join(folder, 'log'), 'w');
  const child = spawn(binary, ['--config', config], { stdio: ['ignore', log, log] });
  for (let tries = 0; !existsSync(socket) && child.exitCode === null && tries < 15_000; tries++) await sleep(20);
  return {
    socket,
    pid: child.pid!,
    config,
    folder,
    async stop() {
      if (child.exitCode === null) {
        const ended = once(child, 'exit');
        child.kill('SIGTERM');
        await ended;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}
