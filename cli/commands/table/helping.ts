import type { Verb } from '../types.ts';

/** Verbs about the program itself. */
export const helping: Verb[] = [
  {
    name: 'try',
    words: '',
    summary: 'show the whole round on a throw-away host tree; needs nothing installed',
    options: { keep: { type: 'boolean', describe: 'leave the tree there to look at' } },
    examples: [{ command: 'kata-sysext try', does: 'install, upgrade, roll back and uninstall in a temporary folder' }],
    load: async () => (await import('../verbs/try.ts')).run,
  },
  {
    name: 'node-pod',
    words: 'STEP',
    summary: 'not for people: what the containers of a node pod run in Kubernetes',
    examples: [
      {
        command: 'kata-sysext node-pod change',
        does: 'have systemd of the node do the request in KATA_SYSEXT_REQUEST, and follow that',
      },
      { command: 'kata-sysext node-pod label', does: 'give the own node the labels that its report and its kubelet prove' },
      { command: 'kata-sysext node-pod unlabel', does: 'take them away before an uninstall' },
      {
        command: 'kata-sysext node-pod feature',
        does: 'the same by a file for Node Feature Discovery, in place of a token; unfeature removes it',
      },
      { command: 'kata-sysext node-pod withdraw', does: 'uninstall Kata from all nodes before Helm deletes the DaemonSets' },
    ],
    load: async () => (await import('../verbs/nodePod.ts')).run,
  },
  {
    name: 'explain',
    words: '[CODE|-]',
    takes: ['code'],
    summary: 'explain an error code, or why a pod failed: events or log lines on standard input',
    examples: [
      { command: 'kata-sysext explain engine-pending-edits', does: 'what the code means and whether --allow overrides it' },
      { command: 'kata-sysext explain -', does: 'what failed and what to do: kubectl describe pod NAME | kata-sysext explain' },
    ],
    load: async () => (await import('../verbs/explain.ts')).run,
  },
  {
    name: 'completion',
    words: 'bash|zsh|fish',
    summary: 'print the completion script of a shell; /usr is not needed for it',
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
    load: async () => (await import('../completion/index.ts')).run,
  },
];
