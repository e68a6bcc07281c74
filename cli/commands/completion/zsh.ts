import { generationsFolder, historyFolder, pointer } from '../../store/paths.ts';
import { handlerNames, type Offer, type SurfaceOption, type SurfaceVerb, topOptions } from './surface.ts';

/** For zsh's own completion system. Names from the disk are offered only if they look like a number or a handler's name. */
export function zshScript(surface: SurfaceVerb[], heading: string): string {
  const { short, full } = handlerNames();
  return `#compdef kata-sysext
# ${heading}

# The tree that --root names on this command line; nothing on the live host.
_kata-sysext_root() {
  local at word
  REPLY=''
  for ((at = 1; at < CURRENT; at++)); do
    word=\${(Q)words[at]}
    if [[ $word == --root=* ]]; then
      REPLY=\${word#--root=}
    elif [[ $word == --root ]]; then
      REPLY=\${(Q)words[at+1]}
    fi
  done
  REPLY=\${REPLY/#\\~\\//$HOME/}
  REPLY=\${REPLY%/}
}

# $1: what it is called, $2: a folder of the host, $3: what its names must look like.
_kata-sysext_disk() {
  setopt localoptions extendedglob
  local REPLY
  _kata-sysext_root
  local -a found
  found=("$REPLY$2"/*(N:t:r))
  found=(\${(M)found:#\${~3}})
  [[ $3 == '[0-9]##' ]] && found=(\${found##0#})
  _wanted values expl "$1" compadd -V values -a found
}

_kata-sysext_generation() { _kata-sysext_disk generation ${generationsFolder} '[0-9]##' }
_kata-sysext_change() { _kata-sysext_disk change ${historyFolder} '[0-9]##' }
_kata-sysext_installed-handler() { _kata-sysext_disk handler ${pointer}/config '[a-z0-9-]##' }
_kata-sysext_handler() {
  local -a known
  known=(${short.join(' ')})
  # The long names as well, for a word that begins with k.
  [[ $PREFIX == k* ]] && known+=(${full.join(' ')})
  _wanted values expl handler compadd -a known
}

_kata-sysext() {
  local curcontext=$curcontext state line ret=1
  typeset -A opt_args
  local -a verbs
  verbs=(
${surface.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`).join('\n')}
  )
  _arguments -C ${topOptions.flatMap(({ flags, describe }) => flags.map((flag) => quoted(`(- *)${flag}[${described(describe)}]`))).join(' ')} \\
    ':verb:->verb' '*::word:->word' && ret=0
  case $state in
    verb) _describe -t verbs verb verbs && ret=0 ;;
    word)
      curcontext=\${curcontext%:*:*}:kata-sysext-$words[1]:
      case $words[1] in
${surface.map(verbCase).join('\n')}
      esac
      ;;
  esac
  return ret
}

# Read by compinit from a folder of fpath, or by source.
if [[ $funcstack[1] == _kata-sysext ]]; then
  _kata-sysext "$@"
else
  compdef _kata-sysext kata-sysext
fi
`;
}

function verbCase({ name, options, words, repeats }: SurfaceVerb): string {
  const places = words.map(({ name: word, offer }, index) => {
    const more = repeats && index === words.length - 1;
    return `${more ? '*' : `${index + 1}`}:${described(word)}:${action(offer)}`;
  });
  const specs = [...options.flatMap(optionSpecs), ...places];
  if (specs.length === 0) return `        ${name}) ;;`;
  return `        ${name})\n          _arguments -s ${specs.map((spec) => `\\\n            ${quoted(spec)}`).join(' ')} && ret=0\n          ;;`;
}

function optionSpecs({ flags, describe, value, repeats }: SurfaceOption): string[] {
  return flags.map((flag) => {
    const others = repeats ? '*' : `(${flags.join(' ')})`;
    const sign = value === undefined ? '' : flag.startsWith('--') ? '=' : '+';
    const rest = value === undefined ? '' : `:${described(value.name)}:${action(value.offer)}`;
    return `${others}${flag}${sign}[${described(describe)}]${rest}`;
  });
}

function action(offer: Offer): string {
  if (offer.kind === 'words') return `(${offer.words.join(' ')})`;
  if (offer.kind === 'nothing') return ' ';
  if (offer.kind === 'file') return '_files';
  return offer.kind === 'folder' ? '_files -/' : `_kata-sysext_${offer.kind}`;
}

/** Signs that end a description in a specification of _arguments. */
function described(text: string): string {
  return text.replace(/[\\[\]:]/g, '\\$&');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
