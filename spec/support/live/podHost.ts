import { JUDGE } from '../../lab/judge.ts';
import { containerdWithNetwork, NETWORKS, networkFiles } from '../../lab/network.ts';
import { SOCKET } from '../../lab/pods.ts';
import type { Suite } from '../../lab/roots.ts';
import type { Content } from '../../lab/storage.ts';
import { checkJson } from '../judges/schemas.ts';
import { kataSysext, type Live, liveHost } from './liveHost.ts';
import { stopped } from './unitWork.ts';

/** What `verify --pod` and `--prove pod` say of one handler. */
export interface Pod {
  handler: string;
  ok: boolean;
  milliseconds?: number;
  image?: string;
  container?: string;
  kernel?: string;
  kernelFile?: string;
  hypervisor?: { name: string; pid: number; cgroup?: string; inPodCgroup?: boolean; memoryBytes?: number };
  findings: { code: string; level: string; found: string; next: string }[];
}

/** A booted host whose containerd gives pods a network. */
export function podHost(suite: Suite, files: Record<string, Content> = {}): Promise<Live> {
  return liveHost({ suite, containerdConfig: containerdWithNetwork(suite), files: { ...networkFiles(), ...files } });
}

/** Starts pods; throws when the verb does not end with `wanted`. */
export async function provePods(live: Live, wanted: number, args: string[] = []): Promise<Pod[]> {
  const answer = await live.json(['verify', '--pod', ...args], wanted);
  checkJson(answer);
  return answer['pods'] as Pod[];
}

/** Everything that a pod of the program would leave, as the host and the judge see it. */
export async function traces({ host }: Live, socket = SOCKET): Promise<string[]> {
  const { items } = JSON.parse((await host.run([JUDGE, '--runtime-endpoint', `unix://${socket}`, 'pods'])).stdout) as {
    items: { id: string; metadata: { name: string; namespace: string } }[];
  };
  const pods = items.filter(({ metadata }) => metadata.namespace === 'kata-sysext').map(({ metadata }) => `sandbox ${metadata.name}`);
  const seen = await host.sh(`
    for file in ${NETWORKS}/* /run/netns/* /run/kata-sysext/pods/*; do [ ! -e "$file" ] || echo "file $file"; done
    grep -E '/run/(netns|containerd/io)|/var/lib/containers/storage/overlay/' /proc/1/mountinfo | sed 's/.*/mount &/' || true
    for folder in /proc/[0-9]*; do tr '\\0' ' ' < $folder/cmdline 2>/dev/null | grep -E '^[^ ]*(containerd-shim|runc|conmon|/bin/sleep 2147483647)' | sed 's/^/process /' || true; done
    systemctl list-units --plain --no-legend 'kata-sysext-pod-*' | sed 's/^/unit /'
  `);
  return [...pods, ...seen.stdout.split('\n').filter((line) => line !== '')];
}

interface HeldPod {
  /** The program's own number, inside. */
  pid: number;
  go(): void;
  ended: Promise<{ status: number | null; stdout: string }>;
}

/** `verify --pod` that stops itself at a failpoint, as soon as it stands still. */
export async function podHeldAt(live: Live, point: string): Promise<HeldPod> {
  const child = live.host.spawn([kataSysext, 'verify', '--pod', '--json', '--progress', 'none'], {
    env: { KATA_SYSEXT_FAILPOINT: `${point}=pause` },
  });
  let stdout = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  const ended = new Promise<{ status: number | null; stdout: string }>((resolve) =>
    child.on('close', (status) => resolve({ status, stdout })),
  );
  // nsenter stops with its child, and passes this signal on.
  return { pid: await stopped(live), ended, go: () => void child.kill('SIGCONT') };
}
