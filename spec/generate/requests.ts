import { type Against, type Beside, generate, type Merging, type OutputKind, type Source, targetNamed } from '../../cli/generate/index.ts';

import type { Digest } from '../../cli/host/index.ts';

/** Every minor version of OpenShift that is offered; a spec says that those before and after are not. */
export const openshift = Array.from({ length: 22 - 8 + 1 }, (_, index) => `openshift-4.${8 + index}`);
export const targets = ['fcos', 'flatcar', 'microos', 'r4e', ...openshift];
/** Those for which everything can be computed elsewhere. */
export const renderedTargets = targets.filter((name) => targetNamed(name).tree !== undefined);
/** Arguments of the kernel, where the target's configuration takes any, with blanks and signs that YAML would take for its own. */
export const kernelArguments = ['intel_iommu=on', 'hugepages=64', 'dyndbg="file drivers/usb/* +p"', 'a=b:#c'];
const source = (name: string, sign: string) => ({
  name,
  digest: `sha256:${sign.repeat(64)}` as const,
  url: `https://files.example.org/kata/${name}`,
  sizeBytes: 1234,
});

/** The text of the first file that is made; awkward words go through every layer of quoting. */
export function made(
  kind: OutputKind,
  target: string,
  more: { kernelArguments?: string[]; installArguments?: string[]; program?: Source; bundles?: Source[] } = {},
  role = 'worker',
) {
  const request = {
    form: 'hook' as const,
    target: targetNamed(target),
    program: source('kata-sysext-linux-x64', 'a'),
    bundles: [source('kata-static.tar.zst', 'b'), source('kata-go-static.tar.zst', 'c')],
    installArguments: ['--handler', 'qemu', '--set', `kernel_params="it's $HOME \`id\` %n äöü"`],
    kernelArguments: [],
    version: '0.1.0',
    ...more,
  };
  return generate(kind, request, { role, policy: true });
}

/** What containerd's node has to be like: every check that there is, with names that the shell would take apart. */
export const against: Against = {
  title: 'containerd',
  variable: 'CONTAINERD_CONFIG',
  config: '/etc/containerd/config.toml',
  digest: `sha256:${'e'.repeat(64)}`,
  imports: [{ folder: "/etc/containerd/it's $HOME", name: '*.toml' }],
  own: ['/etc/containerd/kata-sysext.toml'],
  version: '2',
  edits: [{ path: '/etc/containerd/config.toml', digest: `sha256:${'f'.repeat(64)}`, at: 12, part: 'parts/0' }],
};

/** What a node of CRI-O must have free, with a name that the shell would take apart. */
const beside: Beside = {
  own: ['/etc/crio/crio.conf.d/50-kata-sysext.conf'],
  handlers: ['kata-qemu-runtime-rs', 'it.s'],
  read: ['/etc/crio/crio.conf', '/etc/crio/crio.conf.d'],
};

export const merging: Merging = {
  image: source('kata-4.1.0.raw', 'e'),
  payload: `sha256:${'9'.repeat(64)}`,
  release: '/usr/lib/extension-release.d/extension-release.kata',
  link: { path: '/etc/extensions/kata.raw', target: '/var/usrlocal/libexec/kata-sysext/tree/0123/kata.raw' },
  wants: { path: '/etc/systemd/system/sysinit.target.wants/systemd-sysext.service', target: '../systemd-sysext.service' },
  service: 'systemd-sysext.service',
  least: 257,
};

/** The same for the form *rendered*. */
export function madeRendered(
  kind: OutputKind,
  target: string,
  { against, merging: image, kernelArguments = [] }: Node = {},
  policy = false,
) {
  const request = {
    form: 'rendered' as const,
    target: targetNamed(target),
    archive: source('kata-sysext-0123456789abcdef.tar.gz', 'd'),
    places: ['/var/usrlocal/libexec/kata-sysext', '/var/lib/kata-sysext', '/etc/kata-sysext', '/etc/crio/crio.conf.d/50-kata-sysext.conf'],
    unpackedBytes: 5678,
    modules: '/etc/modules-load.d/kata-sysext.conf',
    engineUnit: against === undefined ? 'crio.service' : 'containerd.service',
    ...(against === undefined ? { beside } : { against }),
    ...(image === undefined ? {} : { merging: image }),
    kernelArguments,
    version: '0.1.0',
  };
  return generate(kind, request, { role: 'worker', policy });
}

/** What a node is besides its target. */
export type Node = { against?: Against; merging?: Merging; kernelArguments?: string[] };

export function madeBaked(program: Digest): string {
  const request = {
    form: 'baked' as const,
    target: targetNamed('fcos'),
    program: { name: 'kata-sysext-linux-x64', digest: program },
    bundles: [source('kata-static.tar.zst', 'b'), source('kata-go-static.tar.zst', 'c')],
    installArguments: ['--set', `kernel_params="it's $HOME \`id\` %n äöü"`],
    kernelArguments: [],
    version: '0.1.0',
  };
  return generate('containerfile', request, { role: 'worker', policy: true })[0]!.text;
}
