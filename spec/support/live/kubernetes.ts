import { type KubeLab, kubeAvailable } from '../../lab/kube/index.ts';
import { openshiftAvailable, openshiftDefinitions } from '../../lab/kube/openshiftApi.ts';
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

/** Skips where OpenShift's definitions cannot be had. The API server of the lab knows them afterwards. */
export async function whereOpenshift(test: Mocha.Context, lab: KubeLab): Promise<void> {
  const available = await openshiftAvailable();
  if (!available.ok) {
    console.log(`      left out: ${available.why}`);
    test.skip();
  }
  const files = (await openshiftDefinitions()).flatMap((file) => ['-f', file]);
  // Some are too long for the annotation of another apply.
  await lab.kubectl(['apply', '--server-side', ...files]);
  await lab.kubectl(['wait', '--for=condition=Established', '--timeout=120s', ...files]);
}
