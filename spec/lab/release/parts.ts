import { copyFile, mkdir, readdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cached } from '../cache.ts';
import { run } from '../run.ts';

const QEMU = '/usr/bin/qemu-system-x86_64';
const VIRTIOFSD = '/usr/lib/qemu/virtiofsd';
const PACKAGES = ['qemu-system-x86', 'qemu-system-common', 'qemu-system-data', 'seabios', 'ipxe-qemu', 'busybox-static'];
const MODULES = '/usr/lib/x86_64-linux-gnu/qemu';

// glibc must be the host's own, of one piece; all else comes along
const HOSTS = /^(libc|libm|libpthread|libdl|librt|libresolv|libutil|ld-linux-x86-64)\.so/;

// the later folder wins, as the first one wins in QEMU's own search
const ROMS = [
  { folder: '/usr/share/seabios', names: /^(bios.*|vgabios.*)\.bin$/ },
  { folder: '/usr/lib/ipxe/qemu', names: /^(efi|pxe)-virtio\.rom$/ },
  { folder: '/usr/share/qemu', names: /^(kvmvapic|linuxboot(_dma)?|multiboot(_dma)?|pvh|bios-microvm)\.bin$|^qboot\.rom$/ },
];

/** The unversioned parts of the sample release, gathered once from this machine's Debian packages. */
export async function debianParts(): Promise<string> {
  const versions = await run(['dpkg-query', '-W', ...PACKAGES], { allowFailure: true });
  const recipe = await readFile(new URL(import.meta.url), 'utf8');
  const kernel = await kernelPackage();
  return await cached('release-parts', [versions.stdout, recipe, kernel], async (folder) => {
    await qemu(folder);
    await roms(join(folder, 'roms'));
    await guestKernel(kernel, folder);
    await copyFile('/bin/busybox', join(folder, 'busybox'));
  });
}

async function qemu(folder: string): Promise<void> {
  for (const name of ['lib', 'modules']) await mkdir(join(folder, name));
  const accelerators = (await readdir(MODULES)).filter((name) => /^accel-tcg-x86_64\.so$/.test(name));
  const programs: [string, string][] = [
    [QEMU, join(folder, 'qemu-system-x86_64')],
    [VIRTIOFSD, join(folder, 'virtiofsd')],
    ...accelerators.map((name): [string, string] => [join(MODULES, name), join(folder, 'modules', name)]),
  ];
  for (const [from, to] of programs) {
    await copyFile(from, to);
    for (const library of await libraries(from)) await copyFile(await realpath(library), join(folder, 'lib', basename(library)));
    // DT_RPATH, not RUNPATH: it holds for the libraries of the libraries too
    if (!to.includes('/modules/')) await run(['patchelf', '--force-rpath', '--set-rpath', '$ORIGIN/../lib/kata-qemu', to]);
  }
}

async function libraries(program: string): Promise<string[]> {
  const { stdout } = await run(['ldd', program]);
  const found = [...stdout.matchAll(/=> (\/\S+)/g)].map((match) => match[1] ?? '');
  return found.filter((path) => !HOSTS.test(basename(path)));
}

async function roms(folder: string): Promise<void> {
  await mkdir(folder);
  for (const { folder: from, names } of ROMS) {
    const present = await readdir(from).catch(() => []);
    for (const name of present.filter((entry) => names.test(entry))) await copyFile(await realpath(join(from, name)), join(folder, name));
  }
}

async function kernelPackage(): Promise<string> {
  const { stdout } = await run(['apt-cache', 'depends', 'linux-image-cloud-amd64']);
  const name = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
  if (name === undefined) throw new Error('apt knows no linux-image-cloud-amd64: apt-get update');
  return name;
}

// downloaded and unpacked, not installed: the machine keeps its own kernel
async function guestKernel(name: string, folder: string): Promise<void> {
  const work = join(folder, 'download');
  await mkdir(work);
  await run(['apt-get', 'download', '-q', name], { cwd: work, timeoutMs: 600_000 });
  const [archive] = (await readdir(work)).filter((file) => file.endsWith('.deb'));
  await run(['dpkg-deb', '-x', archive ?? '', 'unpacked'], { cwd: work });
  const boot = join(work, 'unpacked/boot');
  const kernel = (await readdir(boot)).find((file) => file.startsWith('vmlinuz-'));
  if (kernel === undefined) throw new Error(`no kernel in ${name}`);
  await copyFile(join(boot, kernel), join(folder, 'vmlinuz'));
  await writeFile(join(folder, 'kernel-name'), kernel);
  await run(['rm', '-rf', work]);
}
