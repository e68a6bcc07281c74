import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { share } from '../../support/share.ts';
import type { BootEntry } from './entries.ts';
import { openQmp, type Qmp } from './qmp.ts';

export interface Machine {
  process: ChildProcess;
  port: number;
  qmp: Qmp;
  /** what it was started from */
  entry: BootEntry;
  /** why there is no guest any more; undefined while QEMU runs */
  ended(): string | undefined;
  exited: Promise<void>;
}

export interface MachineOptions {
  folder: string;
  /** the qcow2 to run on */
  disk: string;
  goods: string;
  entry: BootEntry;
  kernelArguments?: string;
  serve?: string;
  /** restore the state of this name instead of booting */
  state?: string;
  background?: boolean;
}

const PROGRAM = 'qemu-system-x86_64';
// Emulated: this machine's /dev/kvm may open and yet run no guest (a nested, paravirtual one). What costs an emulator much is off: a second
// processor (its waiting), copies byte by byte (erms, fsrm), and vectors that each instruction takes apart again (avx): a third of the time.
const HARDWARE = [
  '-M',
  'q35,accel=tcg,sata=off,smbus=off,usb=off,vmport=off',
  '-cpu',
  'max,la57=off,erms=off,fsrm=off,avx=off,avx2=off',
  '-smp',
  '1',
  '-m',
  '2048',
  '-device',
  'virtio-rng-pci',
];
// a recording tells the guest's own writes, and a mark is one of them: QEMU would join those that lie beside each other
const DISK = 'virtio-blk-pci,id=disk,drive=disk,request-merging=off';
const ARGUMENTS =
  'console=ttyS0 quiet security=selinux selinux=1 enforcing=1 audit=1 audit_backlog_limit=8192 mitigations=off nokaslr panic=-1 systemd.show_status=0';

/** What a saved state depends on besides the disk. */
export const MACHINE_TEXT = [PROGRAM, ...HARDWARE, ARGUMENTS].join(' ');

/** Starts QEMU under TCG; a guest that reboots ends it, so that the caller can play boot loader. */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const port = await freePort();
  const output = openSync(join(options.folder, 'qemu.out'), 'a');
  const qemu = spawn(PROGRAM, argumentsOf(options, port), { stdio: ['ignore', output, output], detached: true });
  share(qemu.pid, -5);
  let reason: string | undefined;
  const exited = new Promise<void>((resolve) => {
    const end = (why: string) => {
      reason = why;
      resolve();
    };
    qemu.once('error', (error) => end(`cannot run ${PROGRAM}: ${error.message}`));
    qemu.once('exit', (code, signal) => end(`qemu ended (${signal ?? code}): ${tail(options.folder)}`));
  });
  if (options.background === true) qemu.unref();
  else endWithUs(qemu);
  const qmp = await reach(join(options.folder, 'qmp'), () => reason);
  return { process: qemu, port, qmp, entry: options.entry, ended: () => reason, exited };
}

/** A test run that is stopped leaves no guest that works on; one that is killed leaves it to the sweep. */
function endWithUs(qemu: ChildProcess): void {
  const end = () => qemu.kill('SIGKILL');
  process.on('exit', end);
  qemu.once('exit', () => process.off('exit', end));
}

/** Where a guest finds what it is served: the one address of the network that leads anywhere. */
export const SERVER = 'http://10.0.2.100';

function argumentsOf(options: MachineOptions, port: number): string[] {
  const { folder, entry, serve } = options;
  const forwarding = serve === undefined ? '' : `,guestfwd=tcp:10.0.2.100:80-cmd:busybox httpd -i -h ${serve}`;
  return [
    ...['-name', 'kata-sysext-lab', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', ...HARDWARE],
    ...[
      '-kernel',
      entry.kernel,
      '-initrd',
      entry.initrd,
      '-append',
      `${entry.options} ${ARGUMENTS} ${options.kernelArguments ?? ''}`.trim(),
    ],
    ...['-blockdev', JSON.stringify(diskNode(options.disk)), '-device', DISK],
    ...['-blockdev', JSON.stringify(goodsNode(options.goods)), '-device', 'virtio-blk-pci,id=goods,drive=goods'],
    ...[
      '-netdev',
      `user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:${port}-10.0.2.15:22${forwarding}`,
      '-device',
      'virtio-net-pci,netdev=net',
    ],
    ...['-serial', `file:${join(folder, 'serial')}`, '-qmp', `unix:${join(folder, 'qmp')},server=on,wait=off`],
    ...(options.state === undefined ? [] : ['-loadvm', options.state]),
  ];
}

// the machine's own disk need not be reached: what counts as flushed is read from the recording
function diskNode(file: string): unknown {
  return { driver: 'qcow2', 'node-name': 'disk', cache: { 'no-flush': true }, file: { driver: 'file', filename: file } };
}

function goodsNode(file: string): unknown {
  return { driver: 'raw', 'node-name': 'goods', 'read-only': true, file: { driver: 'file', filename: file, 'read-only': true } };
}

async function reach(path: string, ended: () => string | undefined): Promise<Qmp> {
  for (let tries = 0; ; tries++) {
    const why = ended();
    if (why !== undefined) throw new Error(why);
    try {
      return await openQmp(path);
    } catch (error) {
      if (tries === 6000) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/**
 * Whether the guest's kernel died of QEMU: emulating two processors at once, QEMU 7.2 sometimes runs a breakpoint that the kernel has just
 * taken out again (about one boot in fifteen here, always before the disk is mounted).
 */
export function diedOfEmulation(folder: string): boolean {
  const said = tail(folder, 20_000);
  return said.includes('Oops: int3') && said.includes('Kernel panic');
}

/** The end of what QEMU and the guest's console said. */
export function tail(folder: string, length = 1500): string {
  const read = (name: string) => {
    try {
      return readFileSync(join(folder, name), 'utf8').slice(-length);
    } catch {
      return '';
    }
  };
  return `${read('qemu.out')}\n${read('serial')}`.trim();
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
