#!/bin/sh
# Installs on the hosts of a file, one after the other, by ssh and scp alone. The first host that fails ends it.
#   ./each-node.sh hosts.txt kata-4.2.0.bundle [OPTION OF kata-sysext install]...
# A login that is not root needs sudo without a password.
set -eu
hosts=$1 bundle=$2
shift 2
digest=$(sha256sum "$bundle" | cut -d ' ' -f 1)
# Only root can write here, so no other user can replace what root runs.
folder=/var/lib/kata-fleet
as_root='if [ "$(id -u)" = 0 ]; then exec sh -s "$HOME"; else exec sudo -n sh -s "$HOME"; fi'

# Each word as one word for the shell of the node.
options=
for word in "$@"; do
  options="$options '$(printf %s "$word" | sed "s/'/'\\\\''/g")'"
done

each() {
  status=0
  ssh "$1" "$as_root" <<SCRIPT || status=$?
mkdir -p -m 700 $folder && [ "\$(stat -c %u:%a $folder)" = 0:700 ] || { echo "$folder is not of root alone" >&2; exit 2; }
cd $folder && echo '$digest  $digest' | sha256sum -c --status
SCRIPT
  case $status in
  0) ;;
  1) scp -q "$bundle" "$1:$digest" ;;
  *) return "$status" ;;
  esac
  # A copy is taken: whoever has the file of the login open could write to it later.
  ssh "$1" "$as_root" <<SCRIPT
set -e
cd $folder
if ! echo '$digest  $digest' | sha256sum -c --status 2>/dev/null; then
  [ ! -L "\$1/$digest" ]
  cp "\$1/$digest" .new
  echo '$digest  .new' | sha256sum -c --status
  mv .new $digest
  rm -f "\$1/$digest"
fi
tar -xf $digest kata-sysext
./kata-sysext install $digest --digest sha256:$digest --wait 600 --progress plain $options
for old in *; do case \$old in kata-sysext | $digest) ;; *) rm -f -- "\$old" ;; esac; done
SCRIPT
  ssh "$1" "$as_root" >"status/$1.json" <<SCRIPT
$folder/kata-sysext status --json
SCRIPT
}

mkdir -p status
while read -r host <&3 || [ -n "$host" ]; do
  case $host in '' | '#'*) continue ;; esac
  echo "$host:"
  # Not in a condition, where the shell would go on after a command that failed.
  trap 'echo "$host failed; the hosts after it were not touched" >&2' EXIT
  each "$host"
  trap - EXIT
done 3<"$hosts"
