import type { Verb } from '../types.ts';
import { backend, component, downloads, format, profile, prove, set, signature } from './options.ts';

/** Verbs that make a generation, or make another one active. */
export const making: Verb[] = [
  {
    name: 'install',
    words: 'BUNDLE...',
    summary: 'install or upgrade to a Kata release',
    changing: true,
    options: {
      handler: {
        type: 'list',
        describe: 'install exactly the handlers named so (default: the installed ones, or the default of the release)',
        placeholder: 'N',
      },
      'add-handler': { type: 'list', describe: 'add this handler to the installed ones', placeholder: 'N' },
      'remove-handler': { type: 'list', describe: 'do without this installed handler from now on', placeholder: 'N' },
      alias: {
        type: 'list',
        describe: 'add an alias of handler N; an empty N removes the alias; with --component, the handler that the alias is based on',
        placeholder: 'NAME[=N]',
      },
      component,
      digest: { type: 'list', describe: 'refuse a bundle with another digest; once for each BUNDLE, in order', placeholder: 'sha256:HEX' },
      signature,
      ...downloads,
      backend,
      format,
      stage: { type: 'boolean', describe: 'make the generation ready and leave what is active as it is; then: activate' },
      'no-load-modules': {
        type: 'boolean',
        describe: 'neither load the kernel modules of the handlers nor keep them in modules-load.d',
      },
      prove,
      set,
      profile,
    },
    examples: [
      { command: 'kata-sysext install kata-static-4.1.0-amd64.tar.zst', does: 'install the default handler of the release' },
      {
        command: 'kata-sysext install kata@4.2.0',
        does: 'download the release that this version of the program knows by its digest',
      },
      {
        command: 'kata-sysext install https://HOST/kata-static-4.1.0-amd64.tar.zst --digest sha256:HEX --cache /var/tmp/kata',
        does: 'unpack the release while it is downloaded; where it breaks off, the next run goes on',
      },
      {
        command: 'kata-sysext install kata-static.tar.zst --prove pod',
        does: 'also start a pod of every handler, and put the host back if one fails',
      },
      {
        command: 'kata-sysext install kata-static.tar.zst kata-go-static.tar.zst --handler qemu',
        does: 'merge both archives of 4.1.0 and install the Go shim’s qemu',
      },
      { command: 'kata-sysext install kata-static.tar.zst --dry-run', does: 'show every step, what restarts, and the edit of each file' },
      {
        command: 'kata-sysext install kata-static.tar.zst --add-handler clh-runtime-rs --alias kata=qemu-runtime-rs',
        does: 'one handler more, and the name kata for another; later upgrades keep both',
      },
      {
        command: 'kata-sysext install kata-static.tar.zst --component kernel=/root/vmlinux-6.18 --alias newkernel',
        does: 'a handler newkernel that boots this kernel, beside the others; later upgrades keep it',
      },
      {
        command:
          'kata-sysext install kata-static.tar.zst kata-go-static.tar.zst --add-handler qemu --component a:kernel=/root/vmlinux-a --component b:initrd=/root/initrd-b --alias b=qemu',
        does: 'two such handlers; b is based on kata-qemu',
      },
      {
        command: 'kata-sysext install kata-static.tar.zst --backend sysext --format squashfs',
        does: 'keep the files as one compressed image, which systemd merges into /usr',
      },
      { command: 'kata-sysext install kata-4.1.0.raw --backend sysext', does: 'install an image that kata-sysext build made' },
      {
        command: 'kata-sysext install kata-static.tar.zst --root /mnt/host --engine containerd@1.7',
        does: 'prepare a host tree that is not running',
      },
    ],
    load: async () => (await import('../verbs/changing.ts')).install,
  },
  {
    name: 'apply',
    words: 'REQUEST',
    takes: ['file'],
    summary: 'make the node as a request says, remember a request that failed here, and write a report',
    changing: true,
    options: {
      cache: downloads['cache']!,
      'registry-auth': downloads['registry-auth']!,
      'ca-file': downloads['ca-file']!,
      'ready-since': {
        type: 'string',
        describe: 'since when the cluster calls the node ready: after its last report, and it begins nothing new',
        placeholder: 'TIME',
      },
    },
    examples: [
      { command: 'kata-sysext apply request.json', does: 'install, go back, or uninstall: whatever the file requests; twice does nothing' },
      { command: 'kata-sysext apply request.json --dry-run', does: 'say what it would do' },
    ],
    load: async () => (await import('../verbs/apply.ts')).run,
  },
  {
    name: 'configure',
    words: '',
    summary: 'show or change settings and profiles of the installed handlers; no restart',
    changing: true,
    stray: { option: 'set', like: /^[a-z][\w.]*=/ },
    options: {
      handler: { type: 'list', describe: 'only this handler (default: all that are installed)', placeholder: 'N' },
      set,
      unset: { type: 'list', describe: 'take a setting away: the value of the release counts again', placeholder: 'KEY' },
      profile,
    },
    examples: [
      { command: 'kata-sysext configure', does: 'show what is set, and which profiles there are' },
      { command: 'kata-sysext configure --set default_memory=4096 --dry-run', does: 'show the lines that would change' },
      { command: 'kata-sysext configure --handler qemu --profile debug', does: 'new pods of kata-qemu write debug messages' },
      { command: 'kata-sysext configure --unset default_memory --profile none', does: 'go back to the values of the release' },
    ],
    load: async () => (await import('../verbs/changing.ts')).configure,
  },
  {
    name: 'activate',
    words: '[N]',
    summary: 'make a staged generation the active one (default: the newest staged)',
    changing: true,
    options: { prove },
    examples: [
      { command: 'kata-sysext activate', does: 'switch to what install --stage made ready' },
      { command: 'kata-sysext activate 3 --dry-run', does: 'show what a switch to generation 3 would do' },
    ],
    load: async () => (await import('../verbs/changing.ts')).activate,
  },
  {
    name: 'rollback',
    words: '',
    summary: 'go back to the generation that was active before; twice returns',
    changing: true,
    stray: { option: 'to', like: /^\d+$/ },
    options: { to: { type: 'number', describe: 'go to generation N instead', placeholder: 'N' }, prove },
    examples: [{ command: 'kata-sysext rollback --to 2', does: 'activate generation 2, its wiring included' }],
    load: async () => (await import('../verbs/changing.ts')).rollback,
  },
  {
    name: 'uninstall',
    words: '',
    summary: 'take Kata off the host, byte for byte, or only some handlers',
    changing: true,
    stray: { option: 'handler', like: /^[a-z][\w-]*$/ },
    options: {
      handler: { type: 'list', describe: 'take only this handler or alias away; the others stay', placeholder: 'N' },
      purge: { type: 'boolean', describe: 'also remove the history' },
    },
    examples: [
      { command: 'kata-sysext uninstall --purge', does: 'leave nothing behind' },
      {
        command: 'kata-sysext uninstall --handler clh --handler kata',
        does: 'take a handler and an alias away; rollback brings them back',
      },
    ],
    load: async () => (await import('../verbs/changing.ts')).uninstall,
  },
];

