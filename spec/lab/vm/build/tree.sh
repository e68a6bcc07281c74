# A Debian root becomes the tree of an ostree commit in Fedora CoreOS's layout. usage: tree.sh TREE KEY.pub
set -euo pipefail
T=$1 KEY=$2
KVER=$(ls "$T/usr/lib/modules")
M=$T/usr/lib/modules/$KVER

echo node1 > "$T/etc/hostname"
printf '127.0.0.1 localhost node1\n' > "$T/etc/hosts"
: > "$T/etc/resolv.conf"
: > "$T/etc/fstab"
echo 6b6174612d7379736578742d6c6162ff > "$T/etc/machine-id"
chroot "$T" passwd -d root >/dev/null
mkdir -p "$T/etc/systemd/network" "$T/etc/cni/net.d"
printf '[Match]\nName=en* eth*\n[Network]\nAddress=10.0.2.15/24\n' > "$T/etc/systemd/network/10-lab.network"
ln -sf /usr/lib/systemd/system/multi-user.target "$T/etc/systemd/system/default.target"
chroot "$T" systemctl -q enable systemd-networkd ssh containerd auditd systemd-sysext
chroot "$T" systemctl -q mask systemd-network-generator systemd-networkd-wait-online apt-daily.timer apt-daily-upgrade.timer \
  dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap fstrim.timer ldconfig systemd-journal-catalog-update getty@tty1 serial-getty@ttyS0
sed -i 's/^max_log_file_action.*/max_log_file_action = IGNORE/' "$T/etc/audit/auditd.conf"
mkdir -p -m 700 "$T/root/.ssh"
install -m 600 "$KEY" "$T/root/.ssh/authorized_keys"
printf 'PermitRootLogin prohibit-password\nUseDNS no\nPrintMotd no\nPrintLastLog no\nMaxSessions 100\n' > "$T/etc/ssh/sshd_config.d/lab.conf"
cp -a "$LAB_FILES/." "$T/etc/"
# the places that namespace hosts have, on the disk of goods
for name in tools program first second; do
  ln -s "goods/$name" "$T/mnt/$name"
done

cp "$T/boot/vmlinuz-$KVER" "$M/vmlinuz"
rm -rf "$T"/boot/* "$T"/initrd.img* "$T"/vmlinuz*
mkdir -p "$T/sysroot"
ln -s sysroot/ostree "$T/ostree"
mv "$T/usr/local" "$T/var/usrlocal"
ln -s ../var/usrlocal "$T/usr/local"
for folder in opt home srv mnt; do
  rmdir "$T/var/$folder" 2>/dev/null || true
  mv "$T/$folder" "$T/var/$folder"
  ln -s "var/$folder" "$T/$folder"
done
mv "$T/root" "$T/var/roothome"
ln -s var/roothome "$T/root"
rm -rf "$T/media"
ln -s run/media "$T/media"
rm -rf "$T"/dev/* "$T"/run/* "$T"/tmp/* "$T"/var/cache/apt/* "$T"/var/lib/apt/lists/*
