import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { baseText } from '../rancher.ts';
import { put, type TreeName } from './hostTrees.ts';
import { type TreeHost, treeHost } from './treeHost.ts';

/**
 * What kata-deploy 4.1 and 4.2 leave on a node, a row for each shape. Texts that it edits in place are what its own TOML library (toml_edit
 * 0.22) makes of the text before, taken from a run of that library. kata-deploy itself needs a registry of images and a cluster.
 */
export interface KataDeployShape {
  name: string;
  tree: TreeName;
  /** As `--engine` takes it. */
  engine: string;
  /** The host before, besides its tree. */
  host?(root: string): void;
  deploy(root: string): void;
  /** Names that the engine's files give to kata-deploy, in byte order; none: its wiring is gone. */
  handlers: string[];
  /** It has settings of users, which go only where that is allowed. */
  settings?: boolean;
  /** Names that a takeover cannot serve with the releases of the specs: only the cleaner is tried. */
  cleanerOnly?: boolean;
  /** Paths that stay, as regular expressions over lines of a listing, each with the reason. */
  stays?: Record<string, string>;
}

const v2Plugin = 'io.containerd.grpc.v1.cri';
const v3Plugin = 'io.containerd.cri.v1.runtime';
const v3Images = 'io.containerd.cri.v1.images';
const nydus = 'nydus-for-kata-tee';

interface Handler {
  name: string;
  base?: string;
  folder?: string;
  snapshotter?: string;
  custom?: boolean;
}

function pathsOf({ name, base = name.replace(/^kata-/, ''), folder = '/opt/kata', custom = false }: Handler): {
  shim: string;
  configuration: string;
} {
  const rust = base.endsWith('-runtime-rs') ? '/runtime-rs' : '';
  const under = custom ? `custom-runtimes/${name}` : `${rust.slice(1)}${rust === '' ? '' : '/'}runtimes/${base}`;
  return {
    shim: `${folder}${rust}/bin/containerd-shim-kata-v2`,
    configuration: `${folder}/share/defaults/kata-containers/${under}/configuration-${base}.toml`,
  };
}

/** As its editor writes a file of its own. */
export function dropIn(handlers: Handler[], plugin = v3Plugin, more = ''): string {
  const tables = handlers.map((handler) => {
    const { shim, configuration } = pathsOf(handler);
    const table = `plugins."${plugin}".containerd.runtimes.${handler.name}`;
    const snapshotter = handler.snapshotter === undefined ? '' : `snapshotter = "${handler.snapshotter}"\n`;
    return `[${table}]
runtime_type = "io.containerd.${handler.name}.v2"
runtime_path = "${shim}"
privileged_without_host_devices = true
pod_annotations = ["io.katacontainers.*"]
container_annotations = ["io.kubernetes.container.terminationMessage*"]
${snapshotter}
[${table}.options]
ConfigPath = "${configuration}"
`;
  });
  return [...tables, ...(more === '' ? [] : [more])].join('\n');
}

function crioDropIn(handlers: Handler[]): string {
  const tables = handlers.map((handler) => {
    const { shim, configuration } = pathsOf(handler);
    return `
[crio.runtime.runtimes.${handler.name}]
\truntime_path = "${shim}"
\truntime_type = "vm"
\truntime_root = "/run/vc"
\truntime_config_path = "${configuration}"
\tprivileged_without_host_devices = true
`;
  });
  return `[crio]\n  storage_option = [\n\t"overlay.skip_mount_home=true",\n  ]\n${tables.join('')}`;
}

/** A release as it lays it out: what tells it from one that a user unpacked is its folder of configurations. */
export function release(root: string, handlers: Handler[]): void {
  for (const handler of handlers) {
    const { shim, configuration } = pathsOf(handler);
    put(root, shim.slice(1), '#!/bin/sh\n', 0o755);
    put(root, configuration.slice(1), '# do not edit\n[hypervisor.qemu]\n');
    put(root, join(configuration.slice(1), '../config.d/20-debug.toml'), '[agent.kata]\n');
  }
  const folder = handlers[0]?.folder ?? '/opt/kata';
  put(root, `${folder.slice(1)}/share/kata-containers/vmlinux.container`, Buffer.alloc(70_000, 7), 0o600);
}

