import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LabHost } from './host.ts';

/** Folders that a QEMU may have been built to look in → where a release's tree has them. */
const COMPILED: Record<string, string> = {
  '/opt/kata/share/kata-qemu/qemu': 'share/kata-qemu/qemu',
  '/usr/share/qemu': 'share/kata-qemu/qemu',
  '/usr/share/seabios': 'share/kata-qemu/qemu',
  '/usr/lib/ipxe/qemu': 'share/kata-qemu/qemu',
  '/usr/lib/x86_64-linux-gnu/qemu': 'lib/kata-qemu-modules',
};

/** Makes by hand the links that the product makes: QEMU looks in `<folder of its executable>/qemu-bundle/<compiled-in folder>` first. */
export async function linkBundle(host: LabHost, tree: string): Promise<void> {
  for (const [compiled, real] of Object.entries(COMPILED)) {
    const up = '../'.repeat(compiled.split('/').length);
    await host.sh(`mkdir -p "$(dirname ${tree}/bin/qemu-bundle${compiled})" && ln -sfn ${up}${real} ${tree}/bin/qemu-bundle${compiled}`);
  }
}

export interface GuestBoot {
  console: string;
  seconds: number;
  /** how many files below the tree QEMU opened */
  opened: number;
  /** what QEMU opened elsewhere that it should not need: firmware, modules and libraries other than glibc's */
  foreign: string[];
}

/** What is booted: paths as a configuration.toml names them. */
export interface Guest {
  path: string;
  kernel: string;
  initrd: string;
}

/** Boots a guest under TCG, watched by strace: what QEMU opens outside `tree` is counted as foreign. */
export async function bootGuest(host: LabHost, tree: string, guest: Guest = guestOf(tree), attempts = 2): Promise<GuestBoot> {
  const qemu = [
    guest.path,
    '-nodefaults',
    '-no-user-config',
    '-display',
    'none',
    '-no-reboot',
    '-M',
    'q35,accel=tcg',
    '-cpu',
    'max,la57=off',
    '-m',
    '256',
    '-smp',
    '1',
    '-kernel',
    guest.kernel,
    '-initrd',
    guest.initrd,
    '-append',
    'console=ttyS0 panic=-1 quiet mitigations=off',
    '-serial',
    'stdio',
  ];
  for (let attempt = 1; ; attempt++) {
    const since = Date.now();
    try {
      const ran = await host.run(['strace', '-f', '-qq', '-e', 'trace=open,openat', '-o', '/root/qemu.trace', ...qemu], {
        timeoutMs: 300_000,
      });
      const trace = await readFile(join(host.root, 'root/qemu.trace'), 'utf8');
      return { console: ran.stdout, seconds: (Date.now() - since) / 1000, ...judge(trace, tree) };
    } catch (error) {
      // a first boot under TCG was seen to hang once in a dozen
      if (attempt === attempts) throw error;
    }
  }
}

const GLIBC = /\/(libc|libm|libpthread|libdl|librt|libresolv)\.so\.\d$/;

function judge(trace: string, tree: string): Pick<GuestBoot, 'opened' | 'foreign'> {
  const opened = [...trace.matchAll(/open(?:at)?\((?:AT_FDCWD, )?"([^"]+)".*= \d+$/gm)].map((match) => match[1] ?? '');
  const files = [...new Set(opened)].map((path) => path.replace(/\/[^/]+\/\.\.(?=\/)/g, ''));
  const foreign = files.filter((path) => /^\/(usr|lib|lib64|opt)\//.test(path) && !path.startsWith(`${tree}/`) && !GLIBC.test(path));
  return { opened: files.filter((path) => path.startsWith(`${tree}/`)).length, foreign };
}

function guestOf(tree: string): Guest {
  const assets = `${tree}/share/kata-containers`;
  return { path: `${tree}/bin/qemu-system-x86_64`, kernel: `${assets}/vmlinuz.container`, initrd: `${assets}/kata-containers-initrd.img` };
}
