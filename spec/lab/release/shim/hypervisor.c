/*
 * Part of the lab's stand-in shim (see standin.c): the hypervisor as Kata starts it, and the devices that Kata opens for it. What the
 * guest would do is left out: it is made whole and stays paused.
 */
#define _GNU_SOURCE
#include "standin.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <linux/vm_sockets.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MEMORY_MB = 256, MAX_WORDS = 96, AGENT_PORT = 1024 };

/* Opened here and inherited by the hypervisor, as Kata does. Under tcg a host may lack it. */
static int device(const char *path) {
  int fd = open(path, O_RDWR);
  if (fd < 0 && (errno != ENOENT || !strcmp(accelerator(), "kvm"))) fail("stand-in shim: open %s: %s", path, strerror(errno));
  return fd;
}

/* A context identifier that no other guest has: taken on the device itself. */
static unsigned context_id(int vsock) {
  unsigned long long cid = 3 + (unsigned)time(NULL) % 100000 + (unsigned)getpid();
  for (int tries = 0; vsock >= 0 && ioctl(vsock, VHOST_VSOCK_SET_GUEST_CID, &cid); cid++)
    if (errno != EADDRINUSE || ++tries > 1000) fail("stand-in shim: guest CID %llu: %s", cid, strerror(errno));
  return (unsigned)cid;
}

/* A tap, in a network of its own: the lab's pods are in the host's, where nobody else should see it. */
static int tap(void) {
  int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (here < 0 || unshare(CLONE_NEWNET)) fail("stand-in shim: a network: %s", strerror(errno));
  int fd = device("/dev/net/tun");
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
  strcpy(request.ifr_name, "tap0_kata");
  if (fd >= 0 && ioctl(fd, TUNSETIFF, &request)) fail("stand-in shim: a tap: %s", strerror(errno));
  if (setns(here, CLONE_NEWNET)) fail("stand-in shim: back to the network: %s", strerror(errno));
  close(here);
  return fd;
}

/* The guest is paused: that the socket is made and connects is what the host has to allow. */
static void greet_agent(unsigned cid) {
  struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = AGENT_PORT};
  int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) fail("stand-in shim: a vsock: %s", strerror(errno));
  if (connect(fd, (struct sockaddr *)&address, sizeof address) && (errno == EACCES || errno == EPERM))
    fail("stand-in shim: connect to the agent: %s", strerror(errno));
  close(fd);
}

int start_hypervisor(const char *id, const struct configuration *configuration) {
  char *argv[MAX_WORDS] = {text("%s", configuration->path)};
  int used = 1, kvm = !strcmp(accelerator(), "kvm");
  int vsock = device("/dev/vhost-vsock"), network = tap(), net = network < 0 ? -1 : device("/dev/vhost-net");
  unsigned cid = context_id(vsock);
#define option(key, ...) (argv[used++] = text("-" key), argv[used++] = text(__VA_ARGS__))
  option("name", "sandbox-%s", id);
  option("machine", "q35,accel=%s", accelerator());
  option("cpu", "%s", kvm ? "host,pmu=off" : "qemu64");
  option("m", "%dM", MEMORY_MB);
  option("object", "memory-backend-file,id=dimm1,size=%dM,mem-path=/dev/shm,share=on", MEMORY_MB);
  option("numa", "node,memdev=dimm1");
  option("qmp", "unix:%s,server=on,wait=off", in_vm(id, "qmp.sock"));
  option("pidfile", "%s", in_vm(id, "pid"));
  option("device", "virtio-serial-pci,id=serial0");
  option("chardev", "socket,id=charconsole0,path=%s,server=on,wait=off", in_vm(id, "console.sock"));
  option("device", "virtconsole,chardev=charconsole0,id=console0");
  option("object", "rng-random,id=rng0,filename=/dev/urandom");
  option("device", "virtio-rng-pci,rng=rng0");
  option("chardev", "socket,id=char0,path=%s", in_vm(id, "vhost-fs.sock"));
  option("device", "vhost-user-fs-pci,chardev=char0,tag=kataShared,queue-size=1024");
  if (vsock >= 0) option("device", "vhost-vsock-pci,vhostfd=%d,id=vsock0,guest-cid=%u", vsock, cid);
  if (network >= 0) {
    if (net >= 0) option("netdev", "tap,id=network0,fd=%d,vhost=on,vhostfd=%d", network, net);
    else option("netdev", "tap,id=network0,fd=%d", network);
    option("device", "virtio-net-pci,netdev=network0");
  }
  option("kernel", "%s", configuration->kernel);
  if (*configuration->initrd) option("initrd", "%s", configuration->initrd);
  else {
    option("drive", "if=none,id=image,format=raw,readonly=on,file=%s", configuration->image);
    option("device", "virtio-blk-pci,drive=image");
  }
  option("append", "console=hvc0 panic=1");
  option("vga", "none");
  option("display", "none");
  for (char **last = (char *[]){"-nodefaults", "-no-user-config", "--no-reboot", "-S", NULL}; *last; last++) argv[used++] = *last;
  int said = launch(id, configuration->label, argv);
  for (int *fd = (int[]){vsock, network, net, -2}; *fd > -2; fd++)
    if (*fd >= 0) close(*fd);
  if (vsock >= 0) greet_agent(cid);
  return said;
}
