import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { BUSYBOX, PAUSE } from './containerd.ts';
import type { LabHost } from './host.ts';
import { run } from './run.ts';

const APPLETS = [
  'sh',
  'sleep',
  'cat',
  'echo',
  'ls',
  'id',
  'uname',
  'mount',
  'ps',
  'date',
  'env',
  'hostname',
  'true',
  'false',
  'touch',
  'sha256sum',
  'trap',
];
const BUSYBOX_FILE = '/bin/busybox';

/** Archives that `ctr -n k8s.io images import` takes: the sandbox's image and one for containers, both around busybox-static. */
export async function imageArchives(): Promise<string[]> {
  const folder = await cached('images', [digest(await readFile(BUSYBOX_FILE)), APPLETS.join(), PAUSE, BUSYBOX], async (into) => {
    await archive(join(into, 'pause.tar'), PAUSE, ['/bin/sleep', '2147483647']);
    await archive(join(into, 'busybox.tar'), BUSYBOX, ['/bin/sh']);
  });
  return [join(folder, 'pause.tar'), join(folder, 'busybox.tar')];
}

/** Waits for containerd's socket and loads the lab's images, so that pods run without a network. */
export async function importImages(host: LabHost): Promise<void> {
  await host.sh(
    'for n in $(seq 3000); do ctr version >/dev/null 2>&1 && exit; sleep 0.05; done; echo containerd does not answer >&2; exit 1',
  );
  for (const file of await imageArchives()) {
    await run(['cp', file, join(host.root, 'image.tar')]);
    await host.run(['ctr', '-n', 'k8s.io', 'images', 'import', '/image.tar']);
  }
  await rm(join(host.root, 'image.tar'));
}

async function archive(file: string, name: string, command: string[]): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'lab-image-'));
  try {
    const layer = join(work, 'layer');
    for (const folder of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp']) await mkdir(join(layer, folder), { recursive: true });
    await copyFile(BUSYBOX_FILE, join(layer, 'bin/busybox'));
    await chmod(join(layer, 'bin/busybox'), 0o755);
    for (const applet of APPLETS) await symlink('busybox', join(layer, 'bin', applet));
    await writeFile(join(layer, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\n');
    await pack(layer, join(work, 'layer.tar'), ['.']);
    const config = {
      architecture: 'amd64',
      os: 'linux',
      created: '1970-01-01T00:00:00Z',
      config: { Cmd: command, Env: ['PATH=/bin'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${digest(await readFile(join(work, 'layer.tar')))}`] },
      history: [{ created_by: 'lab' }],
    };
    await writeFile(join(work, 'config.json'), JSON.stringify(config));
    await writeFile(join(work, 'manifest.json'), JSON.stringify([{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }]));
    await pack(work, file, ['manifest.json', 'config.json', 'layer.tar']);
  } finally {
    await rm(work, { recursive: true });
  }
}

async function pack(folder: string, file: string, members: string[]): Promise<void> {
  await run(['tar', '-C', folder, '--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '-cf', file, ...members]);
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
