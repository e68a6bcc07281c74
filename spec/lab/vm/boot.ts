import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { labFolder, locked, writeWhole } from '../cache.ts';
import { alive, type Process, processOf } from '../owners.ts';
import { run } from '../run.ts';
import type { Disk } from './disk.ts';
import { makeGoods } from './goods.ts';
import type { Machine } from './machine.ts';
import { type SavedState, savedState } from './saved.ts';
import { type Boot, type Vm, vmOf } from './vm.ts';

export interface VmOptions extends Boot {
  /** the saved state to restore; default: a host that is up, with the lab's images loaded and nothing of ours */
  from?: SavedState;
  /** boot this disk instead: a raw image that stays as it is, such as a replayed one; its key is that of the disk it stems from */
  disk?: Pick<Disk, 'file' | 'key'>;
  /** path below /mnt/goods → file or folder of the machine; read-only inside */
  goods?: Record<string, string>;
  name?: string;
  /** the host outlives this process (`npm run lab`) */
  background?: boolean;
}

let count = 0;

/** A VM host that runs: three seconds from a saved state, half a minute or more from a disk. */
export async function bootVm(options: VmOptions = {}): Promise<Vm> {
  const from = options.disk === undefined ? (options.from ?? (await savedState())) : undefined;
  await mkdir(vmsFolder(), { recursive: true });
  await sweepVms();
  const name = options.name ?? `vm-${process.pid}-${++count}`;
  const folder = join(vmsFolder(), name);
  await mkdir(folder);
  const background = options.background === true;
  await note(folder, background);
  const [disk, goods] = [join(folder, 'disk.qcow2'), join(folder, 'goods')];
  const key = options.disk?.key ?? from?.disk.key ?? '';
  const vm = vmOf({ name, folder, key, disk, goods, background, noted: (machine) => note(folder, background, machine) });
  try {
    await makeGoods(goods, options.goods ?? {});
    if (from !== undefined) {
      await run(['cp', '--sparse=always', '--reflink=auto', from.file, disk]);
      await vm.restore(from.state, from.entry);
    } else {
      await overlay(options.disk?.file ?? '', disk);
      const { entry, kernelArguments, serve } = options;
      await vm.boot({
        ...(entry === undefined ? {} : { entry }),
        ...(kernelArguments === undefined ? {} : { kernelArguments }),
        ...(serve === undefined ? {} : { serve }),
      });
    }
    return vm;
  } catch (error) {
    await vm.stop();
    throw error;
  }
}

async function overlay(file: string, onto: string): Promise<void> {
  await run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', file, '-F', 'raw', onto]);
}

export function vmsFolder(): string {
  return join(labFolder(), 'vms');
}

interface Note {
  owner: Process | undefined;
  qemu?: Process | undefined;
  port?: number;
}

async function note(folder: string, background: boolean, machine?: Machine): Promise<void> {
  const qemu = machine?.process.pid === undefined ? undefined : processOf(machine.process.pid);
  const owner = background && qemu !== undefined ? qemu : processOf(process.pid);
  await writeWhole(join(folder, 'owner.json'), JSON.stringify({ owner, qemu, ...(machine === undefined ? {} : { port: machine.port }) }));
}

/** Who runs a VM host, and the port that leads in; undefined when there is none of that name. */
export async function noteOf(name: string): Promise<Note | undefined> {
  const text = await readFile(join(vmsFolder(), name, 'owner.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Note);
}

/** Ends the VM hosts whose owners are gone, and takes their folders away. */
export async function sweepVms(): Promise<void> {
  await locked('vms', async () => {
    for (const name of await readdir(vmsFolder())) {
      const note = await noteOf(name);
      if (note !== undefined && (note.owner === undefined || !alive(note.owner))) await endVm(name);
    }
  });
}

export async function endVm(name: string): Promise<void> {
  const qemu = (await noteOf(name))?.qemu;
  if (qemu !== undefined && alive(qemu)) process.kill(qemu.pid, 'SIGKILL');
  await rm(join(vmsFolder(), name), { recursive: true, force: true });
}
