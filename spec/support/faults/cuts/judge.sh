#!/bin/sh
# The judge of a host after a cut: it runs inside the mounted host, and knows nothing of our program but where its files are.
#   judge.sh bootable [FILE]   says what would be wrong if the host booted now, without our program; FILE has the payloads that may be active
#   judge.sh active            the active generation's number and a digest over the files of its payload
#   judge.sh open              the changes that are open
#   judge.sh state             the host as far as we have to do with it, as text: the same text is the same state
set -u
pointer=/etc/kata-sysext/current

active() {
  target=$(readlink $pointer) || { echo none; return; }
  [ -f "$target/manifest.json" ] && [ -d "$target/payload/" ] || { echo "$target is no generation"; return; }
  echo "${target##*/} $(cd "$target/payload/" && find . -type f -exec sha256sum {} + | sort | sha256sum | cut -c 1-64)"
}

# what the engine names of ours: where an extension or an overlay shows it below /usr, the files behind it count
there() {
  case $1 in
    /usr/share/kata/*)
      for shown in /etc/extensions/kata /etc/kata-sysext/overlay/..; do [ -e "$1" ] || [ -e "$shown$1" ] && return 0; done
      [ -e "/etc/kata-sysext/overlay${1#/usr}" ] || [ -f "$(readlink -f /etc/extensions/kata.raw)" ] ;;
    *) [ -e "$1" ] ;;
  esac
}

bootable() {
  dump=$(containerd config dump 2>&1) || { echo "the engine does not take its configuration: $dump"; return; }
  echo "$dump" | grep -q 'runtimes\.runc\]' || echo "runc is no runtime of the engine"
  runc --version > /dev/null || echo "there is no runc"
  for path in $(echo "$dump" | sed -n 's/^ *\(runtime_path\|ConfigPath\) = "\(.*kata.*\)"$/\2/p'); do
    there "$path" || echo "the engine names $path, which is not there"
  done
  now=$(active)
  case $now in none) ;; *) [ ! -s "${1:-}" ] || grep -qxF "$now" "$1" || echo "the active generation is not whole: $now" ;; esac
}

# /etc for all its files; of our own state what a loss of power may not change: not the story, not the lock, not what a boot counts
places() {
  find /etc /var/usrlocal /var/lib/kata-sysext \
    \( -path /var/lib/kata-sysext/history -o -path /var/lib/kata-sysext/lock -o -path '/etc/systemd/system/kata-sysext-*.service.d' \
    -o -path /etc/resolv.conf -o -path /etc/.updated -o -path /etc/ld.so.cache -o -path /etc/machine-id -o -path /etc/lvm/devices \) -prune -o "$@"
}

state() {
  grep ^VERSION_ID= /etc/os-release
  echo "engine $(containerd config dump | sha256sum)"
  places ! -path /var/lib/kata-sysext -printf '%p %y %m %U:%G %l\n' | sort
  places -type f ! -path '*/generations/*/record.json' ! -path /var/lib/kata-sysext/folders.json -exec sha256sum {} + | sort -k 2
  for record in /var/lib/kata-sysext/folders.json /var/lib/kata-sysext/generations/*/record.json; do
    [ ! -f "$record" ] || printf 'record %s %s\n' "$record" "$(tr -d '\n' < "$record")"
  done
}

open() {
  ls /var/lib/kata-sysext/journal 2> /dev/null
}

"$@"
