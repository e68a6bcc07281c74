import assert from 'node:assert/strict';
import { podOutput, removePod, runPod, waitForCri } from '../lab/pods.ts';
import { type Suite, suiteAvailable } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import type { Live } from '../support/live/liveHost.ts';
import { type Pod as Proof, podHost, provePods, traces } from '../support/live/podHost.ts';
import { until } from '../support/live/unitWork.ts';
import { sample } from '../support/sample.ts';

const handler = 'kata-qemu-runtime-rs';
const mode = '/etc/systemd/system/containerd.service.d/vmm.conf';
/** The administrator's own files of the handler, which both shims read. */
const dropIns = `/etc/kata-containers/${handler}.d`;

/** What keeps a hypervisor from starting, the shell that makes it and the one that ends it, and what the pod is refused for. */
interface Fault {
  what: string;
  begin: (at: Installed) => string;
  end: (at: Installed) => string;
  answer: RegExp;
}

interface Installed {
  path: string;
  kernel: string;
  daemon: string;
}

/** Seen by what `verify` compares: it starts no pod then. */
const drifts: Fault[] = [
  {
    what: 'the hypervisor may not be executed',
    begin: ({ path }) => `chmod a-x ${path}`,
    end: ({ path }) => `chmod a+x ${path}`,
    answer: /fork\/exec \S+\/qemu-system-x86_64: Permission denied/,
  },
  {
    what: 'the hypervisor is not there',
    begin: ({ path }) => `mv ${path} /root/hypervisor`,
    end: ({ path }) => `mv /root/hypervisor ${path}`,
    answer: /resolve \S+\/qemu-system-x86_64: No such file or directory/,
  },
  {
    what: 'the kernel has other bytes',
    // less than the header of a kernel: QEMU knows it for none
    begin: ({ kernel }) => `mv ${kernel} /root/kernel; head -c 100 /dev/zero > ${kernel}`,
    end: ({ kernel }) => `mv /root/kernel ${kernel}`,
    answer: /no virtual machine: hypervisor: .*kernel/,
  },
  {
    what: 'the kernel is not there',
    begin: ({ kernel }) => `mv ${kernel} /root/kernel`,
    end: ({ kernel }) => `mv /root/kernel ${kernel}`,
    answer: /resolve \S+: No such file or directory/,
  },
];

/** Each file of the generation is as installed: only a pod shows these. */
const faults: Fault[] = [
  {
    what: 'the hypervisor lies on a mount without programs',
    begin: ({ path }) => `mount --bind ${path} ${path}; mount -o remount,bind,noexec ${path}`,
    end: ({ path }) => `umount ${path}`,
    answer: /fork\/exec \S+\/qemu-system-x86_64: Permission denied/,
  },
  {
    what: 'a drop-in names a file that is no kernel',
    begin: () => dropInOf('/etc/os-release'),
    end: () => `rm -r ${dropIns}`,
    answer: /no virtual machine: hypervisor: .*kernel/,
  },
  {
    what: 'a drop-in names a kernel that is not there',
    begin: () => dropInOf('/root/no-kernel'),
    end: () => `rm -r ${dropIns}`,
    answer: /resolve \/root\/no-kernel: No such file or directory/,
  },
  {
    what: '/dev/vhost-vsock is not there',
    begin: () => `printf '%s' '${modeText('kvm')}' > ${mode}; systemctl daemon-reload; systemctl restart containerd`,
    end: () => `printf '%s' '${modeText('tcg')}' > ${mode}; systemctl daemon-reload; systemctl restart containerd`,
    answer: /open \/dev\/vhost-vsock: No such file or directory/,
  },
];

function modeText(accelerator: 'tcg' | 'kvm'): string {
  return `[Service]\nEnvironment=LAB_SHIM_VMM=${accelerator}\n`;
}

function dropInOf(kernel: string): string {
  return `mkdir -p ${dropIns}; printf '[hypervisor.qemu]\\nkernel = "${kernel}"\\n' > ${dropIns}/50-kernel.toml`;
}

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
      live = await podHost(suite, { [mode]: modeText('tcg') });
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

    it('verify --pod names the hypervisor, its cgroup and the file of its kernel', async () => {
      const [pod] = await provePods(live, 0);

      const { kernel } = await installed();
      const { name, inPodCgroup, memoryBytes } = pod!.hypervisor!;
      assert.equal((await live.host.run(['realpath', pod!.kernelFile ?? ''])).stdout.trim(), kernel);
      assert.deepEqual([pod!.ok, pod!.findings, name], [true, [], 'qemu-system-x86_64']);
      // containerd 1.7 of these hosts is told to use no cgroups, and none of them counts memory: spec/vm has a host that does.
      assert.deepEqual([inPodCgroup, memoryBytes], [suite === 'trixie' ? undefined : true, undefined]);
      await nothing();
    });

    for (const fault of drifts)
      it(`a pod fails where ${fault.what}, and verify --pod starts none, because files differ`, async () => {
        const { answer, pod } = await under(fault);

        assert.match(answer, fault.answer);
        assert.match(pod.findings[0]!.found, /no pod was started, because files of the generation differ/);
        await nothing();
      });

    for (const fault of faults)
      it(`verify --pod fails as a pod does where ${fault.what}`, async () => {
        const { answer, pod } = await under(fault);

        assert.match(answer, fault.answer);
        assert.deepEqual(
          pod.findings.map(({ code }) => code),
          ['pod-failed'],
        );
        assert.match(pod.findings[0]!.found, /its sandbox did not start: /);
        assert.match(pod.findings[0]!.found, fault.answer);
        await nothing();
      });

    it('and a pod runs again when all that is mended', async () => {
      const [pod] = await provePods(live, 0);

      assert.deepEqual([pod!.ok, pod!.container], [true, 'ran']);
      await nothing();
    });

    /** With the fault: what the engine answers to a pod of another client, and what verify --pod says. */
    async function under({ begin, end }: Fault): Promise<{ answer: string; pod: Proof }> {
      const at = await installed();
      await live.host.sh(begin(at));
      try {
        await waitForCri(live.host);
        const answer = await runPod(live.host, handler, 'refused').then(
          async (started) => {
            await removePod(live.host, started);
            return 'it started';
          },
          (error: Error) => error.message,
        );
        const [pod] = await provePods(live, 1);
        return { answer, pod: pod! };
      } finally {
        await live.host.sh(end(at));
        await waitForCri(live.host);
      }
    }

    async function nothing(): Promise<void> {
      let last: string[] = [];
      const none = async () => {
        const folders = await live.host.sh(
          'ls -d /run/vc/*/* /run/kata-containers/shared/sandboxes/* /sys/fs/cgroup/k8s.io/kata_* 2>/dev/null || true',
        );
        last = [...(await traces(live)), ...folders.stdout.split('\n').filter((line) => line !== '')];
        return last.length === 0;
      };
      await until(none, 'nothing of a pod is left', 120_000).catch(() => assert.deepEqual(last, []));
    }

    /** Paths of the installed configuration, links followed. */
    async function installed(): Promise<Installed> {
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
