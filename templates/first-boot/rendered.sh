#!/bin/sh
# {{title}}
# Runs at boot until it has worked once: {{unit}}. All was put together before, on another machine: this
# fetches, verifies and copies, and needs no program of kata-sysext.
set -eu
umask 022

work={{work}}
stamp={{stamp}}

{{fetch}}
{{like}}{{merge}}# place PATH: copies it from the archive, with the label of its place where SELinux is on.
place() {
  mkdir -p "$(dirname "$1")"
  cp -a "$work/new$1" "$(dirname "$1")/"
  if command -v restorecon >/dev/null; then restorecon -RF "$1" || true; fi
}

mkdir -p "$work" "$(dirname "$stamp")"
if [ -L {{pointer}} ] && [ ! -e "$stamp.begun" ]; then
  say "Kata is installed here already and stays as it is; kata-sysext install upgrades it"
  : >"$stamp"
  exit 0
fi
{{check}}{{fetches}}
rm -rf "$work/new"
mkdir "$work/new"
tar -xzf "$work/{{archive}}" -C "$work/new"
{{image}}{{check}}: >"$stamp.begun"
# First the files, then the pointer, the wiring last: the engine never names what is not there.
{{places}}
sync
if systemctl is-active --quiet {{engine}}; then
  # It came up without Kata, because the archive could not be had in time.
  systemctl --no-block restart {{engine}}
fi
: >"$stamp"
rm -rf "$work" "$stamp.begun"
say "Kata Containers is in place"
