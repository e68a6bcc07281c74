/** Debian 13's policy as it is, for containerd that sets labels and Kata's QEMU with its Rust shim; with the Go shim one more. */
export const missingOnDebian: string[] = [
  'allow container_t bin_t:file entrypoint;',
  'allow container_t kvm_device_t:chr_file { open read write ioctl };',
  'allow container_t tun_tap_device_t:chr_file { read write ioctl };',
  'allow container_t usr_t:file map;',
  'allow container_t vhost_device_t:chr_file { read write ioctl };',
  'allow dockerd_t kvm_device_t:chr_file { open read write ioctl };',
  'allow dockerd_t self:tun_socket create;',
  'allow dockerd_t self:vsock_socket { create connect read write };',
  'allow dockerd_t vhost_device_t:chr_file { open read write ioctl };',
];

export const missingForGo = 'allow container_t dockerd_t:unix_stream_socket { accept connectto read write };';
