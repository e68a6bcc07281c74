# SELinux enforcing, with nothing hidden: dontaudit rules off. Debian's policy keeps V8 from its JIT (execmem), Fedora's does not.
# With the module that Kata needs under it; the policy without that is kept beside, for specs that load it (spec/support/vm/policies.ts).
# usage: policy.sh TREE MODULE
set -euo pipefail
T=$1 MODULE=$2
sed -i 's/^SELINUX=.*/SELINUX=enforcing/' "$T/etc/selinux/config"
# Fedora's place for the modules: ostree refreshes each deployment's own policy
mv "$T"/var/lib/selinux/default/* "$T/etc/selinux/default/"
echo 'store-root=/etc/selinux' >> "$T/etc/selinux/semanage.conf"
echo 'allow_execmem=1' >> "$T/etc/selinux/default/active/booleans.local"
mount -t proc proc "$T/proc"
chroot "$T" semodule -N -DB
mkdir -p "$T/usr/share/lab"
cp "$T"/etc/selinux/default/policy/policy.* "$T/usr/share/lab/policy-as-it-is"
cp "$MODULE" "$T/tmp/kata-reference.cil"
chroot "$T" semodule -N -D -i /tmp/kata-reference.cil
rm "$T/tmp/kata-reference.cil"
umount "$T/proc"
cp "$T/etc/selinux/default/contexts/lxc_contexts" "$T/usr/share/lab/lxc_contexts-as-it-is"
echo 'kvm_process = "system_u:system_r:container_kvm_t:s0"' >> "$T/etc/selinux/default/contexts/lxc_contexts"

# Fedora's equivalences for the folders that an ostree host keeps below /var, and for /etc as it is shipped (one substitution is all a path gets)
C=$T/etc/selinux/default/contexts/files
for pair in '/usr/etc/systemd/system /usr/lib/systemd/system' '/usr/etc/systemd/user /usr/lib/systemd/user' '/usr/etc/init.d /etc/rc.d/init.d' \
  '/var/home /home' '/var/roothome /root' '/var/usrlocal /usr/local' '/var/opt /opt' '/var/srv /srv' '/var/mnt /mnt' '/usr/etc /etc'; do
  echo "$pair" >> "$C/file_contexts.subs_dist"
done
# ... and the links in their place: sshd_t may not follow a default_t link
for link in /root /home /opt /srv /mnt /media /ostree; do
  printf '%s\t-l\tsystem_u:object_r:root_t:s0\n' $link
done >> "$C/file_contexts.local"
# compiled for the guest's libselinux, over which this machine's stumbles
rm -f "$C"/*.bin
