import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { hasIgnition } from '../lab/ignition.ts';
import { imageArchives } from '../lab/image.ts';
import { waitForCri } from '../lab/pods.ts';
import { FIRST, sampleRelease } from '../lab/release/index.ts';
import { vmContainerdConfig } from '../lab/vm/engine.ts';
import { type Denial, firstBootDisk, GOODS, SERVER, summary, unexplained } from '../lab/vm/index.ts';
import { removeAfter, stopAfter } from '../support/endings.ts';
import { handlersOf, startsOf } from '../support/live/liveHost.ts';
import { until } from '../support/live/unitWork.ts';
import { planned } from '../support/plan.ts';
import { json } from '../support/program.ts';
import { singleFile } from '../support/singleFile.ts';
import { inPod, silent, wouldRelabel } from '../support/vm/enforcing.ts';
import { type LiveVm, liveVm } from '../support/vm/liveVm.ts';

const unit = 'kata-sysext-first-boot.service';
const handler = 'kata-qemu-runtime-rs';
const engineConfig = vmContainerdConfig(2);

/**
 * A node whose first boot of all comes from our Ignition configuration, under SELinux enforcing. Where it is rendered the program takes no part
 * until the node is judged; a hook fetches it and has it install. Ignition has run on the disk before the boot, see `firstBootDisk`; what is
 * fetched comes over the network by the node's own curl.
 */
