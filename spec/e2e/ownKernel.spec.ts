import assert from 'node:assert/strict';
import { removePod, runPod } from '../lab/pods.ts';
import { suiteAvailable } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { handlersOf, type Live, runsOf } from '../support/live/liveHost.ts';
import { podHost, provePods } from '../support/live/podHost.ts';

const base = 'kata-qemu-runtime-rs';
const kernel = '/root/vmlinuz-own';
const component = ['--component', `kernel=${kernel}`, '--alias', 'own-kernel'];
const folders = ['etc', 'usr', 'opt', 'var', 'boot'];
/** What the engine and the lab write themselves. */
const leftOut = ['var/lib/containerd', 'var/lib/cni', 'var/log', 'var/lib/systemd', 'var/tmp', 'var/cache'];

/** The stand-in shim makes a virtual machine of what the configuration names: QEMU's own command line says with which kernel. */
describe('a pod with a kernel of the user, beside one with the kernel of the release', function () {
  this.timeout(900_000);
  let live: Live;
  let atStart: string[];
  let digest: string;

  before(async function () {
    const available = await suiteAvailable('trixie');
    if (!available.ok) {
      console.log(`      ${available.why}`);
      this.skip();
    }
    live = await podHost('trixie', { '/etc/systemd/system/containerd.service.d/vmm.conf': '[Service]\nEnvironment=LAB_SHIM_VMM=tcg\n' });
    // The first pod makes the engine write what it writes once.
    await removePod(live.host, await runPod(live.host, '', 'warm'));
    atStart = fingerprint(live.host.root, folders, leftOut);
    // A kernel that boots and has other bytes: what is behind the end of a bzImage is not run.
    await live.host.sh(`cd /root; mkdir unpacked; tar --zstd -xf ${live.bundle(live.first)} -C unpacked
      cp "$(realpath unpacked/opt/kata/share/kata-containers/vmlinux.container)" ${kernel}; printf own >> ${kernel}; rm -r unpacked`);
    digest = (await live.host.sh(`sha256sum < ${kernel}`)).stdout.slice(0, 64);
  });
  stopAfter(() => live);

  it('install adds the handler, and verify --pod starts a pod of each on its own kernel', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix', ...component]);
    const pods = await provePods(live, 0);

    assert.deepEqual(
      (await handlersOf(live)).filter((name) => name !== 'runc'),
      [base, 'own-kernel'],
    );
    assert.deepEqual(
      pods.map(({ handler, ok }) => [handler, ok]),
      [
        [base, true],
        ['own-kernel', true],
      ],
    );
    const [released, own] = pods.map(({ kernelFile }) => kernelFile ?? '');
    assert.match(own!, /\/share\/kata-sysext\/own-kernel\.kernel$/);
    assert.doesNotMatch(released!, /kata-sysext\/own-kernel/);
    assert.equal(await digestInside(own!), digest);
    assert.notEqual(await digestInside(released!), digest);
  });

  it('both run side by side, and while a pod of it runs the handler stays', async () => {
    const [released, own] = [await runPod(live.host, base, 'released'), await runPod(live.host, 'own-kernel', 'own')];
    const [kernelOfReleased, kernelOfOwn] = [await kernelOf(released.id), await kernelOf(own.id)];

    const refused = await live.json(['uninstall', '--handler', 'own-kernel'], 3);
    for (const pod of [released, own]) await removePod(live.host, pod);

    assert.equal(await digestInside(kernelOfOwn), digest);
    assert.notEqual(await digestInside(kernelOfReleased), digest);
    assert.equal(refused['code'], 'handler-in-use');
  });

  it('an upgrade keeps the kernel without a restart, also where the file is gone, and rollback brings the earlier release back', async () => {
    await live.host.sh(`mv ${kernel} /root/kept`);
    const runs = await runsOf(live);

    await live.json(['install', live.bundle(live.second)]);
    const after = await runsOf(live);
    const pod = await runPod(live.host, 'own-kernel', 'upgraded');
    const seen = await kernelOf(pod.id);
    const upgraded = await digestInside(seen);
    await removePod(live.host, pod);
    await live.json(['rollback']);
    const [, back] = await provePods(live, 0);
    await live.host.sh(`mv /root/kept ${kernel}`);

    assert.deepEqual(after, runs);
    assert.equal(upgraded, digest);
    assert.equal(back!.ok, true);
    assert.equal(await digestInside(back!.kernelFile!), digest);
  });

  it('uninstall leaves every byte as it was', async () => {
    await live.json(['uninstall', '--purge']);

    assert.deepEqual(differences(atStart, await printed()), []);
  });

  it('an image that is merged gives its file to the next release', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'sysext', '--format', 'squashfs', ...component]);
    await live.json(['install', live.bundle(live.second)]);

    const [, own] = await provePods(live, 0);
    const seen = await digestInside(own!.kernelFile!);
    await live.json(['uninstall', '--purge']);

    assert.match(own!.kernelFile!, /^\/usr\/share\/kata\/share\/kata-sysext\/own-kernel\.kernel$/);
    assert.equal(seen, digest);
    assert.deepEqual(differences(atStart, await printed()), []);
  });

  async function printed(): Promise<string[]> {
    return fingerprint(live.host.root, folders, leftOut);
  }

  async function digestInside(path: string): Promise<string> {
    return (await live.host.run(['sha256sum', path])).stdout.slice(0, 64);
  }

  /** The kernel that the hypervisor of a sandbox was started with, by its command line. */
  async function kernelOf(id: string): Promise<string> {
    const { stdout } = await live.host.sh('ps -eo args');
    const line = stdout.split('\n').find((each) => each.includes(id) && each.includes(' -kernel '));
    return /-kernel (\S+)/.exec(line ?? '')?.[1] ?? assert.fail(stdout);
  }
});
