import { readFileSync } from 'node:fs';
import { cp, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, digestOf } from '../cache.ts';
import { imageArchives } from '../image.ts';
import { run } from '../run.ts';
import { bootVm } from './boot.ts';
import { type Disk, type FileSystem, vmDisk } from './disk.ts';
import type { BootEntry } from './entries.ts';
import { GOODS } from './goods.ts';
import { MACHINE_TEXT } from './machine.ts';
import type { Vm } from './vm.ts';

/** A running host, frozen: a qcow2 over a disk with the machine's state in it. */
export interface SavedState {
  folder: string;
  file: string;
  /** its name in the file */
  state: string;
  /** what the machine was booted from: QEMU wants the same again */
  entry: BootEntry;
  disk: Disk;
}

const STATE = 'lab';

/** The state that each VM host is restored from unless it asks for another: up, images loaded, the CRI ready; under a minute to make. */
export async function savedState(fileSystem: FileSystem = 'ext4'): Promise<SavedState> {
  const disk = await vmDisk(fileSystem);
  const [pause, busybox] = await imageArchives();
  const goods = { 'pause.tar': pause ?? '', 'busybox.tar': busybox ?? '' };
  const vm = () => bootVm({ disk, goods, name: `saving-${digestOf([disk.file, String(process.pid)])}` });
  return await keep(`vm-state-${fileSystem}`, [disk.file, pause ?? '', LOAD, await machineText()], disk, vm, async (host) => {
    await host.sh(LOAD, { timeoutMs: 900_000 });
  });
}

/**
 * A state of one's own, kept by content: restored from another, prepared, and frozen again. `inputs` is everything that `prepare` depends on.
 * What it brings as goods is gone from the frozen state.
 */
export async function derivedState(
  recipe: string,
  inputs: readonly string[],
  prepare: (vm: Vm) => Promise<void>,
  { from, goods = {} }: { from?: SavedState; goods?: Record<string, string> } = {},
): Promise<SavedState> {
  const base = from ?? (await savedState());
  const text = [base.file, await machineText(), ...inputs];
  const vm = () => bootVm({ from: base, goods, name: `saving-${digestOf([...text, String(process.pid)])}` });
  return await keep(`vm-state-${recipe}`, text, base.disk, vm, prepare);
}

async function keep(
  recipe: string,
  inputs: string[],
  disk: Disk,
  boot: () => Promise<Vm>,
  prepare: (vm: Vm) => Promise<void>,
): Promise<SavedState> {
  const folder = await cached(recipe, inputs, async (into) => {
    const vm = await boot();
    try {
      await prepare(vm);
      await vm.sh(`cd /; umount ${GOODS}; sync; echo 3 > /proc/sys/vm/drop_caches`);
      await vm.machine().qmp.human(`savevm ${STATE}`);
      const entry = vm.machine().entry;
      await vm.kill();
      await mkdir(join(into, 'boot'));
      await cp(entry.kernel, join(into, 'boot/kernel'));
      await cp(entry.initrd, join(into, 'boot/initrd'));
      await writeFile(join(into, 'entry.json'), JSON.stringify(entry));
      await rename(join(vm.folder, 'disk.qcow2'), join(into, 'disk.qcow2'));
    } finally {
      await vm.stop();
    }
  });
  const entry = JSON.parse(readFileSync(join(folder, 'entry.json'), 'utf8')) as BootEntry;
  return {
    folder,
    file: join(folder, 'disk.qcow2'),
    state: STATE,
    entry: { ...entry, kernel: join(folder, 'boot/kernel'), initrd: join(folder, 'boot/initrd') },
    disk,
  };
}

async function machineText(): Promise<string> {
  return `${MACHINE_TEXT} ${(await run(['qemu-system-x86_64', '--version'])).stdout.split('\n')[0]}`;
}

const LOAD = `for n in $(seq 3000); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
for name in pause busybox; do ctr -n k8s.io images import ${GOODS}/$name.tar; done
systemctl is-system-running --wait || true`;
