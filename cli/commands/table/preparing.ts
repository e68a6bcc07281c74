import type { Verb } from '../types.ts';
import { backend, changeOptions, component, downloads, format, profile, set } from './options.ts';

/** Verbs that prepare nodes which do not run yet. */
export const preparing: Verb[] = [
  {
    name: 'generate',
    words: 'ignition|butane|machineconfig|containerfile|kubernetes [BUNDLE...]',
    summary:
      'write the configuration of nodes that install Kata at their first boot, what builds an OS image with Kata in it, or what lets Kubernetes roll Kata out',
    options: {
      target: { type: 'string', describe: 'the nodes: fcos, flatcar, microos, r4e, openshift-4.N or okd-4.N', placeholder: 'TARGET' },
      form: {
        type: 'string',
        describe:
          'the node installs by itself (hook, the default), gets what was installed here onto a tree like its own (rendered), or is booted from an image that has it (baked; containerfile only). For kubernetes: a Helm chart (the default), plain manifests, or kustomize',
        choices: ['hook', 'rendered', 'baked', 'chart', 'manifests', 'kustomize'],
        placeholder: 'FORM',
      },
      output: { type: 'string', alias: 'o', describe: 'the folder to write to; other bytes there are never replaced', placeholder: 'DIR' },
      program: {
        type: 'string',
        describe:
          'the single file of this program for the nodes: a file of this machine, or where it is; rendered: guards their later boots; baked: installs in the image, and guards its boots',
        placeholder: 'FILE|URL',
        takes: 'file',
      },
      from: { type: 'string', describe: 'where nodes find the files of this machine, by their names', placeholder: 'ADDRESS' },
      digest: { type: 'list', describe: 'the digest of a bundle that is a URL; once for each BUNDLE, in order', placeholder: 'sha256:HEX' },
      'program-digest': { type: 'string', describe: 'the digest of a program that is a URL', placeholder: 'sha256:HEX' },
      handler: { type: 'list', describe: 'install exactly the handlers named so (default: the default of the release)', placeholder: 'N' },
      alias: {
        type: 'list',
        describe: 'add an alias of handler N; with --component also the alias that has it',
        placeholder: 'NAME[=N]',
      },
      component,
      backend,
      format,
      engine: changeOptions['engine']!,
      'engine-config': {
        type: 'string',
        describe:
          'form rendered with containerd: a copy of the nodes’ own /etc/containerd/config.toml; nodes with another one stay as they are',
        placeholder: 'FILE',
        takes: 'file',
      },
      set,
      profile,
      'kernel-argument': { type: 'list', describe: 'also start the kernel with this argument, such as intel_iommu=on', placeholder: 'ARG' },
      pool: {
        type: 'string',
        describe: 'OpenShift: for this pool (default: worker); one of your own is made as well',
        placeholder: 'NAME',
      },
      values: { type: 'string', describe: 'kubernetes: values of the chart, as YAML', placeholder: 'FILE', takes: 'file' },
      image: {
        type: 'string',
        describe: 'kubernetes: the image of the node pod, by its digest',
        placeholder: 'REPOSITORY@sha256:HEX',
      },
      'disruption-policy': { type: 'boolean', describe: 'OpenShift: also write the policy that lets changes of it reboot nothing' },
    },
    examples: [
      {
        command:
          'kata-sysext generate ignition kata-static.tar.zst --target fcos --program kata-sysext-linux-x64 --from https://files.example.org/kata -o out',
        does: 'nodes fetch both files from there, and take only the bytes that are here now',
      },
      {
        command:
          'kata-sysext generate machineconfig kata-static.tar.zst --target openshift-4.18 --program kata-sysext-linux-x64 --from https://files.example.org/kata --pool kata --disruption-policy -o out',
        does: 'a MachineConfig, a pool for it, and the policy that lets later releases come without a reboot',
      },
      {
        command:
          'kata-sysext generate butane kata-static.tar.zst --target fcos --form rendered --engine crio@1.34 --from https://files.example.org/kata -o out',
        does: 'nodes fetch one archive, and need no program of kata-sysext: their engine starts with Kata',
      },
      {
        command:
          'kata-sysext generate ignition kata-static.tar.zst --target fcos --form rendered --engine containerd@2.1 --engine-config config.toml --from https://files.example.org/kata -o out',
        does: 'the same for containerd: the edit is computed here, and made only where the node’s own file is that one',
      },
      {
        command:
          'kata-sysext generate ignition kata.raw --target fcos --form rendered --engine crio@1.34 --from https://files.example.org/kata -o out',
        does: 'nodes fetch the image that kata-sysext build made, and systemd merges it before the engine starts',
      },
      {
        command: 'kata-sysext generate containerfile kata-static.tar.zst --target fcos --program kata-sysext-linux-x64 -o out',
        does: 'an image for bootc that has both inside',
      },
      {
        command:
          'kata-sysext generate containerfile kata-static.tar.zst --target fcos --form baked --program kata-sysext-linux-x64 --engine crio@1.34 -o out',
        does: 'an image for bootc in which Kata is installed already',
      },
      {
        command:
          'kata-sysext generate kubernetes kata-static.tar.zst --from https://files.example.org/kata --image registry.example.org/kata-sysext@sha256:HEX -o out',
        does: 'a Helm chart, and values for it: nodes fetch the bundle from there',
      },
      {
        command: 'kata-sysext generate kubernetes kata@4.2.0 --form manifests --values values.yaml -o out',
        does: 'the same as plain manifests, one file for each mode: observe, install, uninstall',
      },
    ],
    load: async () => (await import('../verbs/generate.ts')).run,
  },
];

