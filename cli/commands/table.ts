import type { OptionRow, Verb } from './types.ts';

/** Options of every verb. */
export const commonOptions: Record<string, OptionRow> = {
  root: { type: 'string', describe: 'work on the host tree in DIR instead of the live host', placeholder: 'DIR', default: '/' },
  json: { type: 'boolean', describe: 'print one JSON object on standard output' },
  progress: {
    type: 'string',
    describe: 'how progress is shown on standard error',
    choices: ['auto', 'tty', 'plain', 'json', 'none'],
    default: 'auto',
  },
};

/** Options of every verb that changes the host. */
export const changeOptions: Record<string, OptionRow> = {
  'dry-run': { type: 'boolean', describe: 'print the plan and change nothing' },
  wait: { type: 'number', describe: 'wait up to SECONDS for another change to end', placeholder: 'SECONDS', default: 0 },
  allow: { type: 'list', describe: 'take a blocker upon yourself, by its code', placeholder: 'CODE' },
  engine: {
    type: 'string',
    alias: 'cri',
    describe: 'the engine to wire, if several are there or none can be seen',
    placeholder: 'NAME[@VERSION]',
  },
};

const backend: OptionRow = {
  type: 'string',
  describe: 'how the files appear on the host',
  choices: ['auto', 'prefix', 'sysext'],
  placeholder: 'B',
};

const set: OptionRow = { type: 'list', describe: 'give a key of the handlers’ configuration a value', placeholder: 'KEY=VALUE' };
const profile: OptionRow = {
  type: 'list',
  describe: 'use this profile; the ones that are named replace those chosen before, none takes all away',
  placeholder: 'NAME',
};

