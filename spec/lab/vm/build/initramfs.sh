# The initramfs of a tree, kept where ostree looks for it. usage: initramfs.sh TREE WORK
set -euo pipefail
T=$1 I=$2/initramfs
KVER=$(ls "$T/usr/lib/modules")
M=$T/usr/lib/modules/$KVER
mkdir -p "$I"/{bin,dev,proc,sys,run,sysroot,lib,etc,usr/lib/ostree}
ln -s lib "$I/lib64"
cp "$T/usr/bin/busybox" "$I/bin/busybox"
for name in virtio_blk overlay erofs ext4 xfs; do
  chroot "$T" modprobe -S "$KVER" --show-depends "$name" | sed -n 's/^insmod //p'
done | awk '!seen[$1]++ {print $1}' | while read -r file; do
  module=$(basename "$file" .xz)
  case $file in *.xz) xz -dc "$T$file" > "$I/lib/$module";; *) cp "$T$file" "$I/lib/$module";; esac
  echo "$module" >> "$I/lib/order"
done
cp "$T/usr/lib/ostree/ostree-prepare-root" "$I/usr/lib/ostree/"
chroot "$T" ldd /usr/lib/ostree/ostree-prepare-root | grep -oE '/[^ ]+\.so[^ ]*' | sort -u | while read -r library; do
  cp -L "$T$library" "$I/lib/"
done
install -m 755 "$(dirname "$0")/init" "$I/init"
(cd "$I" && find . | sort | cpio -o -H newc --quiet | zstd -q -3) > "$M/initramfs.img"
