import type { Live } from './liveHost.ts';

const program = '/opt/lab/containerd';
const dropIn = '/etc/systemd/system/containerd.service.d/lab-refusing.conf';

/** Each file that it is given by a flag; asked without one, it dumps the usual one. */
const script = `#!/bin/sh
ours() { [ -f "$1" ] && grep -q kata-sysext "$1"; }
for each; do if ours "$each"; then echo refused >&2; exit 1; fi; done
if [ "$1 $2" = "config dump" ] && ours /etc/containerd/config.toml; then echo refused >&2; exit 1; fi
exec /usr/bin/containerd "$@"
`;

/** An engine that, when it is asked, takes no file with text of ours in it, though it serves: a stand-in for an update that does not. */
export async function refuseOurs(live: Live): Promise<void> {
  await live.host.sh(`mkdir -p ${folderOf(program)} ${folderOf(dropIn)}`);
  await live.host.run(['tee', program], { input: script });
  await live.host.run(['tee', dropIn], { input: `[Service]\nExecStart=\nExecStart=${program}\n` });
  await live.host.sh(`chmod 755 ${program}; systemctl daemon-reload`);
}

export async function takeOurs(live: Live): Promise<void> {
  await live.host.sh(`rm ${program} ${dropIn}; rmdir ${folderOf(dropIn)} || true; systemctl daemon-reload; systemctl restart containerd`);
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