export const verbs: Verb[] = [
  {
    name: 'check',
    words: '[BUNDLE...]',
    fewest: 0,
    most: 16,
    summary: 'say whether this host can take Kata now, blockers first; with a bundle, which of its handlers fit here',
    changing: false,
    options: {
      handler: {
        type: 'list',
        describe: 'look at what this handler needs (default: the installed ones, or the usual one)',
        placeholder: 'N',
      },
      backend,
      engine: changeOptions['engine']!,
    },
    examples: [
      { command: 'kata-sysext check', does: 'list what stands in the way, with the command that helps' },
      { command: 'kata-sysext check --handler qemu-snp', does: 'whether this host has what confidential guests with SEV-SNP need' },
      {
        command: 'kata-sysext check kata-static-4.1.0-amd64.tar.zst kata-go-static-4.1.0-amd64.tar.zst',
        does: 'which handlers the archives carry, and what this host lacks for each',
      },
    ],
    load: () => import('./verbs/check.ts'),
  },
  {
    name: 'install',
    words: 'BUNDLE...',
    fewest: 1,
    most: 16,
    summary: 'install or upgrade to a Kata release',
    changing: true,
    options: {
      handler: {
        type: 'list',
        describe: 'install exactly the handlers named so (default: the installed ones, or the default of the release)',
        placeholder: 'N',
      },
      'add-handler': { type: 'list', describe: 'install this handler besides the installed ones', placeholder: 'N' },
      'remove-handler': { type: 'list', describe: 'do without this installed handler from now on', placeholder: 'N' },
      alias: {
        type: 'list',
        describe: 'offer handler N under a further name as well; with an empty N the name goes',
        placeholder: 'NAME=N',
      },
      digest: { type: 'list', describe: 'refuse a bundle with another digest; once for each BUNDLE, in order', placeholder: 'sha256:HEX' },
      backend,
      stage: { type: 'boolean', describe: 'make the generation ready and leave what is active as it is; then: activate' },
      set,
      profile,
    },
    examples: [
      { command: 'kata-sysext install kata-static-4.1.0-amd64.tar.zst', does: 'install the default handler of the release' },
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
        command: 'kata-sysext install kata-static.tar.zst --root /mnt/host --engine containerd@1.7',
        does: 'prepare a host tree that is not running',
      },
    ],
    load: () => import('./verbs/install.ts'),
  },
  {
    name: 'configure',
    words: '',
    fewest: 0,
    most: 0,
    summary: 'show or change settings and profiles of the installed handlers; no restart',
    changing: true,
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
    load: () => import('./verbs/configure.ts'),
  },
  {
    name: 'activate',
    words: '[N]',
    fewest: 0,
    most: 1,
    summary: 'make a staged generation the active one (default: the newest staged)',
    changing: true,
    options: {},
    examples: [
      { command: 'kata-sysext activate', does: 'switch to what install --stage made ready' },
      { command: 'kata-sysext activate 3 --dry-run', does: 'show what a switch to generation 3 would do' },
    ],
    load: () => import('./verbs/activate.ts'),
  },
  {
    name: 'status',
    words: '',
    fewest: 0,
    most: 0,
    summary: 'show what is active, on one screen',
    changing: false,
    options: { verbose: { type: 'boolean', alias: 'v', describe: 'also payloads and sources' } },
    examples: [{ command: 'kata-sysext status', does: '● is active, ◦ is where rollback leads' }],
    load: () => import('./verbs/status.ts'),
  },
  {
    name: 'history',
    words: '[N]',
    takes: ['change'],
    fewest: 0,
    most: 1,
    summary: 'list all changes, or show one with its evidence',
    changing: false,
    options: {},
    examples: [{ command: 'kata-sysext history 3', does: 'what change 3 did, and the log lines if it failed' }],
    load: () => import('./verbs/history.ts'),
  },
  {
    name: 'diff',
    words: '[A [B]]',
    fewest: 0,
    most: 2,
    summary: 'compare two generations (default: the one before and the active one)',
    changing: false,
    options: {},
    examples: [{ command: 'kata-sysext diff 1 2', does: 'releases, handlers and files that differ' }],
    load: () => import('./verbs/diff.ts'),
  },
  {
    name: 'verify',
    words: '',
    fewest: 0,
    most: 0,
    summary: 'compare the host with the active generation, byte by byte, and boot its guests if asked to',
    changing: false,
    options: {
      'boot-guest': { type: 'boolean', describe: 'also boot the installed guest with the installed hypervisor, without network' },
      handler: { type: 'list', describe: 'boot the guest of this handler only', placeholder: 'N' },
      tcg: { type: 'boolean', describe: 'emulate the guest where KVM runs none' },
      timeout: { type: 'number', describe: 'give each guest SECONDS to come up (default: 60)', placeholder: 'SECONDS' },
    },
    examples: [
      { command: 'kata-sysext verify', does: 'exit status 1 and a list if anything drifted' },
      {
        command: 'kata-sysext verify --boot-guest',
        does: 'boot the guest of every handler with KVM: its kernel, and the milliseconds until it was seen',
      },
      { command: 'kata-sysext verify --boot-guest --handler qemu --tcg', does: 'on a host without KVM: see at least that the files boot' },
    ],
    load: () => import('./verbs/verify.ts'),
  },
  {
    name: 'rollback',
    words: '',
    fewest: 0,
    most: 0,
    summary: 'go back to the generation that was active before; twice returns',
    changing: true,
    options: { to: { type: 'number', describe: 'go to generation N instead', placeholder: 'N' } },
    examples: [{ command: 'kata-sysext rollback --to 2', does: 'activate generation 2, its wiring included' }],
    load: () => import('./verbs/rollback.ts'),
  },
  {
    name: 'uninstall',
    words: '',
    fewest: 0,
    most: 0,
    summary: 'take Kata off the host, byte for byte, or only some handlers',
    changing: true,
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
    load: () => import('./verbs/uninstall.ts'),
  },
  {
    name: 'recover',
    words: '',
    fewest: 0,
    most: 0,
    summary: 'settle an interrupted change (every changing verb does it first)',
    changing: true,
    options: {},
    examples: [{ command: 'kata-sysext recover', does: 'undo what had not committed, finish what had' }],
    load: () => import('./verbs/recover.ts'),
  },
  {
    name: 'gc',
    words: '',
    fewest: 0,
    most: 0,
    summary: 'remove old generations and their files',
    changing: true,
    options: {
      keep: {
        type: 'number',
        describe: 'keep the newest N besides the active, previous, pinned and running ones',
        placeholder: 'N',
        default: 2,
      },
    },
    examples: [{ command: 'kata-sysext gc --keep 1', does: 'free what nothing needs' }],
    load: () => import('./verbs/gc.ts'),
  },
  {
    name: 'pin',
    words: 'N',
    fewest: 1,
    most: 1,
    summary: 'keep generation N: gc leaves it alone',
    changing: true,
    options: {},
    examples: [{ command: 'kata-sysext pin 3', does: 'gc never removes generation 3' }],
    load: () => import('./verbs/pin.ts'),
  },
  {
    name: 'unpin',
    words: 'N',
    fewest: 1,
    most: 1,
    summary: 'let gc remove generation N again',
    changing: true,
    options: {},
    examples: [{ command: 'kata-sysext unpin 3', does: 'take the pin away' }],
    load: () => import('./verbs/unpin.ts'),
  },
  {
    name: 'try',
    words: '',
    fewest: 0,
    most: 0,
    summary: 'show the whole round on a throw-away host tree; needs nothing installed',
    changing: false,
    options: { keep: { type: 'boolean', describe: 'leave the tree there to look at' } },
    examples: [{ command: 'kata-sysext try', does: 'install, upgrade, roll back and uninstall in a temporary folder' }],
    load: () => import('./verbs/try.ts'),
  },
  {
    name: 'explain',
    words: '[CODE]',
    fewest: 0,
    most: 1,
    summary: 'explain an error code',
    changing: false,
    options: {},
    examples: [{ command: 'kata-sysext explain engine-pending-edits', does: 'what the code means and whether --allow overrides it' }],
    load: () => import('./verbs/explain.ts'),
  },
  {
    name: 'report',
    words: '',
    fewest: 0,
    most: 0,
    summary: 'write one file for a bug report, without secrets, names and addresses',
    changing: false,
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
    load: () => import('./verbs/report.ts'),
  },
  {
    name: 'completion',
    words: 'bash|zsh|fish',
    fewest: 1,
    most: 1,
    summary: 'print the completion script of a shell; /usr is not needed for it',
    changing: false,
    options: {},
    examples: [
      { command: 'source <(kata-sysext completion bash)', does: 'for this shell only; zsh takes the same line with zsh' },
      {
        command: 'kata-sysext completion bash > ~/.local/share/bash-completion/completions/kata-sysext',
        does: 'for one user; loaded by the package bash-completion',
      },
      { command: 'kata-sysext completion bash > /etc/bash_completion.d/kata-sysext', does: 'for everybody, where /usr is read-only' },
      { command: 'kata-sysext completion fish > ~/.config/fish/completions/kata-sysext.fish', does: 'the same for fish' },
      { command: 'kata-sysext completion zsh > ~/.zfunc/_kata-sysext', does: 'for zsh, with fpath+=(~/.zfunc) before compinit' },
    ],
    load: () => import('./verbs/completion.ts'),
  },
];

/** All options that a verb takes. */
export function optionsOf(verb: Verb): Record<string, OptionRow> {
  return { ...verb.options, ...(verb.changing ? changeOptions : {}), ...commonOptions };
}
