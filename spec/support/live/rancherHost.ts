import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CNI, crioRunc, PAUSE } from '../../lab/containerd.ts';
import { imageArchives } from '../../lab/image.ts';
import { SOCKET } from '../../lab/pods.ts';
import { debianRoot } from '../../lab/roots.ts';
import { run } from '../../lab/run.ts';
import type { Content } from '../../lab/storage.ts';
import { baseText } from '../rancher.ts';
import { type Live, liveHost } from './liveHost.ts';

export const k3sUnit = 'k3s.service';
export const k3sSocket = '/run/k3s/containerd/containerd.sock';
/** With the rendered configuration, the templates and the drop-ins. */
export const k3sFolder = '/var/lib/rancher/k3s/agent/etc/containerd';

/** Ages of k3s by what they render: see `baseText`. 2024 has containerd 1.7, the others the suite's own. */
export type Age = '2024' | '2025' | '2026';

const home = '/opt/stand-in';
const old = '/mnt/old';

/**
 * Not k3s but a stand-in: it renders as k3s of an age does, by value equal to real files (spec/engines/rancherFiles.spec.ts), and starts the real
 * containerd as its child with `-c`; when that ends it ends, and systemd starts it again. It has no kubelet and no API.
 */
const standIn = `#!/bin/sh
set -eu
data=/var/lib/rancher/k3s
etc=$data/agent/etc/containerd
age=AGE
mkdir -p $etc $data/agent/containerd $data/data/$age/bin $data/data/cni $data/agent/etc/cni/net.d /run/k3s/containerd
case $age in 2024) from=${old} ;; *) from=/usr/bin ;; esac
ln -sfn $from/containerd $data/data/$age/bin/containerd
ln -sfn $age $data/data/current
schema=3 template=
if [ $age = 2024 ]; then schema=2; fi
if [ $age != 2024 ] && [ -e $etc/config-v3.toml.tmpl ]; then template=$etc/config-v3.toml.tmpl
elif [ -e $etc/config.toml.tmpl ]; then template=$etc/config.toml.tmpl schema=2; fi
base=${home}/$age-$schema.toml
render() {
  if [ -z "$template" ]; then cat $base; else awk -v base=$base '/\\{\\{ *template "base" \\. *\\}\\}/ { while ((getline line < base) > 0) print line; next } { print }' $template; fi
}
trim() { if [ $age = 2024 ]; then cat; else awk 'NF { if (/^\\[/) print ""; print }'; fi; }
render | trim >$etc/config.toml
set -- -c $etc/config.toml
if [ $schema = 2 ]; then set -- "$@" -a ${k3sSocket} --state /run/k3s/containerd --root $data/agent/containerd; fi
child=
trap '[ -z "$child" ] || { kill $child; wait $child || :; }; exit 0' TERM
PATH=/etc/lab/bin:$from:$PATH $data/data/current/bin/containerd "$@" &
child=$!
until ctr --address ${k3sSocket} version >/dev/null 2>&1; do kill -0 $child; sleep 0.1; done
systemd-notify --ready
wait $child
exit 1
`;

/** As its installer writes it where /usr is read-only, but for the line that a script needs to say that it is up. */
const unitText = `[Unit]
Description=A stand-in for k3s
[Service]
Type=notify
NotifyAccess=all
ExecStart=/opt/bin/k3s server
KillMode=process
Delegate=yes
TimeoutStartSec=0
Restart=always
RestartSec=5s
[Install]
WantedBy=multi-user.target
`;

function bases(): Record<string, Content> {
  const texts: Record<string, Content> = {};
  for (const age of ['2024', '2025', '2026'] as const)
    for (const schema of [2, 3] as const) texts[`${home}/${age}-${schema}.toml`] = baseText({ program: 'k3s', age, schema });
  return texts;
}

/** The lab's runc, which also takes the judge's pods: they have no slice, as kubelet's have. */
function runc(): string {
  const { text } = crioRunc()['/etc/lab/bin/runc'] as { text: string };
  const without = 'for word; do shift; [ "$word" = --systemd-cgroup ] || set -- "$@" "$word"; done\n';
  return text.replace(/^exec /m, `${without}exec `);
}

/** A booted host whose engine is the containerd of a stand-in for k3s; the engine's own unit is masked. */
export async function k3sHost(age: Age, files: Record<string, Content> = {}): Promise<Live> {
  const live = await liveHost(
    {
      suite: 'forky',
      containerdConfig: '',
      images: false,
      files: {
        '/opt/bin/k3s': { text: standIn.replace('AGE', age), mode: 0o755 },
        '/etc/systemd/system/k3s.service': unitText,
        '/etc/systemd/system/multi-user.target.wants/k3s.service': { link: '../k3s.service' },
        '/etc/systemd/system/containerd.service': { link: '/dev/null' },
        // The judge and ctr look here.
        '/etc/tmpfiles.d/stand-in.conf': `d /run/containerd\nL ${SOCKET} - - - - ${k3sSocket}\n`,
        '/etc/lab/bin/runc': { text: runc(), mode: 0o755 },
        '/var/lib/rancher/k3s/agent/etc/cni/net.d/10-lab.conflist': CNI,
        ...bases(),
        ...files,
      },
      binds: { [`${await debianRoot('trixie')}/usr/bin`]: old },
    },
    { unit: k3sUnit, socket: k3sSocket },
  );
  for (const file of await imageArchives()) {
    await run(['cp', file, join(live.host.root, 'image.tar')]);
    await live.host.run(['ctr', '-n', 'k8s.io', 'images', 'import', '/image.tar']);
  }
  await rm(join(live.host.root, 'image.tar'));
  await live.host.run(['ctr', '-n', 'k8s.io', 'images', 'tag', PAUSE, 'docker.io/rancher/mirrored-pause:3.6']);
  return live;
}

/** Another release of k3s is installed; it runs from its next start on. */
export async function installAge({ host }: Live, age: Age): Promise<void> {
  await host.sh('cat >/opt/bin/k3s.new; chmod 755 /opt/bin/k3s.new; mv /opt/bin/k3s.new /opt/bin/k3s', {
    input: standIn.replace('AGE', age),
  });
}
