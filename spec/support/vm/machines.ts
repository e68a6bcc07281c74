import assert from 'node:assert/strict';
import { join } from 'node:path';
import { podNetwork } from '../../lab/network.ts';
import { podOutput, removePod, runPod, waitForCri } from '../../lab/pods.ts';
import { debianParts } from '../../lab/release/parts.ts';
import { type Denial, GOODS, unexplained } from '../../lab/vm/index.ts';
import { until } from '../live/unitWork.ts';
import { isExpected, silent } from './enforcing.ts';
import type { LiveVm } from './liveVm.ts';

/** What `withMachines` needs of the machine: the libraries of the sample release's QEMU. */
export async function machineGoods(): Promise<Record<string, string>> {
  return { libraries: join(await debianParts(), 'lib') };
}

/**
 * From now on, and after boots, the stand-in shim makes virtual machines (spec/lab/release/shim/vmm.c), by default with KVM, which the emulated processor has.
 * Kata's own QEMU is static. The sample's is not, and a program that changes its domain gets no libraries by a path relative to itself: the
 * host has them besides.
 */
export async function withMachines({ host }: Pick<LiveVm, 'host'>, accelerator: 'kvm' | 'tcg' = 'kvm'): Promise<void> {
  await host.sh(
    `printf '%s\\n' kvm_amd vhost_vsock vhost_net tun > /etc/modules-load.d/lab.conf
for name in $(cat /etc/modules-load.d/lab.conf); do modprobe $name; done
mkdir -p /etc/systemd/system/containerd.service.d
printf '[Service]\\nEnvironment=LAB_SHIM_VMM=${accelerator}\\n' > /etc/systemd/system/containerd.service.d/lab.conf
known=$(ldconfig -p)
for file in ${GOODS}/libraries/*; do case $known in *"\${file##*/} "*) ;; *) cp "$file" /usr/local/lib/;; esac; done
ldconfig
restorecon -RF /usr/local/lib/ /etc/modules-load.d /etc/systemd/system /etc/ld.so.cache /var/cache/ldconfig
systemctl daemon-reload
systemctl restart containerd`,
    { timeoutMs: 600_000 },
  );
  await waitForCri(host);
}

/** Gives pods a network of their own. The plugin lies where programs have their label by the stock rules. */
export async function withPodNetwork({ host }: Pick<LiveVm, 'host'>): Promise<void> {
  const { conflist, plugin } = podNetwork;
  await host.sh(`cat > /etc/cni/net.d/10-lab.conflist`, { input: conflist });
  await host.sh(
    `cat > /usr/local/bin/lab; chmod 755 /usr/local/bin/lab; ln -s lab /usr/local/bin/loopback
printf '\\n[plugins."io.containerd.grpc.v1.cri".cni]\\nbin_dir = "/usr/local/bin"\\n' >> /etc/containerd/config.toml
restorecon -R /usr/local/bin/ /etc/cni /etc/containerd; systemctl restart containerd`,
    { input: plugin },
  );
  await waitForCri(host);
}

/**
 * A pod through a handler runs to its end without a denial: in the domain of virtual machines are virtiofsd and the hypervisor, both with the
 * pod's own categories, and nothing of them is left. What stands for the processes in the guest is runc's, as of any container.
 */
export async function confinedPod(live: LiveVm, handler: string, name: string): Promise<void> {
  const { processes, inside } = await silent(live, async () => {
    const pod = await runPod(live.host, handler, name);
    const processes = await processesOf(live, pod.id);
    const inside = await podOutput(live.host, pod, 'cat /proc/self/attr/current');
    await removePod(live.host, pod);
    await nothingLeft(live, pod.id);
    return { processes, inside };
  });

  const programs = processes.map(([program]) => program);
  assert.deepEqual([...new Set(programs)].sort(), ['qemu-system-x86_64', 'virtiofsd']);
  assert.equal(new Set(processes.map(([, context]) => context)).size, 1, JSON.stringify(processes));
  assert.match(processes[0]?.[1] ?? '', /^system_u:system_r:container_kvm_t:s0:c\d+,c\d+$/);
  assert.match(inside, /:container_kvm_t:/);
}

/** As after a boot: what a policy labels by its own rules lies below /run no more. */
export async function emptyRun({ host }: LiveVm): Promise<void> {
  await host.sh('rm -rf /run/vc /run/kata-containers; systemctl restart containerd');
  await waitForCri(host);
}

/** Starts a pod that the host does not allow; gives what the engine answers and what the kernel denied. Nothing of it is left. */
export async function refusedPod(live: LiveVm, handler: string, name: string): Promise<{ answer: string; denials: Denial[] }> {
  const since = await live.host.cursor();
  const answer = await runPod(live.host, handler, name).then(
    () => '',
    (error: Error) => error.message,
  );
  const denials = unexplained(await live.host.denials(since)).filter((denial) => !isExpected(denial));
  await nothingLeft(live, '[0-9a-f]{64}');
  return { answer, denials };
}

/** The rules that would allow what was denied. */
export function rulesOf(denials: readonly Denial[]): string[] {
  const rules = denials.map(
    ({ source, target, class: kind, permissions }) => `allow ${source} ${target}:${kind} ${permissions.join(' ')};`,
  );
  return [...new Set(rules)].sort();
}

async function processesOf({ host }: LiveVm, id: string): Promise<[string, string][]> {
  const { stdout } = await host.sh('ps -ww -eo label,args');
  return stdout.split('\n').flatMap((line): [string, string][] => {
    const [, context = '', program = ''] = /^(\S+) +\S*\/(virtiofsd|qemu-system-\S+) .*/.exec(line) ?? [];
    return program !== '' && new RegExp(id).test(line) ? [[program, context]] : [];
  });
}

/** The shim ends after the engine has answered. */
async function nothingLeft(live: LiveVm, id: string): Promise<void> {
  const left = async () => [
    ...(await processesOf(live, id)),
    ...(await live.host.sh('find /run/vc/sbs /run/vc/vm /run/kata-containers -mindepth 1 2>/dev/null; cat /proc/self/mountinfo')).stdout
      .split('\n')
      .filter((line) => /^\/run|kata-containers/.test(line) && new RegExp(`/${id}`).test(line)),
  ];
  await until(async () => (await left()).length === 0, 'nothing of the virtual machine is left', 300_000);
}
