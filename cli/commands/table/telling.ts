import type { Verb } from '../types.ts';
import { backend, changeOptions, downloads, format, signature } from './options.ts';

/** Verbs that tell what is there, and change nothing. */
export const telling: Verb[] = [
  {
    name: 'check',
    words: '[BUNDLE...]',
    summary: 'say whether this host can take Kata now, blockers first; with a bundle or an image, which of its handlers fit here',
    options: {
      handler: {
        type: 'list',
        describe: 'look at what this handler needs (default: the installed ones, or the usual one)',
        placeholder: 'N',
      },
      backend,
      format,
      engine: changeOptions['engine']!,
    },
    examples: [
      { command: 'kata-sysext check', does: 'list what prevents an installation, with the command that helps' },
      { command: 'kata-sysext check --handler qemu-snp', does: 'whether this host has what confidential guests with SEV-SNP need' },
      {
        command: 'kata-sysext check kata-static-4.1.0-amd64.tar.zst kata-go-static-4.1.0-amd64.tar.zst',
        does: 'which handlers the archives carry, and what this host lacks for each',
      },
    ],
    load: async () => (await import('../verbs/check.ts')).run,
  },
  {
    name: 'releases',
    words: '[add|remove CATALOGUE]',
    takes: ['file', 'file'],
    summary: 'list the releases of Kata whose archives are known by their digests; add and remove catalogues of your own',
    options: {
      signature: {
        ...signature,
        type: 'string',
        describe: 'with add: refuse a catalogue that no key of /etc/kata-sysext/trust.d signed so',
      },
      digest: { type: 'string', describe: 'with add: refuse a catalogue with another digest', placeholder: 'sha256:HEX' },
      'ca-file': downloads['ca-file']!,
      'dry-run': { type: 'boolean', describe: 'with add and remove: say what would be done, and change nothing' },
      wait: changeOptions['wait']!,
    },
    examples: [
      { command: 'kata-sysext releases', does: 'versions, architectures, and the archives that install kata@VERSION downloads' },
      { command: 'kata-sysext releases --json', does: 'the same with digests and the oldest version of each engine' },
      {
        command: 'kata-sysext releases add team.json --signature team.json.minisig',
        does: 'keep the catalogue team, if a trusted key signed it: install team@VERSION finds its releases',
      },
      { command: 'kata-sysext releases remove team', does: 'forget it; what was installed from it stays' },
    ],
    load: async () => (await import('../verbs/releases.ts')).run,
  },
  {
    name: 'status',
    words: '',
    summary: 'show what is active and what runs, on one screen',
    options: {
      verbose: { type: 'boolean', alias: 'v', describe: 'also settings, sources, payloads and when each was made' },
      sbom: { type: 'boolean', describe: 'print what the active payload is made of as an SPDX document (JSON), and nothing else' },
      spdx: { type: 'string', describe: 'with --sbom: the version of SPDX', choices: ['2.2', '2.3'], placeholder: 'VERSION' },
      fleet: { type: 'boolean', describe: 'show the nodes of a Kubernetes cluster instead of this host; -v has a line for each' },
      kubeconfig: {
        type: 'string',
        describe: 'with --fleet: how the cluster is reached (default: as kubectl, by KUBECONFIG or ~/.kube/config)',
        placeholder: 'FILE',
        takes: 'file',
      },
      namespace: {
        type: 'string',
        describe: 'with --fleet: where the DaemonSet is (default: kata-sysext)',
        placeholder: 'NS',
      },
    },
    examples: [
      { command: 'kata-sysext status', does: 'a line for each generation: ● is active, ◦ is where rollback leads' },
      { command: 'kata-sysext status -v', does: 'also what each was made of, and what is set for its handlers' },
      {
        command: 'kata-sysext status --sbom > kata.spdx.json',
        does: 'the components of the active payload with versions, licences and digests',
      },
      {
        command: 'kata-sysext status --fleet',
        does: 'nodes by release, state and reason, and the command that leads back to what was good',
      },
    ],
    load: async () => (await import('../verbs/status.ts')).run,
  },
  {
    name: 'notices',
    words: '[BUNDLE...]',
    summary:
      'write what has to be passed on with the active payload, or with archives: SPDX document, texts of licences, list of sources, written offer',
    options: {
      output: {
        type: 'string',
        alias: 'o',
        describe:
          'the root to write below (always needed): usr/share/os-manifests and usr/share/licenses; other bytes there are never replaced',
        placeholder: 'DIR',
      },
    },
    examples: [
      { command: 'kata-sysext notices -o /', does: 'in the container that builds an OS image with Kata in it' },
      { command: 'kata-sysext notices kata-static-4.1.0-amd64.tar.zst -o out', does: 'of an archive that is passed on as it is' },
    ],
    load: async () => (await import('../verbs/notices.ts')).run,
  },
  {
    name: 'history',
    words: '[N]',
    takes: ['change'],
    summary: 'list all changes, or show one with its evidence',
    examples: [{ command: 'kata-sysext history 3', does: 'what change 3 did, and the log lines if it failed' }],
    load: async () => (await import('../verbs/history.ts')).run,
  },
  {
    name: 'diff',
    words: '[A [B]]',
    summary: 'compare two generations (default: the one before and the active one)',
    examples: [{ command: 'kata-sysext diff 1 2', does: 'releases, handlers and files that differ' }],
    load: async () => (await import('../verbs/diff.ts')).run,
  },
  {
    name: 'verify',
    words: '',
    summary: 'compare the host with the active generation, byte by byte; start a pod or boot its guests if asked to',
    options: {
      repair: { type: 'boolean', describe: 'first put back the SELinux labels that differ; changes nothing else' },
      'boot-guest': { type: 'boolean', describe: 'also boot the installed guest with the installed hypervisor, without network' },
      pod: {
        type: 'boolean',
        describe: 'also have the engine start a pod of each handler from the sandbox image that the node has, and remove it',
      },
      handler: { type: 'list', describe: 'start a pod, or boot the guest, of this handler only', placeholder: 'N' },
      tcg: { type: 'boolean', describe: 'with --boot-guest: emulate the guest where KVM runs none' },
      timeout: { type: 'number', describe: 'give each pod or guest SECONDS to come up (default: 60)', placeholder: 'SECONDS' },
    },
    examples: [
      { command: 'kata-sysext verify', does: 'exit status 1 and a list if anything drifted' },
      { command: 'kata-sysext verify --repair', does: 'put SELinux labels back, then compare' },
      { command: 'kata-sysext verify --pod', does: 'see that a pod of every handler starts; exit status 1 where one does not' },
      {
        command: 'kata-sysext verify --boot-guest',
        does: 'boot the guest of every handler with KVM: its kernel, and the milliseconds until it was seen',
      },
      { command: 'kata-sysext verify --boot-guest --handler qemu --tcg', does: 'on a host without KVM: see at least that the files boot' },
    ],
    load: async () => (await import('../verbs/verify.ts')).run,
  },
  {
    name: 'report',
    words: '',
    summary: 'write one file for a bug report, without secrets, names and addresses',
    options: {
      output: {
        type: 'string',
        alias: 'o',
        describe: 'the file to make; it must not be there yet, - is standard output',
        placeholder: 'FILE',
      },
      verbose: { type: 'boolean', alias: 'v', describe: 'also read every file of the payload, and more lines of the logs' },
    },
    examples: [
      { command: 'kata-sysext report -o report.md', does: 'make the file; then read it, and attach it to the bug report' },
      { command: 'kata-sysext report -o - | less', does: 'look at what it would hold' },
    ],
    load: async () => (await import('../verbs/report.ts')).run,
  },
];
