/*
 * Part of the lab's stand-in shim (see standin.c), in use where the engine's environment has LAB_SHIM_VMM=kvm or =tcg: what Kata's shim
 * does to the host. Folders and mounts below /run, and the installed virtiofsd and hypervisor of the installed configuration, both under
 * the label that the engine gave the sandbox.
 */
#define _GNU_SOURCE
#include "standin.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { QMP_TRIES = 3000, GONE_TRIES = 200, TRY_US = 100000 };

/* The sandbox whose machine this process is making: what `fail` has to take away. */
static const char *making;

/* The cgroup of what is launched for it; NULL where the engine asks for none. */
static const char *cgroup;

const char *accelerator(void) {
  const char *named = getenv("LAB_SHIM_VMM");
  return named && *named ? named : NULL;
}

char *text(const char *format, ...) {
  char *made;
  va_list rest;
  va_start(rest, format);
  if (vasprintf(&made, format, rest) < 0) abort();
  va_end(rest);
  return made;
}

void fail(const char *format, ...) {
  va_list rest;
  va_start(rest, format);
  vfprintf(stderr, format, rest);
  va_end(rest);
  fputc('\n', stderr);
  if (making) vmm_stop(making);
  exit(1);
}

char *in_vm(const char *id, const char *file) { return text("/run/vc/vm/%s/%s", id, file); }

static char *in_sbs(const char *id, const char *file) { return text("/run/vc/sbs/%s/%s", id, file); }

static char *share(const char *id, const char *file) { return text("/run/kata-containers/shared/sandboxes/%s/%s", id, file); }

/* The Go shim has mounts/ and shared/, the Rust one rw/ and ro/: the second is the first again, read-only, for virtiofsd. */
static char *writable(const char *id) { return share(id, strcmp(FLAVOUR, "Rust") ? "mounts" : "rw"); }
static char *readable(const char *id) { return share(id, strcmp(FLAVOUR, "Rust") ? "shared" : "ro"); }

static void folders(const char *path) {
  char *copy = text("%s", path);
  for (char *at = copy + 1; (at = strchr(at, '/')); *at++ = '/') {
    *at = 0;
    mkdir(copy, 0750);
  }
  if (mkdir(copy, 0750) && errno != EEXIST) fail("stand-in shim: mkdir %s: %s", path, strerror(errno));
  free(copy);
}

static void bind_at(const char *from, const char *onto, unsigned long more, unsigned long propagation) {
  folders(onto);
  if (mount(from, onto, NULL, MS_BIND, NULL)) fail("stand-in shim: bind %s at %s: %s", from, onto, strerror(errno));
  if (mount(NULL, onto, NULL, propagation, NULL)) fail("stand-in shim: propagation of %s: %s", onto, strerror(errno));
  if (more && mount(NULL, onto, NULL, MS_REMOUNT | MS_BIND | more, NULL)) fail("stand-in shim: remount %s: %s", onto, strerror(errno));
}

static void append(const char *path, const char *line) {
  FILE *file = fopen(path, "ae");
  if (!file || fputs(line, file) < 0 || fclose(file)) fail("stand-in shim: %s: %s", path, strerror(errno));
}

/* A folder of cgroups whose groups count memory, where the tree has that controller. */
static void counting(const char *folder) {
  char *control = text("%s/cgroup.subtree_control", folder);
  mkdir(folder, 0755);
  int fd = open(control, O_WRONLY | O_CLOEXEC);
  /* a tree without it has none to give */
  ssize_t given = fd < 0 ? 0 : write(fd, "+memory", 7);
  if (fd >= 0) close(fd);
  (void)given;
  free(control);
}

/*
 * The machine's cgroup, beside that of the pod's containers, which are runc's here: Kata's shim has all in one, with sandbox_cgroup_only.
 * Only in the unified tree, and where the engine names a path (systemd's form is SLICE:PREFIX:NAME).
 */
static void make_cgroup(const char *id, const char *path) {
  static const char tree[] = "/sys/fs/cgroup";
  if (*path != '/' || access("/sys/fs/cgroup/cgroup.controllers", F_OK)) return;
  for (const char *at = path; at; at = strchr(at + 1, '/')) {
    char *folder = text("%s%.*s", tree, (int)(at - path), path);
    counting(folder);
    free(folder);
  }
  cgroup = text("%s%.*s/kata_%s", tree, (int)(strrchr(path, '/') - path), path, id);
  if (mkdir(cgroup, 0755) && errno != EEXIST) fail("stand-in shim: mkdir %s: %s", cgroup, strerror(errno));
  append(in_sbs(id, "cgroup"), cgroup);
}

/* This process, and what it starts, goes there; 0 where it may not. */
static int enter_cgroup(void) {
  char *processes = text("%s/cgroup.procs", cgroup ? cgroup : "");
  int fd = cgroup ? open(processes, O_WRONLY | O_CLOEXEC) : -1;
  return !cgroup || (fd >= 0 && write(fd, "0", 1) == 1);
}

static void remove_cgroup(const char *id) {
  char path[4096] = "";
  FILE *file = fopen(in_sbs(id, "cgroup"), "re");
  if (!file) return;
  if (fgets(path, sizeof path, file)) rmdir(path);
  fclose(file);
}

