import { watch } from 'node:fs';
import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import toml from '@iarna/toml';
import { CRIO, CRIO_SOCKET, crioAvailable, crioBinds, crioFiles, crioFolder } from '../../lab/crio.ts';
import { imageArchives } from '../../lab/image.ts';
import { JUDGE } from '../../lab/judge.ts';
import { waitForCri } from '../../lab/pods.ts';
import { debianRoot, type Suite, suiteAvailable } from '../../lab/roots.ts';
import { run } from '../../lab/run.ts';
import type { Content } from '../../lab/storage.ts';
import { type Live, liveHost } from './liveHost.ts';

export const crioUnit = 'crio.service';
export const dropIns = '/etc/crio/crio.conf.d';
export const dropIn = `${dropIns}/50-kata-sysext.conf`;

/** A booted host whose engine is CRI-O; containerd is installed and masked. */
export async function crioHost(
  files: Record<string, Content> = {},
  suite: Suite = 'trixie',
  binds: Record<string, string> = {},
  usr?: string,
): Promise<Live> {
  const given = {
    suite,
    ...(usr === undefined ? {} : { usr }),
    containerdConfig: '',
    images: false,
    files: { ...crioFiles(), ...files },
    binds: { ...(await crioBinds()), ...binds },
  };
  return liveHost(given, { unit: crioUnit, socket: CRIO_SOCKET });
}

/** Where CRI-O or its host cannot be made today, the specs of the describe are skipped and say why. */
export function whereCrio(): void {
  before(function () {
    return needCrio(this);
  });
}

/** The same in a `before` that goes on with a host: one that follows a skipped one would still run. */
export async function needCrio(context: Mocha.Context): Promise<void> {
  context.timeout(1_800_000);
  for (const available of [await suiteAvailable('trixie'), await crioAvailable()]) {
    if (available.ok) continue;
    console.log(`      ${available.why}`);
    context.skip();
  }
}

/** Why CRI-O, which is made with this machine's C library, does not run on a suite; undefined where it does. */
export async function crioMisfit(suite: Suite): Promise<string | undefined> {
  const root = await debianRoot(suite);
  const argv = ['unshare', '--mount', 'sh', '-c', 'mount --bind "$1" "$2/mnt" && exec chroot "$2" /mnt/crio --version', 'sh'];
  const tried = await run([...argv, await crioFolder(), root], { allowFailure: true });
  return tried.code === 0 ? undefined : `CRI-O as made here does not start on ${suite}: ${tried.stderr.trim().split('\n').at(-1) ?? ''}`;
}

/** The handlers of the CRI's plain Status, by the judge; '' is the default one. */
export async function crioHandlers({ host }: Live): Promise<string[]> {
  const { stdout } = await host.run([JUDGE, '--runtime-endpoint', `unix://${CRIO_SOCKET}`, 'info']);
  const { runtimeHandlers } = JSON.parse(stdout) as { runtimeHandlers: { name: string }[] };
  return runtimeHandlers.map((handler) => handler.name).sort();
}

/** What the running daemon says that its configuration is. */
export async function runningConfig({ host }: Live): Promise<Record<string, unknown>> {
  return toml.parse((await host.run([CRIO, 'status', 'config'])).stdout) as Record<string, unknown>;
}

/** What the daemon's binary makes of the files as they are now. */
export async function filesConfig({ host }: Live): Promise<Record<string, unknown>> {
  return toml.parse((await host.run([CRIO, 'config'])).stdout) as Record<string, unknown>;
}

/** Every name that is made in the folder of drop-ins while `work` runs, as the kernel reports it. */
export async function namesMade<T>({ host }: Live, work: () => Promise<T>): Promise<{ result: T; names: string[] }> {
  const names = new Set<string>();
  const watcher = watch(join(host.root, dropIns), (_event, name) => names.add(String(name)));
  try {
    const result = await work();
    // Events are delivered by the loop: what the kernel has noted by now is told in this turn or the next.
    await new Promise((resolve) => setTimeout(resolve, 50));
    return { result, names: [...names].sort() };
  } finally {
    watcher.close();
  }
}

/** Into CRI-O's store, by buildah of this machine: the lab's images, for sandboxes and for containers. */
export async function importImages({ host }: Live): Promise<void> {
  const store = join(host.root, 'var/lib/containers/storage');
  await host.run(['systemctl', 'stop', crioUnit]);
  const own = join(host.root, 'root/run');
  await mkdir(own, { recursive: true });
  const places = ['--root', store, '--runroot', join(own, 'runroot'), '--storage-driver', 'overlay'];
  for (const archive of await imageArchives()) {
    await cp(archive, join(own, 'image.tar'));
    await run(['buildah', ...places, 'pull', `docker-archive:${join(own, 'image.tar')}`]);
  }
  await rm(own, { recursive: true, force: true });
  await host.run(['systemctl', 'start', crioUnit]);
  await waitForCri(host, CRIO_SOCKET);
}