function snapshotter(root: string, suffix = ''): void {
  const unit = `${nydus}${suffix}.service`;
  put(
    root,
    `etc/systemd/system/${unit}`,
    `[Unit]\nDescription=Nydus snapshotter\nAfter=network.target local-fs.target\nBefore=containerd.service\n\n[Service]\nExecStart=/opt/kata${suffix}/nydus-for-kata-tee/containerd-nydus-grpc --config /opt/kata${suffix}/nydus-for-kata-tee/config-guest-pulling.toml --log-to-stdout\nRestart=always\nRestartSec=5\n\n[Install]\nWantedBy=containerd.service\n`,
  );
  mkdirSync(join(root, 'etc/systemd/system/containerd.service.wants'), { recursive: true });
  symlinkSync(`/etc/systemd/system/${unit}`, join(root, 'etc/systemd/system/containerd.service.wants', unit));
  put(root, `var/lib/${nydus}${suffix}/snapshots/1/fs/file`, 'a layer\n', 0o400);
  put(root, `opt/kata${suffix}/${nydus}/containerd-nydus-grpc`, '#!/bin/sh\n', 0o755);
}

const proxyPlugin = `[proxy_plugins.${nydus}]
type = "snapshot"
address = "/run/${nydus}/containerd-nydus-grpc.sock"

[proxy_plugins.${nydus}.exports]
root = "/var/lib/${nydus}"
`;

const nydusSettings = `[plugins."${v3Images}"]
disable_snapshot_annotations = false

[plugins."${v3Images}".runtime_platforms.kata-qemu-runtime-rs]
snapshotter = "${nydus}"

${proxyPlugin}
[debug]
level = "debug"
`;

export const rust: Handler = { name: 'kata-qemu-runtime-rs' };
export const go: Handler = { name: 'kata-qemu' };

/** An administrator's file of version 2, with all that an editor can get wrong. */
export const rich = {
  before: `# Node configuration
version = 2
root = "/var/lib/containerd"

[plugins]
  [plugins."${v2Plugin}"]
    sandbox_image = "pause:3.10"
    [plugins."${v2Plugin}".containerd]
      disable_snapshot_annotations = true # theirs
      [plugins."${v2Plugin}".containerd.runtimes.runc]
        runtime_type = "io.containerd.runc.v2"
        [plugins."${v2Plugin}".containerd.runtimes.runc.options]
          SystemdCgroup = true
  # a comment at the end of cri
  [plugins."${v2Plugin}".registry]
    config_path = "/etc/containerd/certs.d"

# last
[debug]
  level = "info"
`,
  after: (handlers: Handler[]) => `# Node configuration
version = 2
root = "/var/lib/containerd"

[plugins]
  [plugins."${v2Plugin}"]
    sandbox_image = "pause:3.10"
    [plugins."${v2Plugin}".containerd]
      disable_snapshot_annotations = false
      [plugins."${v2Plugin}".containerd.runtimes.runc]
        runtime_type = "io.containerd.runc.v2"
        [plugins."${v2Plugin}".containerd.runtimes.runc.options]
          SystemdCgroup = true

${dropIn(handlers, v2Plugin)}  # a comment at the end of cri
  [plugins."${v2Plugin}".registry]
    config_path = "/etc/containerd/certs.d"

# last
[debug]
  level = "debug"

${proxyPlugin}`,
};

/** No table of the CRI's own settings, and no newline at the end. */
const bare = {
  before: `version = 2
[plugins."${v2Plugin}"]
  sandbox_image = "pause:3.10"
  [plugins."${v2Plugin}".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"`,
  after: (handlers: Handler[]) => `version = 2
[plugins."${v2Plugin}"]
  sandbox_image = "pause:3.10"

[plugins."${v2Plugin}".containerd]
disable_snapshot_annotations = false
  [plugins."${v2Plugin}".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

${dropIn(handlers, v2Plugin)}
${proxyPlugin}
[debug]
level = "debug"
`,
};

export const version3 = `version = 3
[plugins."${v3Plugin}".containerd]
  default_runtime_name = "runc"
# end
`;
export const imports = (...paths: string[]) => version3.replace('\n', `\nimports = [${paths.map((each) => `"${each}"`).join(', ')}]\n`);
const imported = (...folders: string[]) => imports(...folders.map((each) => `${each}/containerd/config.d/kata-deploy.toml`));

const main = 'etc/containerd/config.toml';
const confD = 'etc/containerd/conf.d';

