import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { bootable, failAt, judged, killedAt, pointsOf } from '../support/faults/crash.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { loopMs, sample } from '../support/sample.ts';
import { kataDeployShapes } from '../support/trees/kataDeploy.ts';
import { releases, story, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

/** With everything: an edit in place, its copy, a unit and its link, two folders. */
const shape = kataDeployShapes.find(({ name }) => name === 'containerd 1.7, edited in place with nydus and debug')!;

describe('adopt kata-deploy', function () {
  this.timeout(loopMs);
  let first: string;
  let host: TreeHost;
  let without: string[];

  before(async () => {
    ({ first } = await releases());
  });
  beforeEach(() => {
    host = treeHost(
      shape.tree,
      (root) => {
        for (const folder of ['var/lib', 'etc/systemd/system']) mkdirSync(join(root, folder), { recursive: true });
        shape.host?.(root);
      },
      { engine: shape.engine },
    );
    without = host.fingerprint(story);
    shape.deploy(host.root);
  });
  afterEach(() => host.remove());

  it('a dry run lists every part, and changes no byte', async () => {
    const deployed = host.fingerprint(story);

    const { stdout, status } = await host.run(['adopt', 'kata-deploy', '--remove', '--dry-run']);

    assert.equal(status, 0);
    for (const part of ['edit /etc/containerd/config.toml', 'remove /etc/containerd/config.toml.bak', 'remove /opt/kata and all below it'])
      assert.ok(stdout.includes(part), `${part}: ${stdout}`);
    for (const part of ['remove /etc/systemd/system/nydus-for-kata-tee.service', 'remove /var/lib/nydus-for-kata-tee and all below it'])
      assert.ok(stdout.includes(part), `${part}: ${stdout}`);
    assert.match(stdout, /kubectl label node fcos katacontainers\.io\/kata-runtime- kata-deploy\.katacontainers\.io\/default-/);
    assert.deepEqual(differences(deployed, host.fingerprint(story)), []);
  });

  for (const [what, args] of [
    ['the removal', () => ['adopt', 'kata-deploy', '--remove']],
    ['the takeover', () => ['adopt', 'kata-deploy', first]],
  ] as const)
    it(`${what} killed at any failpoint: the host boots at that moment; then recover: kata-deploy with all of its files, or none`, async () => {
      const tried = host.copy();
      const points = await pointsOf(tried, args());
      const trees = [judged(host), judged(tried)];
      tried.remove();
      const own = points.filter((point) => /set-aside|step\/pointer\/after|afterwards\/set/.test(point));

      const problems: string[] = [];
      for (const point of new Set([...sample(own, 2, `kata-deploy, own, ${what}`), ...sample(points, 2, `kata-deploy, ${what}`)]))
        problems.push(...(await killedAt(host, args(), failAt(point, 'kill'), trees, { killed: bootable, recovered: bootable })));

      assert.ok(
        own.some((point) => point.startsWith('afterwards/set-aside')),
        own.join(),
      );
      assert.deepEqual(problems, []);
    });

  it('owners, modes, times and attributes of the host are as before kata-deploy, after the removal and after takeover and uninstall', async () => {
    const other = host.copy();

    await host.json(['adopt', 'kata-deploy', '--remove']);
    await other.json(['adopt', 'kata-deploy', first]);
    await other.json(['uninstall', '--purge']);

    assert.deepEqual(differences(without, host.fingerprint(story)).filter(isNoState), []);
    assert.deepEqual(differences(without, other.fingerprint(story)).filter(isNoState), []);
    other.remove();
  });
});

/** The folder of the history and of the lock, which a change of a host without Kata leaves. */
function isNoState(line: string): boolean {
  return !/var\/lib\/kata-sysext(?:\||$)/.test(line);
}