for (const form of planned(import.meta.url, ['an archive', 'an image', 'a hook'], 1))
  describe(`the first boot of a machine, ${form === 'a hook' ? form : `rendered for containerd as ${form}`}, under SELinux enforcing`, function () {
    const hook = form === 'a hook';
    const starts = hook ? 2 : 1;
    this.timeout(2_400_000);
    let live: LiveVm;
    let folder: string;
    let firstBoot: string;

    before(async function () {
      if (!hasIgnition()) {
        console.log('      Debian’s ignition is not on this machine: see .ci/packages.txt');
        this.skip();
      }
      folder = mkdtempSync(join(tmpdir(), 'kata-sysext-first-vm-'));
      const [config, out] = [join(folder, 'config.toml'), join(folder, 'out')];
      writeFileSync(config, engineConfig);
      const rendered = ['--form', 'rendered', '--engine', 'containerd@1.7.24', '--engine-config', config];
      const { static: release } = await sampleRelease(FIRST);
      const image = join(out, 'kata-4.0.0.raw');
      mkdirSync(out);
      if (form === 'an image') await json(['build', release, '-o', image], 0, { timeoutMs: 1_200_000 });
      const how = hook ? ['--program', await singleFile()] : rendered;
      await json(
        ['generate', 'ignition', form === 'an image' ? image : release, '--target', 'fcos', ...how, '--from', SERVER, '-o', out],
        0,
        {
          timeoutMs: 1_200_000,
        },
      );
      // What people put on their server.
      if (hook) for (const file of [release, await singleFile()]) copyFileSync(file, join(out, basename(file)));
      const disk = await firstBootDisk(join(out, 'kata-sysext.ign'), join(folder, 'disk.raw'), (root) => {
        // An emulated processor may need longer than the node's 90 s to verify and unpack.
        const dropIn = join(root, 'etc/systemd/system', `${unit}.d`);
        mkdirSync(dropIn);
        writeFileSync(join(dropIn, 'lab.conf'), '[Service]\nTimeoutStartSec=900\n');
      });
      const [pause = '', busybox = ''] = await imageArchives();
      const goods = { 'pause.tar': pause, 'busybox.tar': busybox };
      live = await liveVm({ disk, goods, serve: out, kernelArguments: 'systemd.firstboot=no' });
      await live.host.sh('timeout 900 systemctl is-system-running --wait || true', { timeoutMs: 1_000_000 });
      if (hook) await until(async () => (await shown('ActiveState')) === 'inactive', 'the hook has ended', 1_200_000);
      firstBoot = await bootTimes();
      await live.host.sh(`for name in pause busybox; do ctr -n k8s.io images import ${GOODS}/$name.tar; done`, { timeoutMs: 900_000 });
    });
    stopAfter(() => live);
    removeAfter(() => folder);

    it('is up with the handler: containerd started once, and nothing was denied from the kernel’s first moment on', async () => {
      const denials = unexplained(await live.host.denials()).filter((denial) => !isDebiansFirstBoot(denial));
      const { stdout: states } = await live.host.sh('getenforce; systemctl is-active multi-user.target');
      const { stdout: said } = await live.host.run(['journalctl', '-b', '-o', 'cat', '-u', unit]);

      assert.match(said, hook ? /Kata Containers is installed\n/ : /fetched, digest right\nKata Containers is in place\n/);
      assert.equal(states, 'Enforcing\nactive\n');
      assert.deepEqual(await handlersOf(live), [handler, 'runc']);
      // A hook comes after the boot, which waits for nothing of it, and restarts the engine once.
      assert.equal(await startsOf(live, 'containerd.service'), starts);
      assert.deepEqual(summary(denials), []);
      if (form === 'an image') assert.match((await live.host.run(['systemd-sysext', 'status'])).stdout, /^\/usr +kata /m);
    });

    it('a container runs through the handler, confined, and restorecon would label nothing of it otherwise', async () => {
      assert.match(await inPod(live, handler, 'first'), /:container_kvm_t:/);
      assert.deepEqual(await wouldRelabel(live), []);
    });

    it('the next boot asks nobody, and has the handler', async () => {
      await silent(live, () => live.host.reboot());
      await waitForCri(live.host, undefined, 600_000);
      await live.host.sh('timeout 900 systemctl is-system-running --wait || true', { timeoutMs: 1_000_000 });
      console.log(`      first boot: ${firstBoot}\n      next boot:  ${await bootTimes()}`);

      assert.equal(await shown('ConditionResult'), 'no');
      assert.deepEqual(await handlersOf(live), [handler, 'runc']);
    });

    it('to the program it is an installation like any other, and is upgraded and rolled back without a restart of the engine', async () => {
      const status = await silent(live, () => live.json(['status']));
      const verified = await silent(live, () => live.json(['verify']));
      // The host has no program that makes images.
      const more = form === 'an image' ? ['--format', 'directory'] : [];
      await silent(live, () => live.json(['install', live.bundle(live.second), ...more]));
      const upgraded = (await live.json(['status']))['active'];
      assert.match(await inPod(live, handler, 'second'), /:container_kvm_t:/);

      await silent(live, () => live.json(['rollback']));

      assert.deepEqual([status['active'], verified['drift'], upgraded, (await live.json(['status']))['active']], [1, [], 2, 1]);
      assert.match(await inPod(live, handler, 'back'), /:container_kvm_t:/);
      assert.equal(await startsOf(live, 'containerd.service'), 1);
      assert.deepEqual(await wouldRelabel(live), []);
    });

    it('is uninstalled: the node’s own configuration is back byte for byte, and nothing of ours is left but what Ignition wrote', async () => {
      await silent(live, () => live.json(['uninstall', '--purge']));

      assert.deepEqual(await handlersOf(live), ['runc']);
      assert.match(await inPod(live, '', 'runc'), /:container_t:/);
      assert.equal((await live.host.run(['cat', '/etc/containerd/config.toml'])).stdout, engineConfig);
      const { stdout } = await live.host.sh(
        "find /etc /var/lib /var/usrlocal -path /etc/selinux -prune -o -name '*kata*' -prune -print | sort",
      );
      assert.deepEqual(
        stdout
          .trim()
          .split('\n')
          .filter((path) => !path.includes('kata-sysext-first-boot')),
        [],
      );
      assert.deepEqual(await wouldRelabel(live), []);
    });

    async function shown(property: string): Promise<string> {
      return (await live.host.run(['systemctl', 'show', '-P', property, unit])).stdout.trim();
    }

    /** Seconds, for people: how long the unit held the engine up, and the whole boot. */
    async function bootTimes(): Promise<string> {
      const { stdout } = await live.host.sh(`systemctl show ${unit} -p InactiveExitTimestampMonotonic -p InactiveEnterTimestampMonotonic`);
      const at = (name: string) => Number(new RegExp(`${name}=(\\d+)`).exec(stdout)?.[1] ?? 0) / 1e6;
      const whole = (await live.host.run(['systemd-analyze', 'time'])).stdout.split('\n')[0];
      return `${(at('InactiveEnterTimestampMonotonic') - at('InactiveExitTimestampMonotonic')).toFixed(1)} s for the unit; ${whole}`;
    }
  });

/** Debian's own first boot, with nothing of ours in it: a machine-id is made, and keys for sshd. */
function isDebiansFirstBoot({ source }: Denial): boolean {
  return ['systemd_machine_id_setup_t', 'ssh_keygen_t'].includes(source);
}