/** Verbs that take over what others installed. */
export const adopting: Verb[] = [
  {
    name: 'adopt',
    words: 'kata-deploy|rendered|layered [BUNDLE...]',
    summary:
      'replace kata-deploy (or only remove it) or a layered kata-containers, or take over what Ignition or a MachineConfig brought (rendered)',
    changing: true,
    options: {
      handler: {
        type: 'list',
        describe: 'install exactly the handlers named so (default: kata-deploy: those it has; layered: the default of the release)',
        placeholder: 'N',
      },
      alias: {
        type: 'list',
        describe: 'lead a name of what is replaced to this handler (default: kata-deploy: as it has it; layered: all to the first one)',
        placeholder: 'NAME=N',
      },
      digest: { type: 'list', describe: 'refuse a bundle with another digest; once for each BUNDLE, in order', placeholder: 'sha256:HEX' },
      signature,
      ...downloads,
      backend,
      format,
      set,
      profile,
      remove: { type: 'boolean', describe: 'kata-deploy: take it off the host, and install nothing' },
      yes: { type: 'boolean', describe: 'layered: also let rpm-ostree stage the removal of the package; it never reboots' },
    },
    examples: [
      {
        command: 'kata-sysext adopt kata-deploy kata-static-4.1.0-amd64.tar.zst --dry-run',
        does: 'list what kata-deploy has on this host, and how each part would go or be replaced',
      },
      { command: 'kata-sysext adopt kata-deploy --remove', does: 'take all of kata-deploy off the host, and install nothing' },
      { command: 'kata-sysext adopt rendered', does: 'prove what the first boot brought, note whose it is, and take its unit out of use' },
      {
        command: 'kata-sysext adopt layered kata-static-4.1.0-amd64.tar.zst --dry-run',
        does: 'show how the layered package would give way, name by name',
      },
      {
        command: 'kata-sysext adopt layered kata-static-4.1.0-amd64.tar.zst --yes',
        does: 'take its place under the name kata, and stage its removal for the next boot',
      },
    ],
    load: async () => (await import('../verbs/adopt.ts')).run,
  },
];
