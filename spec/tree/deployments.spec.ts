import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openView } from '../../cli/host/index.ts';
import { pointersElsewhere } from '../../cli/store/index.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { put, type TreeName } from '../support/trees/hostTrees.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const other = 'ostree/deploy/fedora-coreos/deploy/abc.0/etc/kata-sysext';

/** /var is shared by the deployments of an ostree host, /etc is not: what another deployment points at is not ours to remove. */
describe('an ostree host whose other deployment uses a generation', () => {
  let host: TreeHost;

  beforeEach(async () => {
    const { first, second } = await releases();
    host = treeHost('fcos');
    await host.json(['install', first]);
    mkdirSync(host.path(other), { recursive: true });
    symlinkSync(readlinkSync(host.path('etc/kata-sysext/current')), host.path(`${other}/current`));
    await host.json(['install', second]);
  });

  afterEach(() => host.remove());

  it('uninstall --purge keeps its generation, payload and story, and takes ours away', async () => {
    const kept = host.fingerprint().filter((line) => line.includes('generations/1/'));

    const dry = await host.json(['uninstall', '--purge', '--dry-run']);
    const done = await host.json(['uninstall', '--purge']);

    const after = host.fingerprint();
    assert.equal(dry['kind'], 'Plan');
    assert.deepEqual(done['findings'], [], 'what stays for it is no file of somebody else');
    assert.deepEqual(
      differences(
        kept,
        after.filter((line) => line.includes('generations/1/')),
      ),
      [],
    );
    assert.ok(
      after.some((line) => line.includes('containerd-shim-kata-v2')),
      'its payload is there',
    );
    assert.ok(!after.some((line) => line.includes('generations/2/')), 'ours is gone');
    assert.ok(!after.some((line) => line.startsWith('./etc/kata-sysext')), 'our pointer is gone');
    const again = await host.json(['uninstall', '--dry-run']);
    assert.equal(again['kind'], 'Plan');
  });
});

const image = 'd'.repeat(128);

/** Where operating systems keep the /etc of what is not booted, and the name that it has with us. */
const places: { tree: TreeName; etc: string; deployment: string }[] = [
  { tree: 'fcos', etc: 'ostree/deploy/fedora-coreos/deploy/abc.0/etc', deployment: 'abc.0' },
  { tree: 'fcos', etc: `sysroot/state/deploy/${image}/etc`, deployment: image },
  { tree: 'microos', etc: '.snapshots/7/snapshot/etc', deployment: 'snapshot-7' },
  { tree: 'microos', etc: 'var/lib/overlay/7/etc', deployment: 'snapshot-7' },
];

/** snapper's, which are there whatever lies above their /etc. */
function withSnapshots(root: string): void {
  for (const number of [6, 7]) mkdirSync(join(root, `.snapshots/${number}/snapshot/etc`), { recursive: true });
}

describe('a generation that only another deployment or snapshot points at', () => {
  let host: TreeHost;
  afterEach(() => host.remove());

  for (const { tree, etc, deployment } of places)
    it(`${etc.replace(image, 'IMAGE')}: status names it, gc keeps it, and takes it once that is gone`, async () => {
      const { first, second } = await releases();
      host = treeHost(tree, withSnapshots);
      await host.json(['install', first]);
      mkdirSync(host.path(`${etc}/kata-sysext`), { recursive: true });
      symlinkSync(readlinkSync(host.path('etc/kata-sysext/current')), host.path(`${etc}/kata-sysext/current`));
      await host.json(['install', second]);
      await host.json(['configure', '--set', 'default_memory=4096']);

      const { deployments } = await host.json(['status']);
      const text = (await host.run(['status'])).stdout;
      const kept = await host.json(['gc', '--keep', '0']);
      await host.json(['rollback', '--to', '1']);
      const { drift } = await host.json(['verify']);
      await host.json(['rollback', '--to', '3']);
      await host.json(['rollback', '--to', '2']);
      rmSync(host.path(etc), { recursive: true });
      const gone = await host.json(['gc', '--keep', '0']);

      assert.deepEqual(deployments, [{ deployment, generation: 1 }]);
      assert.ok(text.includes(`generation 1 is active in deployment ${deployment}`), text);
      assert.deepEqual([kept['removedGenerations'], drift, gone['removedGenerations']], [[], [], [1]]);
    });

  it('the snapshot that is booted is no other one, though its /etc is an overlay', async () => {
    host = treeHost('microos', withSnapshots);
    await host.json(['install', (await releases()).first]);
    for (const number of [6, 7]) {
      const etc = `var/lib/overlay/${number}/etc/kata-sysext`;
      mkdirSync(host.path(etc), { recursive: true });
      symlinkSync(readlinkSync(host.path('etc/kata-sysext/current')), host.path(`${etc}/current`));
    }
    put(host.root, 'proc/self/mountinfo', '22 1 0:33 /@/.snapshots/7/snapshot / ro - btrfs /dev/vda3 ro,subvol=/@/.snapshots/7/snapshot\n');

    const seen = await pointersElsewhere({ ...openView(host.root, {}), booted: true });

    assert.deepEqual(seen, [{ deployment: 'snapshot-6', generation: 1 }]);
  });
});

/**
 * A wired by a range, an update B anew by a drop-in, and C was made from the files of A. The records of A and B are what either engine makes
 * of the same tree.
 */
describe('an ostree host whose generation was wired last by another deployment', () => {
  const record = 'var/lib/kata-sysext/generations/1/record.json';
  const engineFiles = (host: TreeHost) => host.fingerprint().filter((line) => line.includes('/etc/containerd'));
  let host: TreeHost;
  let untouched: string[];

  beforeEach(async () => {
    const { first } = await releases();
    host = treeHost('fcos', undefined, { engine: 'containerd@1.7.24' });
    const updated = treeHost('fcos', undefined, { engine: 'containerd@2.1.0' });
    untouched = engineFiles(host);
    for (const each of [host, updated]) await each.json(['install', first, '--backend', 'prefix']);
    const [a, b] = [host, updated].map((each) => JSON.parse(readFileSync(each.path(record), 'utf8')));
    assert.notDeepEqual(a.wiring.marks, b.wiring.marks);
    const wirings = { 'a.0': { wiring: a.wiring, edited: a.edited }, 'b.0': { wiring: b.wiring, edited: b.edited } };
    writeFileSync(host.path(record), JSON.stringify({ ...a, wiring: b.wiring, edited: b.edited, wirings }));
    updated.remove();
  });
  afterEach(() => host.remove());

  it('uninstall takes out what stands in its files', async () => {
    const done = await host.json(['uninstall', '--purge']);

    assert.deepEqual(done['findings'], []);
    assert.deepEqual(differences(untouched, engineFiles(host)), []);
  });

  it('so it does when the pointer is gone', async () => {
    rmSync(host.path('etc/kata-sysext/current'));

    await host.json(['uninstall', '--purge']);

    assert.deepEqual(differences(untouched, engineFiles(host)), []);
  });

  it('a generation that is given up leaves nothing in them', async () => {
    rmSync(host.path('var/usrlocal/libexec/kata-sysext/tree'), { recursive: true });

    const guarded = await host.json(['recover', '--boot', 'recover']);

    assert.equal(guarded['to'], undefined);
    assert.deepEqual(differences(untouched, engineFiles(host)), []);
  });
});
