# unfit WHAT: a merge here would not be the one that was meant, or would touch what others have.
unfit() {
  say "$1; nothing was changed, the node runs without Kata. Generate again with --backend prefix; the next try is at the next boot"
  exit 3
}

# Whether systemd can merge our extension, and no other one would come or go with it.
alone() {
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

# Lets PID 1 merge what is linked: only mounts that it makes itself have the right label.
merge() {
  if systemctl is-active --quiet {{service}}; then
    systemctl reload {{service}} || true
  else
    systemctl start {{service}} || true
  fi
}

# show: what is there after the merge counts; where that is not ours, all goes again.
show() {
  enabled=
  fresh=
  before=$(systemctl is-active {{service}} || true)
  [ -e {{root}} ] || fresh=1
  place {{root}}
  # After a loss of power systemd finds the link before this runs again: what it leads to must be whole then.
  sync
  if [ ! -e {{wants}} ] && [ ! -L {{wants}} ]; then
    link {{wanted}} {{wants}}
    enabled=1
  fi
  link {{target}} {{link}}
  merge
  grep -qsx 'KATA_SYSEXT_PAYLOAD={{payload}}' {{release}} && return 0
  rm -f {{link}} "$stamp.begun"
  [ -z "$enabled" ] || rm -f {{wants}}
  rmdir {{links}} 2>/dev/null || true
  case $before in active) merge ;; *) systemctl stop {{service}} || true ;; esac
  [ -z "$fresh" ] || rm -rf {{root}}
  unfit "systemd does not have our extension below /usr after the merge (journalctl -u {{service}})"
}

