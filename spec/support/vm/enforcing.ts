import assert from 'node:assert/strict';
import { podOutput, removePod, runPod } from '../../lab/pods.ts';
import { type Denial, summary, unexplained } from '../../lab/vm/index.ts';
import type { LiveVm } from './liveVm.ts';

/** Runs a step and asserts that no denial came of it but those of any host. */
export async function silent<T>(live: LiveVm, work: () => Promise<T>): Promise<T> {
  const since = await live.host.cursor();
  const result = await work();
  assert.deepEqual(summary(unexplained(await live.host.denials(since)).filter((denial) => !isExpected(denial))), []);
  return result;
}

/** What is denied on every such host. */
export function isExpected(denial: Denial): boolean {
  return isStandIn(denial) || isHypervisors(denial);
}

/** The lab's stand-in for Kata's shim looks through /proc for its own runc shim; Kata's does not. */
function isStandIn({ comm, class: kind, permissions, path }: Denial): boolean {
  return comm.startsWith('containerd-shim') && kind === 'dir' && permissions.join() === 'search' && /^\d+$/.test(path);
}

/** A change of domain with a cleaned environment is wanted. QEMU tries io_uring and does without: Kata's is denied it under Fedora's policy too. */
function isHypervisors({ comm, class: kind, permissions }: Denial): boolean {
  if (kind === 'process') return permissions.every((permission) => ['noatsecure', 'rlimitinh', 'siginh'].includes(permission));
  return kind === 'anon_inode' && permissions.join() === 'create' && comm.startsWith('qemu-system');
}

/** What a container through a handler says of its own domain ('' is the engine's default), without a denial. */
export async function inPod(live: LiveVm, through: string, name: string): Promise<string> {
  return await silent(live, async () => {
    const pod = await runPod(live.host, through, name);
    const said = await podOutput(live.host, pod, 'cat /proc/self/attr/current');
    await removePod(live.host, pod);
    return said;
  });
}

/** What restorecon would label otherwise. Left out: the engine's own store, and the kernel of the lab's disk, whose labels are not from us. */
export async function wouldRelabel({ host }: LiveVm, places = '/usr /etc /var /usr/local'): Promise<string[]> {
  const { stdout } = await host.sh(`restorecon -Rnv ${places} 2>&1 || true`, { timeoutMs: 900_000 });
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('Would relabel') && !/ \/var\/lib\/containerd\/| \/usr\/lib\/modules\//.test(line));
}
