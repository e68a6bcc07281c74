/* The two halves of the lab's stand-in shim: see standin.c. */
#pragma once
#include <stddef.h>

__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);

/* A listening socket at the path, or -1 where somebody is listening already. */
int listen_at(const char *path);

/* Forwards between clients at the listener and the runc shim at `real` until that one is gone. */
int serve(int listener, const char *real, const char *own);
