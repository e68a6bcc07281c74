import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasIgnition } from '../lab/ignition.ts';
import { imageArchives } from '../lab/image.ts';
import { podOutput, removePod, runPod, waitForCri } from '../lab/pods.ts';
import { FIRST, sampleRelease } from '../lab/release/index.ts';
import { vmContainerdConfig } from '../lab/vm/engine.ts';
import { type Denial, firstBootDisk, SERVER, summary, unexplained } from '../lab/vm/index.ts';
import { handlersOf, startsOf } from '../support/liveHost.ts';
import { type LiveVm, liveVm } from '../support/liveVm.ts';
import { json } from '../support/program.ts';

const unit = 'kata-sysext-first-boot.service';
const handler = 'kata-qemu-runtime-rs';

/** A node whose first boot of all comes from our Ignition configuration, under SELinux enforcing; the program takes no part in that boot. */
describe('the first boot of a machine, rendered for containerd', function () {
  this.timeout(2_400_000);
  let live: LiveVm;
  let folder: string;

  before(async function () {
    if (!hasIgnition()) {
      console.log('      Debian’s ignition is not on this machine: see .ci/packages.txt');
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-first-vm-'));
    const [config, out] = [join(folder, 'config.toml'), join(folder, 'out')];
    writeFileSync(config, vmContainerdConfig(2));
    const engine = ['--form', 'rendered', '--engine', 'containerd@1.7.24', '--engine-config', config];
    const { static: release } = await sampleRelease(FIRST);
    await json(['generate', 'ignition', release, '--target', 'fcos', ...engine, '--from', SERVER, '-o', out], 0, { timeoutMs: 600_000 });
    const disk = await firstBootDisk(join(out, 'kata-sysext.ign'), join(folder, 'disk.raw'), (root) => {
      // An emulated processor needs longer than the node's 90 s to verify and unpack.
      const dropIn = join(root, 'etc/systemd/system', `${unit}.d`);
      mkdirSync(dropIn);
      writeFileSync(join(dropIn, 'lab.conf'), '[Service]\nTimeoutStartSec=900\n');
    });
    const [pause = '', busybox = ''] = await imageArchives();
    live = await liveVm({
      disk,
      serve: out,
      kernelArguments: 'systemd.firstboot=no',
      goods: { 'pause.tar': pause, 'busybox.tar': busybox },
    });
  });
  after(async () => {
    await live?.host.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  it('is up with the handler: containerd started once, and nothing was denied from the kernel’s first moment on', async () => {
    await live.host.run(['systemctl', 'is-system-running', '--wait'], { allowFailure: true, timeoutMs: 600_000 });
    const said = (await live.host.run(['journalctl', '-b', '-o', 'cat', '-u', unit])).stdout;
    const denials = await live.host.denials();
    console.log(`      ${await bootTimes()}`);

    assert.match(said, /Kata Containers is in place/);
    assert.equal((await live.host.run(['getenforce'])).stdout.trim(), 'Enforcing');
    assert.equal((await live.host.run(['systemctl', 'is-active', 'multi-user.target'])).stdout.trim(), 'active');
    assert.deepEqual(await handlersOf(live), [handler, 'runc']);
    assert.equal(await startsOf(live, 'containerd.service'), 1);
    assert.deepEqual(summary(unexplained(denials)), []);
  });

  async function bootTimes(): Promise<string> {
    const { stdout } = await live.host.sh(
      `systemd-analyze time; systemctl show ${unit} -p InactiveExitTimestampMonotonic -p InactiveEnterTimestampMonotonic`,
    );
    return stdout;
  }
});
