# Three commits of the tree and a disk with the first deployed. Mounts: run it in a mount namespace of its own.
# usage: disk.sh ROOT TREE WORK OUT FILESYSTEM NEWER-ENGINE-BIN NEWER-ENGINE-CONFIG
# The refs: lab/first; lab/second, the same with another VERSION_ID; lab/engine, that with the newer engine and its configuration.
set -euo pipefail
ROOT=$1 T=$2 W=$3 OUT=$4 FS=$5 ENGINE=$6 CONFIG=$7
MNT=$W/mnt D=$W/tools
mkdir -p "$MNT" "$D"
mv "$T/etc" "$T/usr/etc"
mv "$T/var" "$W/var"
mkdir "$T/var"
truncate -s 8G "$OUT/disk.raw"
case $FS in
  ext4) mkfs.ext4 -q -F -L node -m 0 -E lazy_itable_init=0 "$OUT/disk.raw";;
  xfs) mkfs.xfs -q -L node "$OUT/disk.raw";;
esac
mount -o loop "$OUT/disk.raw" "$MNT"

# the guest's own ostree, in its own root
mount --bind "$ROOT" "$D"
mount -t tmpfs none "$D/mnt"
mkdir "$D/mnt/disk" "$D/mnt/tree"
mount --bind "$MNT" "$D/mnt/disk"
mount --bind "$T" "$D/mnt/tree"
mount -t proc proc "$D/proc"
mount --bind /dev "$D/dev"
C() { chroot "$D" "$@"; }
commit() {
  sed -i "s/^VERSION_ID=.*/VERSION_ID=\"$2\"/" "$T/usr/lib/os-release"
  C ostree --repo=/mnt/disk/ostree/repo commit --branch="$1" --selinux-policy=/mnt/tree --link-checkout-speedup \
    --add-metadata-string=version="$2" --subject="$1" /mnt/tree >/dev/null
}
C ostree admin init-fs --modern /mnt/disk
C ostree admin os-init --sysroot=/mnt/disk debian
C ostree --repo=/mnt/disk/ostree/repo config set sysroot.bootloader none
C ostree --repo=/mnt/disk/ostree/repo config set sysroot.readonly true
commit lab/first 13
commit lab/second 13.1
for program in "$ENGINE"/*; do cp --remove-destination "$program" "$T/usr/bin/"; done
cp "$CONFIG" "$T/usr/etc/containerd/config.toml"
commit lab/engine 13.2
C ostree admin deploy --sysroot=/mnt/disk --os=debian --karg=root=/dev/vda --karg=rootflags=rw lab/first

SR=$MNT/ostree/deploy/debian
cp -a "$W/var/." "$SR/var/"
DEPLOYED=$(ls -d "$SR"/deploy/*.0)
# /var by the deployment's policy, rooted at the stateroot, so that paths read /var/...
CONTEXTS=$DEPLOYED/etc/selinux/default/contexts/files/file_contexts
setfiles -F -r "$SR" "$CONTEXTS" "$SR/var"
# ... and what belongs to no deployment: /boot, and the folders above them all
setfiles -F -r "$MNT" "$CONTEXTS" "$MNT/boot"
setfattr -n security.selinux -v system_u:object_r:root_t:s0 "$MNT"
find "$MNT/ostree" -type d \( -path '*/deploy/debian/deploy/*' -o -path '*/deploy/debian/var' \) -prune -o -type d \
  -exec setfattr -n security.selinux -v system_u:object_r:usr_t:s0 {} +
getfattr -h -n security.selinux --only-values "$DEPLOYED/usr/bin/containerd" | grep -q exec_t
umount -R "$D"
umount "$MNT"
