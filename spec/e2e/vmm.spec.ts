import assert from 'node:assert/strict';
import { podOutput, removePod, runPod } from '../lab/pods.ts';
import { type Suite, suiteAvailable } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import { type Live, liveHost } from '../support/live/liveHost.ts';
import { until } from '../support/live/unitWork.ts';
import { sample } from '../support/sample.ts';

const handler = 'kata-qemu-runtime-rs';
const mode = '/etc/systemd/system/containerd.service.d/vmm.conf';

/** What the stand-in shim does to a host where it is asked for a virtual machine. Here without KVM, vhost and SELinux, which spec/vm has. */
for (const suite of sample<Suite>(['trixie', 'forky'], 1, 'vmm'))
  describe(`a pod whose stand-in shim makes a virtual machine, ${suite}`, function () {
    this.timeout(600_000);
    let live: Live;

    before(async function () {
      const available = await suiteAvailable(suite);
      if (!available.ok) {
        console.log(`      ${available.why}`);
        this.skip();
      }
      live = await liveHost({ suite, files: { [mode]: '[Service]\nEnvironment=LAB_SHIM_VMM=tcg\n' } });
      await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    });
    stopAfter(() => live);

    it('has the installed virtiofsd and hypervisor at work on the installed kernel, and folders and mounts below /run', async () => {
      const pod = await runPod(live.host, handler, 'whole');
      const processes = await processesOf(pod.id);
      const mounts = await mountsOf(pod.id);
      const said = await podOutput(live.host, pod, 'echo runs');
      await removePod(live.host, pod);
      await gone(pod.id);

      const { path, kernel, daemon } = await installed();
      assert.equal(said, 'runs\n');
      assert.equal(processes.filter((line) => line.startsWith(`${daemon} `)).length > 0, true, processes.join('\n'));
      assert.equal(
        processes.filter((line) => line.startsWith(`${path} `) && line.includes(`-kernel ${kernel}`)).length,
        1,
        processes.join('\n'),
      );
      assert.deepEqual(
        mounts.map((line) => line.replaceAll(pod.id, 'ID')),
        ['ID/ro ro', 'ID/ro/ID/rootfs rw', 'ID/rw/ID/rootfs rw'],
      );
    });

    it('of which a killed shim leaves nothing', async () => {
      const pod = await runPod(live.host, handler, 'killed');

      await live.host.sh(`kill -9 $(grep -lzx -- ${pod.id} /proc/[0-9]*/cmdline | cut -d/ -f3 | while read -r p; do
      case $(readlink /proc/$p/exe) in */containerd-shim-kata-v2) echo $p;; esac; done)`);
      await removePod(live.host, pod);

      await gone(pod.id);
    });

    it('fails where the hypervisor may not be executed, and leaves nothing', async () => {
      const { path } = await installed();
      await live.host.sh(`chmod a-x ${path}`);

      const failure = await runPod(live.host, handler, 'refused').then(
        () => '',
        (error: Error) => error.message,
      );

      await live.host.sh(`chmod a+x ${path}`);
      assert.match(failure, new RegExp(`fork/exec ${path}: Permission denied`));
      assert.equal(
        (await live.host.sh('ls -A /run/vc/sbs /run/vc/vm /run/kata-containers/shared/sandboxes')).stdout.match(/[0-9a-f]{64}/),
        null,
      );
    });

    /** Paths of the installed configuration, links followed. */
    async function installed(): Promise<Record<'path' | 'kernel' | 'daemon', string>> {
      const { stdout } = await live.host.sh(
        `file=$(ls /etc/kata-sysext/current/config/${handler}/configuration.toml)
      for key in path kernel virtio_fs_daemon; do realpath "$(sed -n "s/^$key = \\"\\(.*\\)\\"/\\1/p" "$file" | head -1)"; done`,
      );
      const [path = '', kernel = '', daemon = ''] = stdout.trim().split('\n');
      return { path, kernel, daemon };
    }

    async function processesOf(id: string): Promise<string[]> {
      const { stdout } = await live.host.sh('ps -eo args');
      return stdout.split('\n').filter((line) => line.includes(id) && !line.includes('containerd-shim'));
    }

    async function mountsOf(id: string): Promise<string[]> {
      const { stdout } = await live.host.sh('cat /proc/1/mountinfo');
      // a mount can be listed once for each peer of /run
      const lines = stdout.split('\n').flatMap((line) => {
        const [, , , , at = '', options = ''] = line.split(' ');
        return at.startsWith(`/run/kata-containers/shared/sandboxes/${id}`)
          ? [`${at.split('/sandboxes/')[1]} ${options.split(',')[0]}`]
          : [];
      });
      return [...new Set(lines)].sort();
    }

    /** The shim's end comes after the engine's answer. */
    async function gone(id: string): Promise<void> {
      await until(async () => (await processesOf(id)).length === 0, 'no process of the machine', 120_000);
      await until(
        async () => (await live.host.sh(`ls -d /run/vc/*/${id} /run/kata-containers/*/*/${id} 2>/dev/null || true`)).stdout === '',
        'no folder',
        120_000,
      );
      assert.deepEqual(await mountsOf(id), []);
    }
  });