/** Verbs about images that are made off the host. */
export const imaging: Verb[] = [
  {
    name: 'build',
    words: 'BUNDLE...',
    summary: 'make an image of a release, on any machine and without root; install FILE --backend sysext installs it',
    options: {
      output: { type: 'string', alias: 'o', describe: 'the file to make (always needed); it must not be there yet', placeholder: 'FILE' },
      handler: { type: 'list', describe: 'put in this handler (default: the default one of the release)', placeholder: 'N' },
      alias: {
        type: 'list',
        describe: 'with --component: the alias that has it, and the handler that it is based on',
        placeholder: 'NAME[=N]',
      },
      component,
      format: { type: 'string', describe: 'squashfs is smaller, erofs faster', choices: ['squashfs', 'erofs'], default: 'squashfs' },
      digest: { type: 'list', describe: 'refuse a bundle with another digest; once for each BUNDLE, in order', placeholder: 'sha256:HEX' },
      sources: {
        type: 'string',
        describe:
          'also fetch the sources of what is in it into DIR, from the addresses that the release names; what cannot be had is listed',
        placeholder: 'DIR',
        takes: 'folder',
      },
      ...downloads,
      architecture: {
        type: 'string',
        describe: 'of the hosts that it is for (default: this machine’s)',
        choices: ['x86_64', 'aarch64', 'ppc64le', 's390x'],
      },
    },
    examples: [
      {
        command: 'kata-sysext build kata-static-4.1.0-amd64.tar.zst -o kata-4.1.0.raw',
        does: 'make an image with the default handler; it prints its digest',
      },
      {
        command: 'kata-sysext build kata-static.tar.zst --component kernel=vmlinux-6.18 --alias newkernel -o kata.raw',
        does: 'put a handler newkernel with this kernel into the image as well',
      },
      {
        command: 'SOURCE_DATE_EPOCH=1767225600 kata-sysext build kata-static.tar.zst --format erofs -o kata.raw',
        does: 'give everything in it this time; without it the time is 1970',
      },
      {
        command: 'kata-sysext build kata-static-4.1.0-amd64.tar.zst -o kata-4.1.0.raw --sources kata-4.1.0-sources',
        does: 'the same for those who pass the image on: GPL programs in it want their sources to be offered',
      },
    ],
    load: async () => (await import('../verbs/images.ts')).build,
  },
  {
    name: 'bundle',
    words: 'save BUNDLE...',
    summary: 'put archives, their signatures and this program into one file, for hosts without a network; install FILE takes it',
    options: {
      output: { type: 'string', alias: 'o', describe: 'the file to make (always needed); it must not be there yet', placeholder: 'FILE' },
      handler: {
        type: 'list',
        describe: 'with kata@VERSION: the archives that this handler needs (default: the default one of the release)',
        placeholder: 'N',
      },
      digest: { type: 'list', describe: 'refuse a bundle with another digest; once for each BUNDLE, in order', placeholder: 'sha256:HEX' },
      signature: {
        type: 'list',
        describe: 'also put in this signature; once for each BUNDLE, in order',
        placeholder: 'FILE|ADDRESS',
        takes: 'file',
      },
      ...downloads,
      architecture: {
        type: 'string',
        describe: 'with kata@VERSION: of the hosts that it is for (default: this machine’s)',
        choices: ['x86_64', 'aarch64', 'ppc64le', 's390x'],
      },
      program: {
        type: 'string',
        describe: 'the single file of kata-sysext to put in (default: the one that runs, if it is one)',
        placeholder: 'FILE',
        takes: 'file',
      },
    },
    examples: [
      {
        command: 'kata-sysext bundle save kata@4.2.0 -o kata-4.2.0.bundle',
        does: 'download the release, and make one file of it and of this program',
      },
      {
        command: 'kata-sysext bundle save kata-static.tar.zst kata-go-static.tar.zst -o kata.bundle --program kata-sysext-linux-x64',
        does: 'the same from files; on the host: tar -xf kata.bundle kata-sysext; ./kata-sysext install kata.bundle',
      },
    ],
    load: async () => (await import('../verbs/bundle.ts')).run,
  },
  {
    name: 'inspect',
    words: 'FILE',
    summary: 'say what an image is and whether it is whole; nothing is mounted',
    options: { verbose: { type: 'boolean', alias: 'v', describe: 'also every path with its mode, label and digest' } },
    examples: [{ command: 'kata-sysext inspect kata-4.1.0.raw', does: 'its digest, release, handlers and what it was made of' }],
    load: async () => (await import('../verbs/images.ts')).inspect,
  },
];