int launch(const char *id, const char *label, char **argv) {
  int error[2], said[2], number;
  if (pipe2(error, O_CLOEXEC) || pipe2(said, O_CLOEXEC)) fail("stand-in shim: pipe: %s", strerror(errno));
  pid_t pid = fork();
  if (pid == 0) {
    setsid();
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(said[1], 2);
    int label_fd = *label ? open("/proc/thread-self/attr/exec", O_WRONLY | O_CLOEXEC) : -1;
    if (enter_cgroup() && (!*label || (label_fd >= 0 && write(label_fd, label, strlen(label)) == (ssize_t)strlen(label)))) execv(argv[0], argv);
    number = errno;
    _exit(write(error[1], &number, sizeof number) < 0 ? 126 : 127);
  }
  close(error[1]);
  close(said[1]);
  /* in the words of Go's os/exec, which both of Kata's shims come near */
  if (read(error[0], &number, sizeof number) == sizeof number) fail("stand-in shim: fork/exec %s: %s", argv[0], strerror(number));
  close(error[0]);
  char *line = text("%d\n", pid);
  append(in_sbs(id, "pids"), line);
  free(line);
  return said[0];
}

/* virtiofsd of QEMU 7.2, which the sample release has: its options are older than those of Kata's. */
static int start_virtiofsd(const char *id, const struct configuration *configuration) {
  int listener = listen_at(in_vm(id, "vhost-fs.sock"));
  if (listener < 0) fail("stand-in shim: somebody listens at %s", in_vm(id, "vhost-fs.sock"));
  char *argv[] = {text("%s", configuration->virtiofsd), "--syslog", "-o", "cache=auto", "-o", text("source=%s", readable(id)), text("--fd=%d", listener), NULL};
  int said = launch(id, configuration->label, argv);
  close(listener);
  return said;
}

static char *words(int said) {
  char bytes[2048];
  struct pollfd one = {.fd = said, .events = POLLIN};
  ssize_t size = poll(&one, 1, 2000) == 1 ? read(said, bytes, sizeof bytes - 1) : 0;
  return text("%.*s", (int)(size > 0 ? size : 0), bytes);
}

/* Whether the other end has no writer any more: the program has ended. */
static int ended(int said) {
  struct pollfd one = {.fd = said};
  return poll(&one, 1, 0) == 1 && one.revents & POLLHUP;
}

/* One command of the machine protocol; 0 where nobody answers it: the greeting comes before the machine is made. */
static int qmp(const char *id, const char *command) {
  char bytes[8192];
  int fd = dial(in_vm(id, "qmp.sock"));
  if (fd < 0) return 0;
  char *all = text("{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"%s\"}\n", command);
  int asked = 0, wanted = 3;
  struct pollfd one = {.fd = fd, .events = POLLIN};
  /* the greeting, and two answers */
  while (wanted > 0 && poll(&one, 1, QMP_TRIES * 10) == 1) {
    ssize_t got = read(fd, bytes, sizeof bytes);
    if (got <= 0) break;
    if (!asked && write(fd, all, strlen(all)) < 0) break;
    asked = 1;
    for (ssize_t n = 0; n < got; n++) wanted -= bytes[n] == '\n';
  }
  close(fd);
  free(all);
  return wanted <= 0;
}

void vmm_start(const char *id) {
  struct configuration configuration;
  read_configuration(&configuration);
  if (!configuration.sandbox) return;
  making = id;
  folders(in_sbs(id, ""));
  folders(in_vm(id, ""));
  append(in_sbs(id, "persist.json"), "{}\n");
  make_cgroup(id, configuration.cgroup);
  folders(writable(id));
  bind_at(writable(id), readable(id), MS_RDONLY, MS_SLAVE);
  bind_at("rootfs", text("%s/%s/rootfs", writable(id), id), 0, MS_PRIVATE);
  int daemon = start_virtiofsd(id, &configuration), machine = start_hypervisor(id, &configuration);
  for (int tries = 0; !qmp(id, "query-status"); tries++) {
    /* each ends when the other does: the one that says why is the one to ask */
    if (ended(daemon) || ended(machine) || tries == QMP_TRIES)
      fail("stand-in shim: no virtual machine: hypervisor: %s virtiofsd: %s", words(machine), words(daemon));
    usleep(TRY_US);
  }
  close(daemon);
  close(machine);
  making = NULL;
}

static void end_processes(const char *id) {
  int pid;
  FILE *file = fopen(in_sbs(id, "pids"), "re");
  while (file && fscanf(file, "%d", &pid) == 1) {
    for (int tries = 0; kill(pid, tries < GONE_TRIES ? 0 : SIGKILL) == 0 && tries < 2 * GONE_TRIES; tries++) {
      waitpid(pid, NULL, WNOHANG);
      usleep(TRY_US / 10);
    }
  }
  if (file) fclose(file);
}

static void remove_folder(const char *folder, const char *const *files) {
  for (; *files; files++) {
    char *path = text("%s/%s", folder, *files);
    if (unlink(path)) rmdir(path);
    free(path);
  }
  rmdir(folder);
}

void vmm_stop(const char *id) {
  making = NULL;
  if (access(in_sbs(id, ""), F_OK)) return;
  qmp(id, "quit");
  end_processes(id);
  remove_cgroup(id);
  char *rootfs = text("%s/%s/rootfs", writable(id), id);
  umount2(rootfs, MNT_DETACH);
  umount2(readable(id), MNT_DETACH);
  rmdir(rootfs);
  remove_folder(text("%s/%s", writable(id), id), (const char *[]){NULL});
  remove_folder(share(id, ""), (const char *[]){"mounts", "shared", "rw", "ro", NULL});
  remove_folder(in_vm(id, ""), (const char *[]){"vhost-fs.sock", "qmp.sock", "console.sock", "pid", NULL});
  remove_folder(in_sbs(id, ""), (const char *[]){"persist.json", "pids", "cgroup", NULL});
}
