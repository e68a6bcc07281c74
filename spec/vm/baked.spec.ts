import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { waitForCri } from '../lab/pods.ts';
import { FIRST, type SampleRelease, SECOND, sampleRelease } from '../lab/release/index.ts';
import { run } from '../lab/run.ts';
import { type ImageRepo, imageRepo } from '../lab/vm/index.ts';
import { handlersOf } from '../support/live/liveHost.ts';
import { singleFile } from '../support/singleFile.ts';
import { silent, wouldRelabel } from '../support/vm/enforcing.ts';
import { type LiveVm, liveVm } from '../support/vm/liveVm.ts';
import { confinedPod, machineGoods, withMachines } from '../support/vm/machines.ts';

const handler = 'kata-qemu-runtime-rs';
const [newest, earlier] = [0, 1];

/** OS images that buildah builds from our Containerfile, on the lab's ostree host, with SELinux enforcing. */
describe('an OS image with Kata baked in', function () {
  this.timeout(2_400_000);
  let folder: string;
  let images: ImageRepo;
  let live: LiveVm;
  let stop: () => Promise<void> = async () => undefined;

  before(async function () {
    if ((await run(['sh', '-c', 'command -v buildah'], { allowFailure: true })).code !== 0) {
      console.log('      left out: it needs buildah (.ci/packages.txt)');
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-images-'));
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
    images = await imageRepo([
      await context('kata-first', await sampleRelease(FIRST)),
      await context('kata-second', await sampleRelease(SECOND)),
    ]);
    live = await liveVm({ goods: { ...(await machineGoods()), images: images.folder } });
    stop = () => live.host.stop();
    await withMachines(live);
    await live.host.sh('ostree pull-local /mnt/goods/images lab/kata-first lab/kata-second', { timeoutMs: 1_200_000 });
  });
  after(async () => {
    await stop();
  });

  it('has nothing in /var, /run or /tmp', () => {
    assert.deepEqual([images.volatile('kata-first'), images.volatile('kata-second')], [[], []]);
  });

  it('proves itself at its first boot and is blessed, without a denial; a pod runs through it, confined', async () => {
    const before = await handlersOf(live);
    await deploy('lab/kata-first');

    await silent(live, async () => {
      await boot(newest);
      await blessed();
    });

    assert.deepEqual(before, ['runc']);
    assert.deepEqual(await handlersOf(live), [handler, 'runc']);
    await confinedPod(live, handler, 'first');
    assert.deepEqual(await standing(), [0, 'blessed', live.first.version, []]);
    const ours = '/usr/libexec/kata-sysext /usr/lib/kata-sysext /var/lib/kata-sysext /etc/kata-sysext /etc/containerd /etc/systemd/system';
    assert.deepEqual(await wouldRelabel(live, ours), []);
  });

  it('of /etc only the blessing differs from the image, so that another image finds nothing to merge', async () => {
    const { stdout } = await live.host.sh('ostree admin config-diff');

    const changed = stdout.split('\n').filter((line) => /kata|containerd/.test(line) && !line.includes('containerd.service.d'));
    assert.deepEqual(changed.map((line) => line.trim().split(/\s+/)).sort(), [
      ['A', 'systemd/system/kata-sysext-recover.service.d'],
      ['A', 'systemd/system/kata-sysext-recover.service.d/50-blessed.conf'],
      ['A', 'systemd/system/kata-sysext-rewire.service.d'],
      ['A', 'systemd/system/kata-sysext-rewire.service.d/50-blessed.conf'],
    ]);
  });

  it('what belongs to the image is not changed here: the command names the Containerfile', async () => {
    const before = await standing();

    const bundle = live.bundle(live.second);
    const refused = [];
    for (const args of [
      ['install', bundle],
      ['install', bundle, '--backend', 'prefix'],
      ['configure', '--set', 'default_vcpus=2'],
      ['rollback'],
      ['uninstall', '--purge'],
    ])
      refused.push((await live.json(args, 3))['code']);
    const gc = await live.json(['gc']);
    const [diff, check] = [await live.json(['diff', '0', '0']), await live.json(['check'])];

    assert.deepEqual(refused, Array(5).fill('baked-owned'));
    assert.deepEqual([gc['changed'], diff['from'], check['backend']], [false, 0, 'baked']);
    assert.deepEqual(await standing(), before);
    assert.deepEqual(await handlersOf(live), [handler, 'runc']);
  });

  it('the next boot starts no guard', async () => {
    await silent(live, () => boot(newest));

    const { stdout } = await live.host.sh('systemctl show -P ConditionResult kata-sysext-recover kata-sysext-rewire kata-sysext-confirm');
    assert.deepEqual(stdout.trim().split(/\s+/), ['no', 'no', 'no']);
    assert.deepEqual(await handlersOf(live), [handler, 'runc']);
  });

  it('an update to an image with another release is proven anew, and the way back finds what it left', async () => {
    await deploy('lab/kata-second');

    await silent(live, async () => {
      await boot(newest);
      await blessed();
    });
    const updated = await standing();
    await confinedPod(live, handler, 'second');
    await silent(live, () => boot(earlier));

    assert.deepEqual(updated, [0, 'blessed', live.second.version, []]);
    assert.deepEqual(await standing(), [0, 'blessed', live.first.version, []]);
    await confinedPod(live, handler, 'back');
  });

  async function context(name: string, release: SampleRelease): Promise<string> {
    const [into, file] = [join(folder, name), await singleFile()];
    mkdirSync(into);
    const words = ['--target', 'fcos', '--form', 'baked', '--program', file, '--engine', 'containerd', '--output', into];
    await run([file, 'generate', 'containerfile', release.static, ...words]);
    for (const one of [file, release.static]) cpSync(one, join(into, basename(one)));
    return into;
  }

  async function deploy(ref: string): Promise<void> {
    await live.host.sh(`ostree admin deploy --os=debian ${ref}`, { timeoutMs: 1_200_000 });
  }

  async function boot(entry: number): Promise<void> {
    await live.host.reboot({ entry });
    await waitForCri(live.host);
  }

  async function blessed(): Promise<void> {
    await live.host.sh(
      'for n in $(seq 1800); do case $(systemctl show -P ActiveState kata-sysext-confirm) in active|activating) sleep 0.5;; *) exit 0;; esac; done; exit 1',
      { timeoutMs: 900_000 },
    );
  }

  /** What is active, its state and release, and what verify finds. */
  async function standing(): Promise<unknown[]> {
    const { active, generations } = (await live.json(['status'])) as { active?: number; generations: Record<string, unknown>[] };
    const now = generations.find(({ number }) => number === active);
    return [active, now?.['state'], now?.['release'], (await live.json(['verify']))['drift']];
  }
});
