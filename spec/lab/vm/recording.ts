import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../run.ts';
import type { Vm } from './vm.ts';
import { MARK_SIZE, readWriteLog, type WriteLog } from './writeLog.ts';

/** The disk as it was, and all that was written to it since. */
export interface Recording {
  /** raw and sparse */
  base: string;
  log: WriteLog;
}

export interface Recorder {
  /** notes a moment in the log itself: cuts behind it are of this phase. Letters, digits and ` .:/-` */
  mark(phase: string): Promise<void>;
  /** ends the recording; the guest runs on */
  stop(): Promise<Recording>;
}

const MARKS = '/var/lab-marks';

/**
 * Records the writes of a running guest from now on into two files of the folder. What the guest has not yet written when it begins is
 * synced before, and what it has not yet flushed when it ends is synced before too.
 */
export async function record(vm: Vm, folder: string): Promise<Recorder> {
  const [base, file] = [join(folder, 'base.qcow2'), join(folder, 'writes.log')];
  const { qmp } = vm.machine();
  await writeFile(file, '');
  await vm.sh(`head -c ${MARK_SIZE} /dev/zero > ${MARKS}; sync`);
  // a guest that stands still has its disk written out
  await qmp.execute('stop');
  await run(['cp', '--sparse=always', '--reflink=auto', join(vm.folder, 'disk.qcow2'), base]);
  await qmp.execute('blockdev-add', {
    driver: 'blklogwrites',
    'node-name': 'recording',
    file: 'disk',
    log: { driver: 'file', filename: file },
  });
  await driveFrom(vm, 'recording');
  await qmp.execute('cont');
  return {
    mark: async (phase) => {
      const text = `lab-mark:${phase}`.padEnd(MARK_SIZE);
      await vm.sh(`dd of=${MARKS} bs=${MARK_SIZE} count=1 oflag=direct conv=notrunc status=none`, { input: text });
    },
    stop: async () => {
      await vm.sh('sync');
      await qmp.execute('stop');
      await driveFrom(vm, 'disk');
      await qmp.execute('blockdev-del', { 'node-name': 'recording' });
      await qmp.execute('cont');
      const raw = join(folder, 'base.raw');
      await run(['qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', base, raw], { timeoutMs: 900_000 });
      await truncate(base, 0);
      return { base: raw, log: readWriteLog(file) };
    },
  };
}

async function driveFrom(vm: Vm, node: string): Promise<void> {
  await vm.machine().qmp.execute('qom-set', { path: '/machine/peripheral/disk', property: 'drive', value: node });
}
