# Container images from the lab's own tree, as bootc or rpm-ostree take them: a base image of a commit on the disk, what each Containerfile makes of
# it, and the result as a commit of an archive repository. Mounts: run it in a mount namespace of its own.
# usage: image.sh ROOT DISK REF OUT CONTEXT...   (OUT/repo gets a ref lab/NAME for each folder CONTEXT; OUT/NAME.var lists what its /var has)
set -euo pipefail
ROOT=$1 DISK=$2 REF=$3 OUT=$4
shift 4
W=$OUT/work D=$OUT/work/tools
mkdir -p "$W/disk" "$D"
# networks are not needed, and a namespace of the lab's machine may not give any
B() { buildah --root "$W/storage" --runroot "$W/run" --storage-driver vfs "$@"; }
mount -o loop,ro,noload "$DISK" "$W/disk"

# the guest's own ostree, in its own root
mount --bind "$ROOT" "$D"
mount -t tmpfs none "$D/mnt"
mkdir "$D/mnt/disk" "$D/mnt/tree" "$D/mnt/out"
mount --bind "$W/disk" "$D/mnt/disk"
mount --bind "$OUT" "$D/mnt/out"
mount -t proc proc "$D/proc"
mount --bind /dev "$D/dev"
C() { chroot "$D" ostree --repo=/mnt/out/repo "$@"; }

base=$(B from scratch)
tree=$(B mount "$base")
mount --bind "$tree" "$D/mnt/tree"
chroot "$D" ostree --repo=/mnt/disk/ostree/repo checkout --union "$REF" /mnt/tree
umount "$D/mnt/tree"
mv "$tree/usr/etc" "$tree/etc"
B commit --quiet --format oci "$base" localhost/node >/dev/null
B rm "$base" >/dev/null

C init --mode=archive
C config set archive.zlib-level 1
for context in "$@"; do
  name=$(basename "$context")
  B bud --quiet --isolation chroot --layers=false --network host --build-arg BASE=localhost/node --tag "localhost/$name" "$context" >&2
  made=$(B from --pull-never "localhost/$name")
  tree=$(B mount "$made")
  (cd "$tree" && find var run tmp -mindepth 1 | sort) > "$OUT/$name.var"
  # as bootc and rpm-ostree keep it
  mv "$tree/etc" "$tree/usr/etc"
  mount --bind "$tree" "$D/mnt/tree"
  C commit --branch="lab/$name" --selinux-policy=/mnt/tree --subject="$name" /mnt/tree >/dev/null
  umount "$D/mnt/tree"
  B rm "$made" >/dev/null
done
umount -R "$D"
umount "$W/disk"
rm -rf "$W"
