/*
 * THE LAB'S STAND-IN FOR KATA'S SHIM. No process of a pod runs in a virtual machine of it.
 *
 * Debian has no Kata shim, and containerd's runc shim refuses the options that Kata's wiring hands over (ConfigPath, as
 * runtimeoptions.v1.Options). This program takes the place of containerd-shim-kata-v2 in the sample release: it starts the host's
 * own containerd-shim-runc-v2, stays as the process that containerd talks to, forwards every ttrpc frame, and takes the field
 * `options` out of Task.Create. Handlers, paths, restarts, upgrades and rollbacks are real with it; isolation is runc's.
 * With LAB_SHIM_VMM in the engine's environment it does to the host what Kata's does besides: see vmm.c.
 */
#define _GNU_SOURCE
#include "standin.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A release may bring a runc shim of its own behind this program's bytes: then follow its length (8 bytes, little-endian) and a mark.
 * It runs from a file below /run, because it starts itself anew by its own path.
 */
static const char *carried_shim(void) {
  static char path[] = "/run/lab-shims/" VERSION "/containerd-shim-runc-v2";
  char mark[8], temporary[sizeof path + 32];
  uint64_t size;
  int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  off_t end = self < 0 ? -1 : lseek(self, -16, SEEK_END);
  if (end < 0 || read(self, &size, 8) != 8 || read(self, mark, 8) != 8 || memcmp(mark, "LABSHIM1", 8)) return close(self), NULL;
  if (access(path, X_OK) == 0) return close(self), path;
  mkdir("/run/lab-shims", 0755);
  mkdir("/run/lab-shims/" VERSION, 0755);
  snprintf(temporary, sizeof temporary, "%s.%d", path, getpid());
  int copy = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  lseek(self, end - (off_t)size, SEEK_SET);
  for (uint64_t left = size; left > 0;) {
    ssize_t sent = sendfile(copy, self, NULL, left);
    if (sent <= 0) fail("stand-in shim: %s: %s", temporary, strerror(errno));
    left -= (uint64_t)sent;
  }
  close(copy);
  close(self);
  if (rename(temporary, path)) fail("stand-in shim: %s: %s", path, strerror(errno));
  return path;
}

static const char *runc_shim(void) {
  static const char *const places[] = {"/usr/bin/containerd-shim-runc-v2", "/usr/local/bin/containerd-shim-runc-v2"};
  const char *named = getenv("LAB_RUNC_SHIM");
  if (named) return named;
  const char *carried = carried_shim();
  if (carried) return carried;
  for (size_t n = 0; n < sizeof places / sizeof *places; n++)
    if (access(places[n], X_OK) == 0) return places[n];
  fail("stand-in shim: no containerd-shim-runc-v2 on this host");
}

/* What follows the word in the arguments; '' without it. */
static const char *word_after(char **argv, const char *word) {
  for (int n = 1; argv[n] && argv[n + 1]; n++)
    if (!strcmp(argv[n], word)) return argv[n + 1];
  return "";
}

/* Runs the runc shim's own `start` and gives what it printed: an address, or (containerd 2) JSON that holds one. */
static void start_runc_shim(char **argv, char *answer, size_t size) {
  int out[2];
  /* closed on exec: the daemon that the runc shim leaves behind must not hold our end open */
  if (pipe2(out, O_CLOEXEC)) fail("pipe: %s", strerror(errno));
  pid_t child = fork();
  if (child < 0) fail("fork: %s", strerror(errno));
  if (child == 0) {
    /* its standard input would carry Kata's options */
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out[1], 1);
    execv(runc_shim(), argv);
    _exit(127);
  }
  close(out[1]);
  size_t have = 0;
  ssize_t got;
  while (have < size - 1 && (got = read(out[0], answer + have, size - 1 - have)) > 0) have += (size_t)got;
  answer[have] = 0;
  int status;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status)) fail("stand-in shim: the runc shim's start ended with status %d: %s", status, answer);
}

/* The proxy is this very file, run anew: its /proc/PID/exe and command line are those of a shim at work. */
static void start_proxy(char **argv, const char *real, const char *own) {
  int listener = listen_at(own);
  if (listener < 0) return; /* another container of the same sandbox has one already */
  if (fork() != 0) return;
  setsid();
  char number[16];
  snprintf(number, sizeof number, "%d", listener);
  setenv("LAB_SHIM_LISTENER", number, 1);
  setenv("LAB_SHIM_REAL", real, 1);
  setenv("LAB_SHIM_OWN", own, 1);
  if (accelerator()) setenv("LAB_SHIM_SANDBOX", word_after(argv, "-id"), 1);
  int null = open("/dev/null", O_RDWR);
  for (int n = 0; n < 3; n++) dup2(null, n);
  int last = 0;
  while (argv[last]) last++;
  argv[last - 1] = NULL; /* the verb `start` */
  execv("/proc/self/exe", argv);
  _exit(127);
}