function inPlace(root: string, { before, after }: { before: string; after(handlers: Handler[]): string }, handlers: Handler[]): void {
  put(root, `${main}.bak`, before);
  put(root, main, after(handlers), 0o640);
  release(root, handlers);
}

function rancherTree(root: string, program: 'k3s' | 'rke2'): void {
  const folder = `var/lib/rancher/${program}/agent/etc/containerd`;
  const [unit, start] =
    program === 'k3s' ? ['k3s.service', '/usr/local/bin/k3s server'] : ['rke2-agent.service', '/usr/local/bin/rke2 agent'];
  put(root, `etc/systemd/system/${unit}`, `[Service]\nType=notify\nExecStart=${start}\n`);
  put(root, `${folder}/config.toml`, baseText({ program, age: '2026' }));
  mkdirSync(join(root, folder, 'config-v3.toml.d'));
}

function crioHost(root: string): void {
  put(root, 'etc/crio/crio.conf.d/10-crio.conf', '[crio.runtime.runtimes.runc]\nruntime_path = "/usr/bin/runc"\n');
}

const microk8sBefore = `version = 3
[plugins."${v3Plugin}".containerd]
  snapshotter = "\${SNAPSHOTTER}"
`;

/** Engines, snapshotters, prefixes, suffixes, debug, jobs, and what its uninstall leaves. */
export const kataDeployShapes: KataDeployShape[] = [
  {
    name: 'containerd 1.7, edited in place with nydus and debug',
    tree: 'fcos',
    engine: 'containerd@1.7',
    host: (root) => put(root, main, rich.before, 0o640),
    deploy: (root) => {
      inPlace(root, rich, [rust]);
      snapshotter(root);
    },
    handlers: [rust.name],
  },
  {
    name: 'containerd 1.7, a file without a newline at its end',
    tree: 'rhcos',
    engine: 'containerd@1.7.24',
    host: (root) => put(root, main, bare.before, 0o640),
    deploy: (root) => inPlace(root, bare, [go, rust]),
    handlers: [go.name, rust.name],
  },
  {
    name: 'containerd 1.7, a file with line endings of Windows',
    tree: 'flatcar',
    engine: 'containerd@1.7',
    host: (root) => put(root, main, rich.before.replaceAll('\n', '\r\n'), 0o640),
    deploy: (root) => inPlace(root, { ...rich, before: rich.before.replaceAll('\n', '\r\n') }, [rust]),
    handlers: [rust.name],
  },
  {
    name: 'containerd 2.1, an import of a drop-in below the release',
    tree: 'flatcar',
    engine: 'containerd@2.1',
    host: (root) => put(root, main, version3),
    deploy: (root) => {
      put(root, main, imported('/opt/kata'));
      put(root, 'opt/kata/containerd/config.d/kata-deploy.toml', dropIn([go, rust]));
      release(root, [go, rust]);
    },
    handlers: [go.name, rust.name],
  },
  {
    name: 'containerd 2.1, imports of its drop-in and of the user’s, with nydus and debug',
    settings: true,
    tree: 'flatcar',
    engine: 'containerd@2.1',
    host: (root) => put(root, main, version3),
    deploy: (root) => {
      const folder = '/opt/kata/containerd/config.d';
      put(root, main, imports(`${folder}/kata-deploy.toml`, `${folder}/zz-kata-deploy-user.toml`));
      put(root, `${folder.slice(1)}/kata-deploy.toml`, dropIn([{ ...rust, snapshotter: nydus }], v3Plugin, nydusSettings));
      put(root, `${folder.slice(1)}/zz-kata-deploy-user.toml`, '[metrics]\naddress = "127.0.0.1:1338"\n');
      release(root, [rust]);
      snapshotter(root);
    },
    handlers: [rust.name],
  },
  {
    name: 'containerd 2.0, an import, and tables in place from a run that knew no version of it',
    tree: 'flatcar',
    engine: 'containerd@2.0',
    host: (root) => put(root, main, version3),
    deploy: (root) => {
      put(
        root,
        main,
        `${imported('/opt/kata')}\n${dropIn([rust])}\n[plugins."${v3Images}"]\ndisable_snapshot_annotations = false\n\n${proxyPlugin}`,
      );
      put(root, `${main}.bak`, imported('/opt/kata'));
      put(root, 'opt/kata/containerd/config.d/kata-deploy.toml', dropIn([rust], v3Plugin, nydusSettings));
      release(root, [rust]);
      snapshotter(root);
    },
    handlers: [rust.name],
  },
  {
    name: 'containerd 2.1, an import beside one of others',
    tree: 'flatcar',
    engine: 'containerd@2.1',
    host: (root) => {
      put(root, main, 'version = 3\nimports = ["/etc/containerd/site.d/*.toml"] # theirs\n[debug]\nlevel = "info"\n');
      put(root, 'etc/containerd/site.d/site.toml', '[metrics]\naddress = "127.0.0.1:1338"\n');
    },
    deploy: (root) => {
      put(
        root,
        main,
        'version = 3\nimports = ["/etc/containerd/site.d/*.toml", "/opt/kata/containerd/config.d/kata-deploy.toml"] # theirs\n[debug]\nlevel = "info"\n',
      );
      put(root, 'opt/kata/containerd/config.d/kata-deploy.toml', dropIn([rust], v3Plugin, '[debug]\nlevel = "debug"\n'));
      release(root, [rust]);
    },
    handlers: [rust.name],
  },
  {
    name: 'containerd 2.2, conf.d, with the user’s own drop-in and nydus',
    settings: true,
    tree: 'microos',
    engine: 'containerd@2.2',
    deploy: (root) => {
      put(root, `${confD}/kata-deploy.toml`, dropIn([{ ...rust, snapshotter: nydus }], v3Plugin, nydusSettings));
      put(root, `${confD}/zz-kata-deploy-user.toml`, '[metrics]\naddress = "127.0.0.1:1338"\n');
      release(root, [rust]);
      snapshotter(root);
    },
    handlers: [rust.name],
  },
  {
    name: 'containerd 2.2, erofs',
    tree: 'microos',
    engine: 'containerd@2.2',
    deploy: (root) => {
      const more = `[plugins."${v3Images}"]
discard_unpacked_layers = false

[plugins."io.containerd.service.v1.diff-service"]
default = ["erofs", "walking"]

[plugins."io.containerd.snapshotter.v1.erofs"]
enable_fsverity = true
set_immutable = true
dmverity_mode = "off"
default_size = "10G"
max_unmerged_layers = 0

[plugins."io.containerd.differ.v1.erofs"]
enable_dmverity = false
mkfs_options = ["-T0", "--mkfs-time", "--sort=none"]
enable_tar_index = false
`;
      put(root, `${confD}/kata-deploy.toml`, dropIn([{ ...rust, snapshotter: 'erofs' }], v3Plugin, more));
      release(root, [rust]);
    },
    handlers: [rust.name],
  },
  {
    name: 'two installations, one with a suffix',
    settings: true,
    tree: 'microos',
    engine: 'containerd@2.2',
    deploy: (root) => {
      const blue = { name: 'kata-qemu-runtime-rs-blue', base: 'qemu-runtime-rs', folder: '/opt/kata-blue' };
      put(root, `${confD}/kata-deploy.toml`, dropIn([rust]));
      put(root, `${confD}/kata-deploy-blue.toml`, dropIn([blue]));
      put(root, `${confD}/zz-kata-deploy-user-blue.toml`, '[metrics]\naddress = "127.0.0.1:1338"\n');
      release(root, [rust]);
      release(root, [blue]);
      snapshotter(root, '-blue');
    },
    handlers: [rust.name, 'kata-qemu-runtime-rs-blue'],
  },
  {
    name: 'a prefix',
    tree: 'flatcar',
    engine: 'containerd@2.1',
    host: (root) => {
      put(root, main, version3);
      mkdirSync(join(root, 'srv/kata/opt'), { recursive: true });
    },
    deploy: (root) => {
      const moved = { ...rust, folder: '/srv/kata/opt/kata' };
      put(root, main, imported('/srv/kata/opt/kata'));
      put(root, 'srv/kata/opt/kata/containerd/config.d/kata-deploy.toml', dropIn([moved]));
      release(root, [moved]);
    },
    handlers: [rust.name],
  },
  {
    name: 'a handler for debugging and one of the user',
    tree: 'microos',
    engine: 'containerd@2.2',
    deploy: (root) => {
      const all: Handler[] = [
        rust,
        { name: 'kata-qemu-runtime-rs-debug', base: 'qemu-runtime-rs', custom: true },
        { name: 'my-vm', base: 'qemu-runtime-rs', custom: true },
      ];
      put(root, `${confD}/kata-deploy.toml`, dropIn(all, v3Plugin, '[debug]\nlevel = "debug"\n'));
      release(root, all);
    },
    handlers: [rust.name, 'kata-qemu-runtime-rs-debug', 'my-vm'],
  },
  {
    name: 'a main file that it made',
    tree: 'flatcar',
    engine: 'containerd@1.7',
    host: (root) => put(root, main, ''),
    deploy: (root) => {
      put(root, main, `version = 2\n\n${dropIn([rust], v2Plugin)}`);
      put(root, `${main}.kata-deploy-created`, '');
      release(root, [rust]);
    },
    handlers: [rust.name],
    stays: { '^(?:[+-]) etc/containerd/config\\.toml\\b': 'the tree had an empty file, where kata-deploy found none' },
  },
  ...(['k3s', 'rke2'] as const).map((program) => ({
    name: `${program}, a drop-in that its rendered file imports`,
    tree: 'fcos' as const,
    engine: `${program}@1.35.3`,
    host: (root: string) => rancherTree(root, program),
    deploy: (root: string) => {
      put(root, `var/lib/rancher/${program}/agent/etc/containerd/config-v3.toml.d/kata-deploy.toml`, dropIn([rust]));
      release(root, [rust]);
    },
    handlers: [rust.name],
  })),
  {
    name: 'k0s',
    tree: 'fcos',
    engine: 'k0s@1.34.1',
    host: (root) => {
      put(root, 'etc/systemd/system/k0sworker.service', '[Service]\nExecStart=/usr/local/bin/k0s worker\n');
      put(
        root,
        'etc/k0s/containerd.toml',
        '# k0s_managed=true\nversion = 3\nimports = ["/etc/k0s/containerd.d/*.toml", "/run/k0s/containerd-cri.toml"]\n',
      );
      mkdirSync(join(root, 'etc/k0s/containerd.d'));
    },
    deploy: (root) => {
      put(root, 'etc/k0s/containerd.d/kata-deploy.toml', dropIn([rust]));
      release(root, [rust]);
    },
    handlers: [rust.name],
  },
  {
    name: 'k3s with containerd 1.x, a drop-in of version 2',
    tree: 'fcos',
    engine: 'k3s@1.30.2',
    host: (root) => {
      put(root, 'etc/systemd/system/k3s.service', '[Service]\nType=notify\nExecStart=/usr/local/bin/k3s server\n');
      put(root, 'var/lib/rancher/k3s/agent/etc/containerd/config.toml', baseText({ program: 'k3s', age: '2024' }));
      mkdirSync(join(root, 'var/lib/rancher/k3s/agent/etc/containerd/config.toml.d'));
    },
    deploy: (root) => {
      put(root, 'var/lib/rancher/k3s/agent/etc/containerd/config.toml.d/kata-deploy.toml', dropIn([rust], v2Plugin));
      release(root, [rust]);
    },
    handlers: [rust.name],
  },
  {
    name: 'a main file of another name, and an import with a suffix',
    tree: 'flatcar',
    engine: 'containerd@2.1',
    host: (root) => {
      put(root, main, version3);
      put(root, 'etc/containerd/site.toml', version3);
    },
    deploy: (root) => {
      const blue = { ...rust, name: 'kata-qemu-runtime-rs-blue', base: 'qemu-runtime-rs', folder: '/opt/kata-blue' };
      put(root, 'etc/containerd/site.toml', imported('/opt/kata-blue'));
      put(root, 'opt/kata-blue/containerd/config.d/kata-deploy.toml', dropIn([blue]));
      release(root, [blue]);
    },
    handlers: [],
    cleanerOnly: true,
  },
  {
    name: 'microk8s with containerd 1.x, edited in place',
    tree: 'flatcar',
    engine: 'containerd@2.1',
    host: (root) => put(root, 'var/snap/microk8s/current/args/containerd-template.toml', rich.before),
    deploy: (root) => {
      put(root, 'var/snap/microk8s/current/args/containerd-template.toml.bak', rich.before);
      put(root, 'var/snap/microk8s/current/args/containerd-template.toml', rich.after([rust]));
      release(root, [rust]);
    },
    handlers: [],
    cleanerOnly: true,
  },
  {
    name: 'microk8s',
    tree: 'flatcar',
    engine: 'containerd@2.1',
    host: (root) => put(root, 'var/snap/microk8s/current/args/containerd-template.toml', microk8sBefore),
    deploy: (root) => {
      put(
        root,
        'var/snap/microk8s/current/args/containerd-template.toml',
        microk8sBefore.replace('\n', '\nimports = ["/opt/kata/containerd/config.d/kata-deploy.toml"]\n'),
      );
      put(root, 'opt/kata/containerd/config.d/kata-deploy.toml', dropIn([rust]));
      release(root, [rust]);
    },
    handlers: [],
    cleanerOnly: true,
  },
  {
    name: 'CRI-O',
    tree: 'fcos',
    engine: 'crio@1.34',
    host: crioHost,
    deploy: (root) => {
      put(root, 'etc/crio/crio.conf.d/99-kata-deploy', crioDropIn([rust]));
      put(root, 'etc/crio/crio.conf.d/100-debug', '');
      release(root, [rust]);
    },
    handlers: [rust.name],
  },
  {
    name: 'CRI-O, with debug and a suffix',
    tree: 'rhcos',
    engine: 'crio@1.34',
    host: crioHost,
    deploy: (root) => {
      const blue = { name: 'kata-qemu-runtime-rs-blue', base: 'qemu-runtime-rs', folder: '/opt/kata-blue' };
      put(root, 'etc/crio/crio.conf.d/99-kata-deploy-blue', crioDropIn([blue]));
      put(root, 'etc/crio/crio.conf.d/100-debug', '[crio.runtime]\nlog_level = "debug"\n');
      release(root, [blue]);
    },
    handlers: ['kata-qemu-runtime-rs-blue'],
  },
  {
    name: 'the form of jobs of 4.2: kernel modules, device rules, programs',
    tree: 'microos',
    engine: 'containerd@2.2',
    host: (root) => {
      put(root, 'usr/local/bin/theirs', '#!/bin/sh\n', 0o755);
      put(root, 'etc/modules-load.d/kata-containers.conf', 'vhost_vsock\n');
      put(root, 'etc/udev/rules.d/60-site.rules', '# site\n');
    },
    deploy: (root) => {
      put(root, `${confD}/kata-deploy.toml`, dropIn([rust]));
      release(root, [rust]);
      put(
        root,
        'etc/modules-load.d/kata-containers-default.conf',
        '# Managed by kata-deploy; removed when this installation is uninstalled.\nvhost\nvhost_net\n',
      );
      put(
        root,
        'etc/udev/rules.d/99-kata-containers-rootless-default.rules',
        '# Generated by kata-deploy: device access for a rootless (unprivileged) VMM.\nKERNEL=="kvm", MODE="0660"\n',
      );
      put(root, 'usr/local/bin/.kata-deploy-node-binaries', 'mkfs.erofs\ndump.erofs\n../bin/theirs\n');
      put(root, 'usr/local/bin/mkfs.erofs', Buffer.alloc(3_000_000, 1), 0o755);
      symlinkSync('/opt/kata/bin/containerd-shim-kata-v2', join(root, 'usr/local/bin/containerd-shim-kata-qemu-v2'));
    },
    handlers: [rust.name],
  },
  {
    name: 'what its uninstall leaves',
    tree: 'flatcar',
    engine: 'containerd@2.1',
    host: (root) => put(root, main, version3),
    deploy: (root) => {
      put(root, main, version3.replace('\n', '\nimports = []\n'));
      mkdirSync(join(root, 'opt/kata'), { recursive: true });
      mkdirSync(join(root, `var/lib/${nydus}`), { recursive: true });
      put(root, `var/lib/${nydus}/snapshots/1/fs/file`, 'a layer\n');
    },
    handlers: [],
    cleanerOnly: true,
  },
  {
    name: 'what its uninstall leaves of CRI-O',
    tree: 'fcos',
    engine: 'crio@1.34',
    host: crioHost,
    deploy: (root) => {
      mkdirSync(join(root, 'var/opt/kata'), { recursive: true });
      put(root, 'etc/crio/crio.conf.d/100-debug', '');
    },
    handlers: [],
    cleanerOnly: true,
  },
];

/** A tree of this shape, with kata-deploy. */
export function kataDeployTree({ tree, engine, host, deploy }: KataDeployShape): TreeHost {
  const ready = (root: string) => {
    host?.(root);
    deploy(root);
  };
  return treeHost(tree, ready, { engine });
}
