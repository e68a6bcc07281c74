import { kubeAvailable } from '../../lab/kube/index.ts';
import type { Availability } from '../../lab/roots.ts';

/** Starts what a suite has where Kubernetes can be had, and all else that it needs; on a machine that has nothing it is built first. */
export function whereKubernetes(start: () => Promise<void>, ...more: (() => Promise<Availability>)[]): void {
  before(async function () {
    this.timeout(3_600_000);
    for (const ask of [kubeAvailable, ...more]) {
      const available = await ask();
      if (available.ok) continue;
      console.log(`      left out: ${available.why}`);
      this.skip();
    }
    await start();
  });
}
