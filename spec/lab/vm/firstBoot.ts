import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { curlBinds } from '../curl.ts';
import { ignitionFiles } from '../ignition.ts';
import { run } from '../run.ts';
import { type Disk, vmDisk } from './disk.ts';
import { insideDisk } from './replay.ts';

const CONTEXTS = 'etc/selinux/default/contexts/files/file_contexts';

/**
 * A disk that was never booted, with what the real Ignition makes of a configuration on its deployment, labels included, and no machine-id
 * yet: systemd takes the boot for the first one and applies the presets. What stands in: Ignition runs on the mounted disk before the boot,
 * because the lab's initramfs has none. `prepare` may add to the tree before it is labelled.
 */
export async function firstBootDisk(config: string, file: string, prepare: (root: string) => void): Promise<Pick<Disk, 'file' | 'key'>> {
  const disk = await vmDisk();
  const [curl = ''] = Object.keys(await curlBinds());
  await run(['cp', '--sparse=always', '--reflink=auto', disk.file, file]);
  await insideDisk(file, async (root) => {
    await ignitionFiles(config, root);
    writeFileSync(join(root, 'etc/machine-id'), 'uninitialized\n');
    // Immutable systems have curl, and wait for the network where somebody asks for it; the lab has no curl, and masks the waiting.
    const local = join(root, 'var/usrlocal');
    await run(['cp', '-r', '--no-preserve=ownership', curl, join(local, 'lib/curl')]);
    symlinkSync('../lib/curl/curl', join(local, 'bin/curl'));
    rmSync(join(root, 'etc/systemd/system/systemd-networkd-wait-online.service'));
    prepare(root);
    const own = ['etc/systemd/system', 'etc/machine-id', 'var/usrlocal'].map((path) => join(root, path));
    await run(['setfiles', '-F', '-r', root, join(root, CONTEXTS), ...own]);
  });
  return { file, key: disk.key };
}
