import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { InsideOptions } from '../enter.ts';
import { type Ran, run } from '../run.ts';
import { type AuditCursor, auditCursor, type Denial, readDenials } from './audit.ts';
import { type BootEntry, bootEntries } from './entries.ts';
import { MOUNT_GOODS } from './goods.ts';
import { diedOfEmulation, type Machine, startMachine, tail } from './machine.ts';
import { openWay, putThere, runThere, spawnThere, type Way } from './ssh.ts';

export interface Boot {
  /** which of the disk's boot entries: 0 is the default, 1 the other deployment */
  entry?: number;
  kernelArguments?: string;
  /** a folder of the machine that the guest can fetch from, at {@link SERVER}, while it is up */
  serve?: string;
}

/** One VM host. `run` and `sh` are those of a namespace host, so that pods.ts and the like work with either. */
export interface Vm {
  name: string;
  folder: string;
  /** throws on a nonzero status unless told otherwise */
  run(argv: string[], options?: InsideOptions): Promise<Ran>;
  sh(script: string, options?: InsideOptions): Promise<Ran>;
  spawn(argv: string[], options?: InsideOptions): ChildProcess;
  put(file: string, inside: string): Promise<void>;
  cursor(): Promise<AuditCursor>;
  denials(since?: AuditCursor): Promise<Denial[]>;
  /** asks the guest to reboot, and boots what the disk then says */
  reboot(boot?: Boot): Promise<void>;
  /** an orderly end; `boot` goes on from there */
  powerOff(): Promise<void>;
  /** a power cut: QEMU ends at once; `boot` goes on from there */
  kill(): Promise<void>;
  boot(boot?: Boot): Promise<void>;
  /** what the disk's boot entries say; of a machine that is off */
  entries(): Promise<BootEntry[]>;
  /** writes the disk of a machine that is off as a raw, sparse image */
  flatten(file: string): Promise<void>;
  /** the machine, for recordings and saved states */
  machine(): Machine;
  /** ends it and deletes all it had */
  stop(): Promise<void>;
}

export interface Parts {
  name: string;
  folder: string;
  key: string;
  disk: string;
  goods: string;
  background: boolean;
  /** notes who runs, for the sweep of what killed tests left */
  noted(machine: Machine): Promise<void>;
}

interface Running {
  machine: Machine;
  master: ChildProcess;
  way: Way;
}

/** The host around a disk that is there; nothing runs yet. */
export function vmOf(parts: Parts): Vm & { restore(state: string, entry: BootEntry): Promise<void> } {
  let running: Running | undefined;

  const now = (): Running => {
    if (running === undefined) throw new Error(`${parts.name} is off`);
    const why = running.machine.ended();
    if (why !== undefined) throw new Error(why);
    return running;
  };
  const shell = (script: string, options?: InsideOptions) => runThere(now().way, ['/bin/sh', '-ec', script], options);

  const begin = async (entry: BootEntry, more: { state?: string; kernelArguments?: string; serve?: string }, tries = 3): Promise<void> => {
    const { folder, disk, goods, background, key } = parts;
    await rm(join(folder, 'serial'), { force: true });
    const machine = await startMachine({ folder, disk, goods, background, entry, ...more });
    await parts.noted(machine);
    const way = { folder, port: machine.port, key };
    const master = await openWay(way, machine.ended).catch(async (error: unknown) => {
      machine.process.kill('SIGKILL');
      await machine.exited;
      machine.qmp.close();
      if (tries === 0 || !diedOfEmulation(folder)) throw error;
    });
    if (master === undefined) return await begin(entry, more, tries - 1);
    running = { machine, way, master };
    await shell(`date -s @${Date.now() / 1000} >/dev/null; ${MOUNT_GOODS}`);
  };
  const end = async () => {
    running?.master.kill('SIGKILL');
    running?.machine.qmp.close();
    running = undefined;
  };
  const off = async (verb: 'reboot' | 'poweroff') => {
    const { machine } = now();
    await shell(`systemctl ${verb}`, { allowFailure: true }).catch(() => undefined);
    const late = setTimeout(() => machine.process.kill('SIGKILL'), 600_000);
    await machine.exited;
    clearTimeout(late);
    if (machine.process.signalCode !== null) throw new Error(`${parts.name} did not ${verb}: ${tail(parts.folder)}`);
    await end();
  };

  const vm: Vm = {
    name: parts.name,
    folder: parts.folder,
    run: (argv, options) => runThere(now().way, argv, options),
    sh: shell,
    spawn: (argv, options) => spawnThere(now().way, argv, options),
    put: (file, inside) => putThere(now().way, file, inside),
    cursor: () => auditCursor(shell),
    denials: (since) => readDenials(shell, since),
    reboot: async (boot) => {
      await off('reboot');
      await vm.boot(boot);
    },
    powerOff: () => off('poweroff'),
    kill: async () => {
      const { machine } = now();
      machine.process.kill('SIGKILL');
      await machine.exited;
      await end();
    },
    boot: async ({ entry = 0, ...more } = {}) => {
      const chosen = (await vm.entries())[entry];
      if (chosen === undefined) throw new Error(`${parts.name} has no boot entry ${entry}`);
      await begin(chosen, more);
    },
    entries: async () => {
      const flat = join(parts.folder, 'flat.raw');
      await vm.flatten(flat);
      const entries = await bootEntries(flat, join(parts.folder, 'boot'));
      await rm(flat);
      return entries;
    },
    flatten: async (file) => {
      if (running !== undefined) throw new Error(`${parts.name} runs: its disk is not still`);
      await run(['qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', parts.disk, file], { timeoutMs: 900_000 });
    },
    machine: () => now().machine,
    stop: async () => {
      if (running !== undefined) {
        running.machine.process.kill('SIGKILL');
        await running.machine.exited;
      }
      await end();
      if (existsSync(parts.folder)) await rm(parts.folder, { recursive: true });
    },
  };
  return { ...vm, restore: (state, entry) => begin(entry, { state }) };
}
