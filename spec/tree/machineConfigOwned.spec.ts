import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { differences } from '../support/judges/fingerprint.ts';
import { loopMs } from '../support/sample.ts';
import { put } from '../support/trees/hostTrees.ts';
import { crioTree, currentConfig, owning } from '../support/trees/renderedTree.ts';
import { releases, story, type TreeHost } from '../support/trees/treeHost.ts';

const dropIn = 'etc/crio/crio.conf.d/50-kata-sysext.conf';

/** The rule is about paths: whatever verb would write to a file of a MachineConfig is refused before it writes anything. */
describe('a file that a MachineConfig owns', function () {
  this.timeout(loopMs);
  const alias = 'kata=qemu-runtime-rs';
  let base: TreeHost;
  let host: TreeHost;
  let first: string;
  let second: string;

  before(async () => {
    ({ first, second } = await releases());
    base = crioTree('rhcos', 'crio@1.32');
    await base.json(['install', first]);
    await base.json(['install', first, '--alias', alias]);
    await base.json(['install', second, '--alias', 'kata=', '--stage']);
  });
  beforeEach(() => {
    host = base.copy();
  });
  after(() => base.remove());
  afterEach(() => host.remove());

  const own = (path: string) => put(host.root, currentConfig, owning([path]), 0o600);

  const pointer = 'etc/kata-sysext/current';
  const rows: [title: string, owned: string, args: () => string[]][] = [
    ['install: an alias goes', dropIn, () => ['install', first, '--alias', 'kata=']],
    ['install: an upgrade', pointer, () => ['install', second]],
    ['configure', pointer, () => ['configure', '--set', 'default_memory=4096']],
    ['activate: wiring', dropIn, () => ['activate', '3']],
    ['activate: pointer', pointer, () => ['activate', '3']],
    ['rollback: wiring', dropIn, () => ['rollback']],
    ['rollback: pointer', pointer, () => ['rollback', '--to', '1']],
    ['uninstall --handler', dropIn, () => ['uninstall', '--handler', 'kata']],
    ['uninstall', dropIn, () => ['uninstall']],
    ['uninstall --purge', pointer, () => ['uninstall', '--purge']],
  ];
  for (const [title, path, args] of rows) {
    it(`is not changed by ${title}`, async () => {
      own(`/${path}`);
      const before = host.fingerprint(story);

      const refused = await host.json(args(), 3);
      const planned = await host.json([...args(), '--dry-run'], 3);

      const details = refused['details'] as Record<string, unknown>;
      assert.deepEqual([refused['code'], planned['code']], ['owned-by-machineconfig', 'owned-by-machineconfig'], JSON.stringify(refused));
      assert.deepEqual(
        [refused['subject'], details['pool'], details['machineConfig']],
        [`/${path}`, 'worker', 'rendered-worker-0123456789abcdef0123456789abcdef'],
      );
      assert.match(String(refused['next']), new RegExp(`oc get machineconfigs .*"/${path}"`));
      const generates = !args().includes('uninstall') || args().includes('--handler');
      assert.equal(
        /kata-sysext generate machineconfig \S+ --handler .* --target openshift-4\.19 .*--form hook /.test(String(refused['next'])),
        generates,
      );
      assert.deepEqual(differences(before, host.fingerprint(story)), []);
    });
  }

  it('is not given up by the boot guard: it says what stands in the way, and what to do if the engine does not start', async () => {
    own(`/${dropIn}`);
    execFileSync('find', [host.path('var/usrlocal'), '-name', 'containerd-shim-kata-v2', '-delete']);
    const before = host.fingerprint(['var', 'run']);

    const refused = await host.json(['recover', '--boot', 'recover'], 3);

    assert.equal(refused['code'], 'owned-by-machineconfig');
    assert.match(
      String(refused['found']),
      /^generation 2 should be rolled back \(files of .* missing or changed\), and stays as it is: \/etc\/crio\//,
    );
    assert.match(
      String(refused['next']),
      /oc get machineconfigs .*; if crio.* does not start until then: mv \/etc\/crio\/\S+ \/root\/ && systemctl restart crio/,
    );
    assert.deepEqual(differences(before, host.fingerprint(['var', 'run'])), []);
  });

  it('is not made by a first install either', async () => {
    host.remove();
    host = crioTree('rhcos', 'crio@1.32');
    own(`/${dropIn}`);
    const before = host.fingerprint(story);

    const refused = await host.json(['install', first], 3);

    assert.equal(refused['code'], 'owned-by-machineconfig');
    assert.deepEqual(
      differences(before, host.fingerprint(story)).filter((line) => !/var\/lib\/kata-sysext/.test(line)),
      [],
    );
  });

  it('is known by any name of its folder', async () => {
    own(`/etc/crio/crio.conf.d/../crio.conf.d/50-kata-sysext.conf`);

    assert.equal((await host.json(['uninstall'], 3))['code'], 'owned-by-machineconfig');
  });

  it('hinders nothing that does not write to it', async () => {
    own(`/${dropIn}`);
    const bytes = readFileSync(host.path(dropIn), 'utf8');

    for (const args of [
      ['install', second],
      ['rollback'],
      ['configure', '--set', 'default_memory=4096'],
      ['pin', '1'],
      ['gc', '--keep', '0'],
    ])
      await host.json(args);

    assert.equal(readFileSync(host.path(dropIn), 'utf8'), bytes);
  });
});
