import assert from 'node:assert/strict';
import { BUSYBOX } from './containerd.ts';
import type { Commands } from './enter.ts';
import { JUDGE } from './judge.ts';

/** Where containerd serves the CRI. */
export const SOCKET = '/run/containerd/containerd.sock';

export interface Pod {
  id: string;
  name: string;
  handler: string;
  pids: Pids;
}

/** Whose process numbers a container sees: those of the pod, or as the kubelet has it by default its own. Then CRI-O runs no pause container. */
type Pids = 'of the pod' | 'its own';

/** The last line of a script's output, by which it is known to be whole. */
const written = 'all-is-written';

/** Starts a sandbox on the host's network through a handler ('' is the engine's default); throws what the CRI answers. */
export async function runPod(host: Commands, handler: string, name: string, pids: Pids = 'of the pod'): Promise<Pod> {
  const file = await put(host, `${name}-pod.json`, podConfig(name, pids));
  const { stdout } = await host.run([JUDGE, 'runp', '--runtime', handler, file]);
  return { id: stdout.trim(), name, handler, pids };
}

/** Runs a shell script as a container of the pod to its end and gives what it wrote. */
export async function podOutput(host: Commands, pod: Pod, script: string, name = 'once'): Promise<string> {
  const id = await startContainer(host, pod, `${script}; echo ${written}`, name);
  await until(`the end of container ${name} of ${pod.name}`, async () => {
    const { status } = JSON.parse((await host.run([JUDGE, 'inspect', id])).stdout) as { status: { state: string } };
    return status.state === 'CONTAINER_EXITED';
  });
  // The engine writes what it has read in its own time: under load after it called the container ended.
  const file = `${logFolder(pod.name)}/${name}.log`;
  let log = '';
  await until(`the whole output of container ${name} of ${pod.name}`, async () => {
    log = (await host.run(['cat', file])).stdout;
    return log.endsWith(`${written}\n`);
  });
  // the CRI leaves the log to the kubelet, and appends to one that is there
  await host.sh(`rm ${file}`);
  await host.run([JUDGE, 'rm', id]);
  return log.slice(0, -`${written}\n`.length).replace(/^\S+ std(out|err) [FP] /gm, '');
}

async function until(what: string, is: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 600_000; !(await is()); ) {
    if (Date.now() > deadline) throw new Error(`${what} does not come`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Starts a container that runs on; gives its id. */
export async function startContainer(host: Commands, pod: Pod, script: string, name: string): Promise<string> {
  const config = {
    metadata: { name },
    // CRI-O takes no container without the second name, as the kubelet gives it.
    image: { image: BUSYBOX, user_specified_image: BUSYBOX },
    command: ['/bin/sh', '-c', script],
    log_path: `${name}.log`,
    linux: pod.pids === 'its own' ? { security_context: { namespace_options: namespacesOf(pod.pids) } } : {},
  };
  const file = await put(host, `${pod.name}-${name}.json`, config);
  const { stdout } = await host.run([JUDGE, 'create', pod.id, file, configFile(`${pod.name}-pod.json`)]);
  await host.run([JUDGE, 'start', stdout.trim()]);
  return stdout.trim();
}

/** Runs a command in a container that runs; gives its output, throws on a nonzero status. */
export async function execIn(host: Commands, container: string, argv: string[]): Promise<string> {
  return (await host.run([JUDGE, 'exec', '--sync', container, ...argv])).stdout;
}

/** Stops and removes a pod; like the kubelet again and again, since the CRI needs a moment to see that a killed shim's containers ended. */
export async function removePod(host: Commands, pod: Pod): Promise<void> {
  for (let tries = 0; ; tries++) {
    const ran = await host.sh(`${JUDGE} stopp ${pod.id} && ${JUDGE} rmp ${pod.id}`, { allowFailure: true });
    if (ran.code === 0) break;
    if (tries === 300) throw new Error(`pod ${pod.name} cannot be removed: ${ran.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await host.run(['rm', '-f', configFile(`${pod.name}-pod.json`)]);
}

/** A pod through a handler comes up, its container does what it is told, and both go. */
export async function podRuns(host: Commands, handler: string, name: string, pids?: Pids): Promise<void> {
  const pod = await runPod(host, handler, name, pids);
  assert.equal(await podOutput(host, pod, 'echo runs'), 'runs\n');
  await removePod(host, pod);
}

/** Waits until the CRI answers and calls its runtime ready. */
export async function waitForCri(host: Commands, socket = SOCKET, timeoutMs = 600_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const ran = await host.run([JUDGE, '--runtime-endpoint', `unix://${socket}`, 'info'], { allowFailure: true });
    if (ran.code === 0 && /"type": "RuntimeReady",\s*"status": true/.test(ran.stdout)) return;
    if (Date.now() > deadline) throw new Error(`the CRI is not ready: ${ran.stdout}${ran.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Modes of a namespace in the CRI. */
const [POD, CONTAINER, NODE] = [0, 1, 2];

function namespacesOf(pids: Pids): { network: number; pid: number } {
  return { network: NODE, pid: pids === 'its own' ? CONTAINER : POD };
}

function podConfig(name: string, pids: Pids): unknown {
  return {
    metadata: { name, uid: `uid-${name}`, namespace: 'default' },
    log_directory: logFolder(name),
    linux: { security_context: { namespace_options: namespacesOf(pids) } },
  };
}

function logFolder(pod: string): string {
  return `/var/log/pods/${pod}`;
}

function configFile(name: string): string {
  return `/root/${name}`;
}

async function put(host: Commands, name: string, value: unknown): Promise<string> {
  await host.sh(`cat > ${configFile(name)}`, { input: JSON.stringify(value) });
  return configFile(name);
}
