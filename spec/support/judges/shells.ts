import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { completionScript, type Shell } from '../../../cli/commands/completion/index.ts';
import type { Verb } from '../../../cli/commands/types.ts';

export interface Offered {
  /** What the shell offers for the last word of each line. Files and folders come as the shell itself lists them. */
  words: Record<string, string[]>;
  stderr: string;
}

/** Where Debian has the shells; an absent one is told by the spec that skips. */
const places: Record<Shell, string> = { bash: '/bin/bash', zsh: '/usr/bin/zsh', fish: '/usr/bin/fish' };

export function hasShell(shell: Shell): boolean {
  return existsSync(places[shell]);
}

/** Says with the shell's own parser that a script is one; throws with its message. */
export function parseScript(shell: Shell): void {
  inFolder((folder) => execFileSync(places[shell], ['-n', scriptIn(folder, shell)], { stdio: 'pipe' }));
}

/** Presses TAB, so to say, after each line in the real shell. */
export function complete(shell: Shell, lines: string[], cwd = '/', rows?: Verb[]): Offered {
  return inFolder((folder) => {
    const driver = join(folder, 'driver');
    writeFileSync(driver, drivers[shell](scriptIn(folder, shell, rows)));
    const errors = join(folder, 'errors');
    const stdout = execFileSync('/bin/sh', ['-c', 'exec "$@" 2>"$0"', errors, places[shell], ...plainStart[shell], driver, ...lines], {
      cwd,
      encoding: 'utf8',
      timeout: 300_000,
      // Nothing can be started by name: a completion that needs a program says so on standard error.
      env: { HOME: folder, TERM: 'dumb', ...(shell === 'zsh' ? { PATH: '/usr/bin:/bin' } : { PATH: '/nowhere' }) },
    });
    const blocks = stdout.split(/^== /m).slice(1);
    const words = blocks.map((block): [string, string[]] => {
      const [line = '', ...found] = block.split('\n');
      return [line, [...new Set(found.filter((each) => each !== ''))].sort()];
    });
    return { words: Object.fromEntries(words), stderr: execFileSync('cat', [errors], { encoding: 'utf8' }) };
  });
}

const plainStart: Record<Shell, string[]> = { bash: ['--noprofile', '--norc'], zsh: ['-f'], fish: ['--no-config'] };

const drivers: Record<Shell, (script: string) => string> = {
  // bash hands a completion function its words taken apart at COMP_WORDBREAKS; compopt works only inside readline, so it is noted here.
  bash: (script) => `source '${script}'
compopt() { COMPREPLY+=("compopt $*"); }
for line in "$@"; do
  COMP_WORDS=()
  rest=$line word='' gap=''
  while [[ -n $rest ]]; do
    sign=\${rest:0:1}
    rest=\${rest:1}
    case $sign in
      ' ') [[ -n $word ]] && COMP_WORDS+=("$word"); word='' gap=1 ;;
      [=:@]) [[ -n $word ]] && COMP_WORDS+=("$word"); COMP_WORDS+=("$sign"); word='' gap='' ;;
      *) word+=$sign gap='' ;;
    esac
  done
  [[ -n $word || -n $gap ]] && COMP_WORDS+=("$word")
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  _kata_sysext
  printf '== %s\\n' "$line"
  [[ \${#COMPREPLY[@]} -gt 0 ]] && printf '%s\\n' "\${COMPREPLY[@]}"
done
exit 0
`,
  fish: (script) => `source '${script}'
for line in $argv
    echo "== $line"
    complete -C $line | string replace -r '\\t.*' ''
end
exit 0
`,
  // A real interactive zsh on a terminal of its own, whose compadd also tells what it is given. The terminal may show again
  // what is typed, so each mark that is waited for is typed in another spelling than it is printed.
  zsh: (script) => `zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PROMPT= ; stty -echo; autoload -Uz compinit; compinit -u -D; source ${script}; print -r -- SOUR""CED'
while zpty -r z out; do [[ $out == *SOURCED* ]] && break; done
zpty -w z '
compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
  typeset -a hits
  builtin compadd -A hits "$@"
  builtin compadd "$@"
  local rc=$? hit
  for hit in $hits; do print -r -- "HI""T $hit"; done
  return $rc
}
done-widget() { print -r -- DO""NE; }
zle -N done-widget
bindkey "^I" complete-word
bindkey "^X" done-widget
bindkey "^U" kill-whole-line
print -r -- REA""DY'
while zpty -r z out; do [[ $out == *READY* ]] && break; done
for line in "$@"; do
  print -r -- "== $line"
  zpty -w -n z "$line"$'\\t'$'\\x18'
  while zpty -r z out; do
    out=\${out//$'\\r'/}
    [[ $out == *DONE* ]] && break
    [[ $out == *HIT\\ * ]] && print -rn -- "\${out##*HIT }"
    [[ $out == *(_kata-sysext|not found|no matches)* ]] && print -u2 -r -- "$out"
  done
  zpty -w -n z $'\\x15'
done
zpty -d z
`,
};

function scriptIn(folder: string, shell: Shell, rows?: Verb[]): string {
  const path = join(folder, shell);
  writeFileSync(path, completionScript(shell, rows));
  return path;
}

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-shell-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
