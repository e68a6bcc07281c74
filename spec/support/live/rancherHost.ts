import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Unit } from '../../../cli/systemd/types.ts';
import { CNI, crioRunc, PAUSE } from '../../lab/containerd.ts';
import { imageArchives } from '../../lab/image.ts';
import { SOCKET } from '../../lab/pods.ts';
import { debianRoot } from '../../lab/roots.ts';
import { run } from '../../lab/run.ts';
import type { Content } from '../../lab/storage.ts';
import { baseText, renderShell } from '../rancher.ts';
import { type Live, liveHost } from './liveHost.ts';

export const rancherSocket = '/run/k3s/containerd/containerd.sock';

/** What differs between both programs, as their installers and releases have it. */
export interface RancherHost {
  program: 'k3s' | 'rke2';
  title: string;
  unit: Unit;
  /** The rendered configuration, the templates and the drop-ins. */
  folder: string;
  path: string;
  /** Its word in the shell that brings the bundled programs to where the engine of kata-sysext looks. */
  bundle: string;
  containerd: string;
}

export const k3s: RancherHost = {
  program: 'k3s',
  title: 'k3s',
  unit: 'k3s.service',
  folder: '/var/lib/rancher/k3s/agent/etc/containerd',
  path: '/opt/bin/k3s',
  bundle: 'ln -sfn $release $data/data/current',
  containerd: '$data/data/current/bin/containerd',
};

export const rke2: RancherHost = {
  program: 'rke2',
  title: 'RKE2',
  unit: 'rke2-server.service',
  folder: '/var/lib/rancher/rke2/agent/etc/containerd',
  path: '/opt/rke2/bin/rke2',
  bundle: 'ln -sfn data/$release/bin $data/bin',
  containerd: '$data/bin/containerd',
};

/** Ages of both by what they render: see `baseText`. 2024 has containerd 1.7, the others the suite's own. */
export type Age = '2024' | '2025' | '2026';

const home = '/opt/stand-in';
const old = '/mnt/old';

/**
 * Neither k3s nor RKE2 but a stand-in: it renders as one of an age does, by value equal to real files (spec/engines/rancherStandIn.spec.ts), and
 * starts the real containerd as its child with `-c`; when that ends it ends, and systemd starts it again. It has no kubelet and no API.
 */
function standIn({ program, bundle, containerd }: RancherHost, age: Age, patch: number): string {
  return `#!/bin/sh
set -eu
data=/var/lib/rancher/${program}
etc=$data/agent/etc/containerd
age=${age} release=${age}.${patch}
mkdir -p $etc $data/agent/containerd $data/data/$release/bin $data/data/cni $data/agent/etc/cni/net.d /run/k3s/containerd
case $age in 2024) from=${old} ;; *) from=/usr/bin ;; esac
ln -sfn $from/containerd $data/data/$release/bin/containerd
${bundle}
schema=3 template=
if [ $age = 2024 ]; then schema=2; fi
if [ $age != 2024 ] && [ -e $etc/config-v3.toml.tmpl ]; then template=$etc/config-v3.toml.tmpl
elif [ -e $etc/config.toml.tmpl ]; then template=$etc/config.toml.tmpl schema=2; fi
base=${home}/$age-$schema.toml
${renderShell}render | trim >$etc/config.toml
set -- -c $etc/config.toml
if [ $schema = 2 ]; then set -- "$@" -a ${rancherSocket} --state /run/k3s/containerd --root $data/agent/containerd; fi
child=
trap '[ -z "$child" ] || { kill $child; wait $child || :; }; exit 0' TERM
PATH=/etc/lab/bin:$from:$PATH ${containerd} "$@" &
child=$!
until ctr --address ${rancherSocket} version >/dev/null 2>&1; do kill -0 $child; sleep 0.1; done
systemd-notify --ready
wait $child
exit 1
`;
}

/** As its installer writes it where /usr is read-only, but for the line that a script needs to say that it is up. */
function unitText({ title, path }: RancherHost): string {
  return `[Unit]
Description=A stand-in for ${title}
[Service]
Type=notify
NotifyAccess=all
ExecStart=${path} server
KillMode=process
Delegate=yes
TimeoutStartSec=0
Restart=always
RestartSec=5s
[Install]
WantedBy=multi-user.target
`;
}

function bases({ program }: RancherHost): Record<string, Content> {
  const texts: Record<string, Content> = {};
  for (const age of ['2024', '2025', '2026'] as const)
    for (const schema of [2, 3] as const) texts[`${home}/${age}-${schema}.toml`] = baseText({ program, age, schema });
  return texts;
}

/** The lab's runc, which also takes the judge's pods: they have no slice, as kubelet's have. */
function runc(): string {
  const { text } = crioRunc()['/etc/lab/bin/runc'] as { text: string };
  const without = 'for word; do shift; [ "$word" = --systemd-cgroup ] || set -- "$@" "$word"; done\n';
  return text.replace(/^exec /m, `${without}exec `);
}

/** A booted host whose engine is the containerd of a stand-in; the engine's own unit is masked. */
export async function rancherHost(of: RancherHost, age: Age): Promise<Live> {
  const live = await liveHost(
    {
      suite: 'forky',
      containerdConfig: '',
      images: false,
      files: {
        [of.path]: { text: standIn(of, age, 0), mode: 0o755 },
        [`/etc/systemd/system/${of.unit}`]: unitText(of),
        [`/etc/systemd/system/multi-user.target.wants/${of.unit}`]: { link: `../${of.unit}` },
        '/etc/systemd/system/containerd.service': { link: '/dev/null' },
        // The judge and ctr look here.
        '/etc/tmpfiles.d/stand-in.conf': `d /run/containerd\nL ${SOCKET} - - - - ${rancherSocket}\n`,
        '/etc/lab/bin/runc': { text: runc(), mode: 0o755 },
        // RKE2 leaves the place to containerd.
        [of.program === 'k3s' ? `/var/lib/rancher/k3s/agent/etc/cni/net.d/10-lab.conflist` : '/etc/cni/net.d/10-lab.conflist']: CNI,
        ...bases(of),
      },
      binds: { [`${await debianRoot('trixie')}/usr/bin`]: old },
    },
    { unit: of.unit, socket: rancherSocket },
  );
  for (const file of await imageArchives()) {
    await run(['cp', file, join(live.host.root, 'image.tar')]);
    await live.host.run(['ctr', '-n', 'k8s.io', 'images', 'import', '/image.tar']);
  }
  await rm(join(live.host.root, 'image.tar'));
  await live.host.run(['ctr', '-n', 'k8s.io', 'images', 'tag', PAUSE, 'docker.io/rancher/mirrored-pause:3.6']);
  return live;
}

/** Another release is installed, of another age or a patch of the same; it runs from its next start on. */
export async function installRelease({ host }: Live, of: RancherHost, age: Age, patch: number): Promise<void> {
  await host.sh(`cat >${of.path}.new; chmod 755 ${of.path}.new; mv ${of.path}.new ${of.path}`, { input: standIn(of, age, patch) });
}
