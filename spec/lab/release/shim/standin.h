/* The parts of the lab's stand-in shim: see standin.c. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifndef VERSION
#define VERSION "0.0.0-lab"
#endif
#ifndef FLAVOUR
#define FLAVOUR "Golang"
#endif

/* Ends the process, with all that this process made for a virtual machine taken away. */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);

/* A text in memory of its own. */
__attribute__((format(printf, 1, 2))) char *text(const char *format, ...);

/* A listening socket at the path, or -1 where somebody is listening already. */
int listen_at(const char *path);

/* A connection to the socket at the path, or -1. */
int dial(const char *path);

/* Forwards between clients at the listener and the runc shim at `real` until that one is gone. */
int serve(int listener, const char *real, const char *own);

/* One protobuf field at `at`: its number, where its body starts and where the next one does; 0 at nonsense. */
struct field {
  uint64_t number, wire;
  size_t body, next;
};
int field_at(const uint8_t *bytes, size_t size, size_t at, struct field *field);

/* configuration.c: what the installed configuration.toml and the sandbox's own config.json say; '' where they say nothing. */
struct configuration {
  char path[4096], kernel[4096], initrd[4096], image[4096], virtiofsd[4096], label[512], cgroup[512];
  /* whether this is a pod's sandbox, not a container of one */
  int sandbox;
};
void read_configuration(struct configuration *configuration);

/* vmm.c: the virtual machine of a sandbox, in the mode that LAB_SHIM_VMM names; NULL without it. */
const char *accelerator(void);
void vmm_start(const char *id);
void vmm_stop(const char *id);
char *in_vm(const char *id, const char *file);
/* Starts a program under a label ('' for none); descriptors that are not closed on exec go along. Gives the end that it says its errors to. */
int launch(const char *id, const char *label, char **argv);

/* hypervisor.c: the devices and the hypervisor. Gives what `launch` gives. */
int start_hypervisor(const char *id, const struct configuration *configuration);
