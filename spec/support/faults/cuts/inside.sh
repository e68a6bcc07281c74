#!/bin/sh
# A deployment of a mounted disk, as a process of the booted host would see it: inside.sh ROOT PROGRAM SCRIPT [WORDS...]
# Runs in namespaces of its own (mounts, processes), so that nothing of it stays. PROGRAM comes to /run/kata-sysext-program, JUDGE's folder
# to /run/judge. What stands in for a boot: the kernel's command line is that of the boot loader's newest entry.
set -eu
root=$1 program=$2 script=$3
shift 3
here=$(dirname "$0")
options() {
  for entry in "$root"/sysroot/boot/loader/entries/*; do
    echo "$(sed -n 's/^version //p' "$entry") $(sed -n 's/^options //p' "$entry")"
  done | sort -rn | head -n 1 | cut -d ' ' -f 2-
}
line=$(options)
# as ostree has it, the root is a mount of its own, and so is /etc
mount --rbind "$root" "$root"
mount --bind "$root/etc" "$root/etc"
mount -t proc proc "$root/proc"
mount -t tmpfs run "$root/run"
mount -t tmpfs tmp "$root/tmp"
mount --rbind /dev "$root/dev"
mount --bind "$root/usr" "$root/usr"
mount -o remount,ro,bind "$root/usr"
: > "$root/run/ostree-booted"
echo "$line" > "$root/run/cmdline"
mount --bind "$root/run/cmdline" "$root/proc/cmdline"
mkdir "$root/run/judge"
cp "$here/judge.sh" "$root/run/judge/"
: > "$root/run/kata-sysext-program"
mount --bind "$program" "$root/run/kata-sysext-program"
exec chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root /bin/sh -c "$script" sh "$@"
