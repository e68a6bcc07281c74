import { posix } from 'node:path';
import { commandWord, KataError } from '../../../errors/index.ts';
import { isRoots, mountOf, mounts } from '../../../facts/index.ts';
import type { HostPath, HostView } from '../../../host/index.ts';
import { snapshotterFolders } from './places.ts';
import type { Deployed } from './types.ts';

const programName = 'kata-deploy';

interface Pod {
  podName: string;
  podNamespace: string;
  ready: boolean;
}

/**
 * Throws `kata-deploy-runs` while it is on this node: it writes all again when its pod starts, and when it ends. `pods` are those that the
 * node's engine knows.
 */
export async function refuseLiving(host: HostView, pods: readonly Pod[]): Promise<void> {
  if (!host.live) return;
  const pod = pods.find(({ podName, ready }) => ready && /(?:^|-)kata-deploy(?:-|$)/.test(podName));
  const pid = await runningAs(host);
  if (pod === undefined && pid === undefined) return;
  throw new KataError('kata-deploy-runs', {
    subject: pod === undefined ? `process ${pid}` : `${pod.podNamespace}/${pod.podName}`,
    found:
      pod === undefined ? `kata-deploy runs on this node (process ${pid})` : `the pod ${pod.podNamespace}/${pod.podName} runs on this node`,
    needed: 'no kata-deploy on this node: its pod writes all of it again when it starts',
    next: 'helm uninstall kata-deploy -n kube-system; for this node alone: take away the label that the nodeSelector of its DaemonSet asks for',
  });
}

/** By the file that a process of root runs: it starts itself again through /proc/self/exe, so that its name does not tell. */
async function runningAs(host: HostView): Promise<string | undefined> {
  for (const pid of (await host.readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const program = await host.readlink(`/proc/${pid}/exe`).catch(() => undefined);
    if (program === undefined || posix.basename(program.replace(/ \(deleted\)$/, '')) !== programName) continue;
    if (await isRoots(host, pid)) return pid;
  }
  return undefined;
}

/** Throws `adopt-unproven` where something is mounted on or below what goes: a removal would reach into it. */
export async function refuseMounted(host: HostView, { trees }: Pick<Deployed, 'trees'>): Promise<void> {
  const all = await mounts(host);
  for (const path of trees) {
    const real: HostPath = await host.resolve(path);
    const mount = all.find(({ point }) => point === real || point.startsWith(`${real}/`));
    if (mount === undefined) continue;
    throw new KataError('adopt-unproven', {
      subject: path,
      found: `${mount.point} is a mount point (${mount.type})`,
      needed: `nothing that is mounted on or below ${path}`,
      next: `findmnt -R ${commandWord(mountOf(all, real)?.point ?? real)}; umount ${commandWord(mount.point)}`,
    });
  }
}

/**
 * Throws `handler-in-use` while a program of a release of kata-deploy runs: its handlers are no longer in the engine's files then, so that the
 * engine cannot name its pods.
 */
export async function refuseRunningFrom(host: HostView, { destinations }: Pick<Deployed, 'destinations'>): Promise<void> {
  if (!host.live) return;
  const places = await Promise.all(destinations.map((path) => host.resolve(path)));
  for (const pid of (await host.readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const program = await host.readlink(`/proc/${pid}/exe`).catch(() => undefined);
    const at = places.find((place) => program?.startsWith(`${place}/`) === true);
    // Its snapshotter is stopped by the change.
    if (
      at === undefined ||
      snapshotterFolders.some((name) => program?.startsWith(`${at}/${name}/`) === true) ||
      !(await isRoots(host, pid))
    )
      continue;
    throw new KataError('handler-in-use', {
      subject: program ?? pid,
      found: `process ${pid} runs ${program}`,
      needed: 'no pod of kata-deploy’s handlers on this node',
      next: `kubectl drain NODE --ignore-daemonsets; ps -o args= -p ${pid}`,
    });
  }
}
