import { SOCKET } from '../../lab/pods.ts';
import { dockerRoot } from '../../lab/roots.ts';
import type { Content } from '../../lab/storage.ts';
import { type Live, liveHost } from './liveHost.ts';

export const dockerUnit = 'docker.service';
export const daemonJson = '/etc/docker/daemon.json';
export const image = 'lab:busybox';

/** A booted host with Debian's Docker beside its containerd, and an image that needs no network. */
export async function dockerHost(files: Record<string, Content> = {}): Promise<Live> {
  const live = await liveHost({ suite: 'trixie', base: await dockerRoot('trixie'), files }, { unit: dockerUnit, socket: SOCKET });
  await live.host.sh(`mkdir -p /tmp/image/bin
cp /bin/busybox /tmp/image/bin/
for name in sh sleep echo true; do ln -s busybox /tmp/image/bin/$name; done
tar -C /tmp/image -c . | docker import - ${image}
rm -r /tmp/image`);
  return live;
}

/** Names of the handlers that the daemon has, by Docker's own client. */
export async function runtimesOf({ host }: Live): Promise<string[]> {
  const { stdout } = await host.run(['docker', 'info', '--format', '{{range $name, $_ := .Runtimes}}{{$name}} {{end}}']);
  return stdout.trim().split(' ').sort();
}

/** What a container says that a handler starts; default: Docker's own handler. */
export async function containerSays({ host }: Live, handler?: string): Promise<string> {
  const runtime = handler === undefined ? [] : ['--runtime', handler];
  const ran = await host.run(['docker', 'run', '--rm', '--network', 'none', ...runtime, image, '/bin/echo', 'it runs']);
  return ran.stdout.trim();
}

/** How often the daemon has read its file again since it booted. */
export async function reloadsOf({ host }: Live): Promise<number> {
  const { stdout } = await host.sh(`journalctl -b -u ${dockerUnit} -o cat | grep -c 'Got signal to reload' || true`);
  return Number(stdout);
}
