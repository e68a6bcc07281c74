# {{heading}}

_kata_sysext_offer() {
  local each
  for each in "$@"; do
    [[ $each == "$cur"* ]] && COMPREPLY+=("$each")
  done
}

# What lies on the disk: names in a folder of the host, or of the tree that --root names.
_kata_sysext_numbers() {
  local path name
  for path in "$root$1"/[0-9]*; do
    name=${path##*/}
    name=${name%.json}
    [[ $name == *[!0-9]* ]] || _kata_sysext_offer "$((10#$name))"
  done
}

_kata_sysext_installed() {
  local path name
  for path in "$root{{pointer}}/config/"*; do
    name=${path##*/}
    [[ $name == *[!a-z0-9-]* ]] || _kata_sysext_offer "$name"
  done
}

_kata_sysext_take() {
  case $1 in
    file) compopt -o default 2>/dev/null ;;
    folder) compopt -o dirnames 2>/dev/null ;;
    generation) _kata_sysext_numbers {{generations}} ;;
    change) _kata_sysext_numbers {{history}} ;;
    installed-handler) _kata_sysext_installed ;;
    handler)
      _kata_sysext_offer {{short}}
      # The long names as well, for a word that begins with k.
      [[ $cur == k* ]] && _kata_sysext_offer {{full}}
      ;;
  esac
}

# $1: verb and option, or verb and place of the word.
_kata_sysext_at() {
  case $1 in
{{places}}
  esac
}

_kata_sysext() {
  local cur=${COMP_WORDS[COMP_CWORD]} verb='' want='' root='' used=' ' word place=0 skip='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == [=:@] ]]; then
      # bash takes a word apart at these signs.
      [[ -n $want ]] || skip=1
    elif [[ -n $skip ]]; then
      skip=''
    elif [[ -n $want ]]; then
      [[ $want == --root ]] && root=${word/#\~\//"$HOME/"} && root=${root//\\/} && root=${root%/}
      want=''
    elif [[ $word == -* ]]; then
      used+="$word "
      case "$verb $word" in
        {{valued}}) want=$word ;;
      esac
    elif [[ -z $verb ]]; then
      verb=$word
    else
      place=$((place + 1))
    fi
  done
  [[ $cur == = ]] && cur=''
  if [[ -n $skip || $cur == [:@] ]]; then
    return 0
  elif [[ -n $want ]]; then
    _kata_sysext_at "$verb $want"
  elif [[ $cur == -* ]]; then
    local flag
    for flag in $(_kata_sysext_flags "$verb"); do
      [[ $used == *" $flag "* && ${flag} != @({{repeating}}) ]] || _kata_sysext_offer "$flag"
    done
  elif [[ -z $verb ]]; then
    _kata_sysext_offer {{verbs}}
  else
    _kata_sysext_at "$verb $place"
  fi
  return 0
}

_kata_sysext_flags() {
  case $1 in
{{flags}}
    '') echo {{topFlags}} ;;
  esac
}

complete -F _kata_sysext kata-sysext
