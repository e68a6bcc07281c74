# unfit WHAT: a merge here would not be the one that was meant, or would touch what others have.
unfit() {
  say "$1; the node runs without Kata. Generate again with --backend prefix; the next try is at the next boot"
  exit 3
}

merged() { grep -qsx 'KATA_SYSEXT_PAYLOAD={{payload}}' {{release}}; }

# Whether systemd can merge our extension, and no other one would come or go with it. After a loss of power the boot may have merged it.
alone() {
  merged && return 0
  systemd=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
  [ "${systemd:-0}" -ge {{least}} ] || unfit "systemd is ${systemd:-of an unknown version} here: before {{least}} a merge may hide mounts below /usr"
  state=$(systemctl show --value --property=LoadState {{service}})
  [ "$state" = loaded ] || unfit "{{service}} is $state here"
  mounted=$(sed -nE 's,^([^ ]+ ){4}(/usr/[^ ]*) .*,\2,p' /proc/self/mountinfo | head -n 1)
  [ -z "$mounted" ] || unfit "$mounted is mounted below /usr, and a merge may lose it"
  for extension in /etc/extensions/* /run/extensions/* /var/lib/extensions/*; do
    [ -e "$extension" ] || [ -L "$extension" ] || continue
    [ "$extension" = {{link}} ] && [ "$(readlink "$extension")" = {{target}} ] && continue
    unfit "$extension is an extension of others"
  done
}

# link TARGET PATH: in one step, since systemd may read its folder at any time.
link() {
  mkdir -p "$(dirname "$2")"
  ln -sfn "$1" {{temporary}}
  mv -T {{temporary}} "$2"
  if command -v restorecon >/dev/null; then restorecon -F "$2" || true; fi
}

# Lets PID 1 merge what is linked: only mounts that it makes itself have the right label. What is merged already stays untouched.
merge() {
  if systemctl is-active --quiet {{service}}; then
    systemctl reload {{service}} || true
  else
    systemctl start {{service}} || true
  fi
}

# show: what is there after the merge counts; where that is not ours, all goes again.
show() {
  before=$(systemctl is-active {{service}} || true)
  kept=$(ls -d {{root}} {{links}} 2>/dev/null || true)
  place {{root}}
  # After a loss of power systemd finds the link before this runs again: what it leads to must be whole then.
  sync
  [ -e {{wants}} ] || [ -L {{wants}} ] || link {{wanted}} {{wants}}
  link {{target}} {{link}}
  merged || merge
  merged && return 0
  rm -f {{link}}
  [ "$(readlink {{wants}})" != {{wanted}} ] || rm -f {{wants}}
  case $before in active) merge ;; *) systemctl stop {{service}} || true ;; esac
  case $kept in *{{root}}*) ;; *) rm -rf {{root}} ;; esac
  case $kept in *{{links}}*) ;; *) rmdir {{links}} || true ;; esac
  rm -f "$stamp.begun"
  unfit "systemd does not have our extension below /usr after the merge (journalctl -u {{service}}), and it was taken away again"
}