static void write_address(const char *own) {
  FILE *file = fopen("address", "w");
  if (!file) return;
  fprintf(file, "unix://%s", own);
  fclose(file);
}

static void start(char **argv) {
  char answer[4096], real[PATH_MAX], own[PATH_MAX + 8];
  if (accelerator()) vmm_start(word_after(argv, "-id"));
  start_runc_shim(argv, answer, sizeof answer);
  char *at = strstr(answer, "unix://");
  if (!at) fail("stand-in shim: no address in: %s", answer);
  size_t length = strcspn(at + 7, "\"\n");
  snprintf(real, sizeof real, "%.*s", (int)length, at + 7);
  snprintf(own, sizeof own, "%s.kata", real);
#ifndef CARRIES
  if (answer[0] == '{') setenv("LAB_SHIM_PROTOCOL3", "1", 1);
#endif
  start_proxy(argv, real, own);
  if (access("address", F_OK) == 0) write_address(own);
#ifdef CARRIES
  /* A suite's own shim speaks for itself, whatever it speaks. */
  printf("%.*sunix://%s%s", (int)(at - answer), answer, own, at + 7 + length);
#else
  /* Plain, as both of Kata's shims print it (protocol 2), also where the runc shim prints JSON (protocol 3): of such a shim containerd 2
     starts every container of a pod by the binary and notes its path, and only so the container is found again after a restart. */
  printf("unix://%s", own);
#endif
  fflush(stdout);
}

/* Whether the process is the runc shim that stays for this sandbox: `…runc-v2 -namespace N -id ID -address A`, without a verb. */
static int stays_for(const char *process, const char *id) {
  char path[64], line[4096];
  snprintf(path, sizeof path, "/proc/%.20s/cmdline", process);
  int fd = open(path, O_RDONLY);
  ssize_t size = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
  if (fd >= 0) close(fd);
  if (size <= 0) return 0;
  line[size] = 0;
  const char *last = line, *before = "";
  int named = 0;
  for (char *word = line; word < line + size; word += strlen(word) + 1) {
    if (!strcmp(before, "-id") && !strcmp(word, id)) named = 1;
    before = last = word;
  }
  return named && strstr(line, "containerd-shim-runc-v2") && strcmp(last, "start") && strcmp(last, "delete");
}

/* containerd asks for `delete` when it lost its shim: of a stand-in that was killed, the runc shim still lives. */
static void delete(char **argv) {
  const char *id = word_after(argv, "-id");
  pid_t child = fork();
  if (child == 0) {
    execv(runc_shim(), argv);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  DIR *processes = opendir("/proc");
  for (struct dirent *entry; processes && (entry = readdir(processes));)
    if (atoi(entry->d_name) > 0 && stays_for(entry->d_name, id)) kill(atoi(entry->d_name), SIGKILL);
  if (accelerator()) vmm_stop(id);
  exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* containerd.types.RuntimeInfo { name = 1; version = 2 { version = 1 } } */
static void info(void) {
  const char *name = "io.containerd.kata.v2";
  printf("%c%c%s%c%c%c%c%s", 0x0a, (int)strlen(name), name, 0x12, (int)strlen(VERSION) + 2, 0x0a, (int)strlen(VERSION), VERSION);
}

int main(int argc, char **argv) {
  if (getenv("LAB_SHIM_LISTENER")) return serve(atoi(getenv("LAB_SHIM_LISTENER")), getenv("LAB_SHIM_REAL"), getenv("LAB_SHIM_OWN"));
  for (int n = 1; n < argc; n++) {
    if (!strcmp(argv[n], "-v") || !strcmp(argv[n], "--version") || !strcmp(argv[n], "-version"))
      return printf("Kata Containers containerd shim (%s): id: \"io.containerd.kata.v2\", version: %s, commit: lab-stand-in\n", FLAVOUR, VERSION) < 0;
    if (!strcmp(argv[n], "-info")) return info(), 0;
  }
  const char *verb = argc > 1 ? argv[argc - 1] : "";
  if (!strcmp(verb, "start")) return start(argv), 0;
  if (!strcmp(verb, "delete")) delete(argv);
  fail("stand-in shim %s: start, delete, -v or -info", VERSION);
}
