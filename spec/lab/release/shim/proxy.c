/* Part of the lab's stand-in shim (see standin.c): the proxy between containerd and the runc shim. */
#define _GNU_SOURCE
#include "standin.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEADER = 10, REQUEST = 1, MAX_FRAME = 4 << 20, OPTIONS = 10, SERVICE = 1, METHOD = 2, PAYLOAD = 3 };

int dial(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) fail("socket path too long: %s", path);
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

int listen_at(const char *path) {
  int other = dial(path);
  if (other >= 0) return close(other), -1;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, path);
  unlink(path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 64)) fail("%s: %s", path, strerror(errno));
  return fd;
}

static int read_all(int fd, uint8_t *into, size_t count) {
  for (ssize_t got; count; into += got, count -= (size_t)got)
    if ((got = read(fd, into, count)) <= 0) return 0;
  return 1;
}

static int write_all(int fd, const uint8_t *from, size_t count) {
  for (ssize_t put; count; from += put, count -= (size_t)put)
    if ((put = write(fd, from, count)) <= 0) return 0;
  return 1;
}

static int varint(const uint8_t *bytes, size_t size, size_t *at, uint64_t *value) {
  *value = 0;
  for (int shift = 0; *at < size && shift < 64; shift += 7) {
    uint8_t byte = bytes[(*at)++];
    *value |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) return 1;
  }
  return 0;
}

int field_at(const uint8_t *bytes, size_t size, size_t at, struct field *field) {
  uint64_t key, length;
  if (!varint(bytes, size, &at, &key)) return 0;
  field->number = key >> 3;
  field->wire = key & 7;
  field->body = at;
  if (field->wire == 0 && varint(bytes, size, &at, &length)) return field->next = at, 1;
  if (field->wire != 2 || !varint(bytes, size, &at, &length) || length > size - at) return 0;
  field->body = at;
  return field->next = at + length, 1;
}

static size_t put_varint(uint8_t *into, uint64_t value) {
  size_t count = 0;
  for (; value > 127; value >>= 7) into[count++] = (uint8_t)(value | 128);
  into[count++] = (uint8_t)value;
  return count;
}

/* Whether the runc shim answers only to the service of containerd 2. */
static int protocol3;

static size_t without_options(const uint8_t *bytes, size_t size, uint8_t *into) {
  size_t used = 0;
  struct field field;
  for (size_t at = 0; at < size; at = field.next) {
    if (!field_at(bytes, size, at, &field)) return memcpy(into, bytes, size), size;
    if (field.number == OPTIONS) continue;
    memcpy(into + used, bytes + at, field.next - at);
    used += field.next - at;
  }
  return used;
}

/* What a shim speaks is told by the names in its bytes: where a suite's own shim is behind ours, only that one's may stand in them. */
#ifdef CARRIES
static const char service2[] = "";
#else
static const char service2[] = "containerd.task.v2.Task";
#endif

/* Request { service = 1; method = 2; payload = 3; … }: Create's payload loses its options, and a runc shim that speaks only protocol 3 is
   called by that service's name (the messages are the same); all else stays as it is. */
static size_t rewrite(const uint8_t *bytes, size_t size, uint8_t *into) {
  int create = 0;
  size_t used = 0;
  struct field field;
  for (size_t at = 0; at < size; at = field.next) {
    if (!field_at(bytes, size, at, &field)) return memcpy(into, bytes, size), size;
    size_t length = field.next - field.body;
    if (field.number == METHOD) create = length == 6 && !memcmp(bytes + field.body, "Create", 6);
    if (field.number == PAYLOAD && create) {
      uint8_t *shorter = malloc(length + 1);
      size_t left = without_options(bytes + field.body, length, shorter);
      into[used++] = PAYLOAD << 3 | 2;
      used += put_varint(into + used, left);
      memcpy(into + used, shorter, left);
      used += left;
      free(shorter);
      continue;
    }
    memcpy(into + used, bytes + at, field.next - at);
    used += field.next - at;
    if (field.number == SERVICE && protocol3 && length == sizeof service2 - 1 && !memcmp(bytes + field.body, service2, length))
      into[used - length + (strchr(service2, '2') - service2)] = '3';
  }
  return used;
}

struct pair {
  int client, shim;
};

static void *requests(void *argument) {
  struct pair *pair = argument;
  uint8_t header[HEADER], *body = malloc(MAX_FRAME), *out = malloc(MAX_FRAME + HEADER + 16);
  while (read_all(pair->client, header, HEADER)) {
    size_t size = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
    if (size > MAX_FRAME || !read_all(pair->client, body, size)) break;
    size_t used = size;
    if (header[8] == REQUEST) used = rewrite(body, size, out + HEADER);
    else memcpy(out + HEADER, body, size);
    for (int n = 0; n < 4; n++) header[n] = (uint8_t)(used >> (24 - 8 * n));
    memcpy(out, header, HEADER);
    if (!write_all(pair->shim, out, HEADER + used)) break;
  }
  shutdown(pair->shim, SHUT_RDWR);
  shutdown(pair->client, SHUT_RDWR);
  free(body);
  free(out);
  return NULL;
}

static void *conversation(void *argument) {
  struct pair *pair = argument;
  pthread_t other;
  pthread_create(&other, NULL, requests, pair);
  uint8_t bytes[65536];
  ssize_t got;
  while ((got = read(pair->shim, bytes, sizeof bytes)) > 0)
    if (!write_all(pair->client, bytes, (size_t)got)) break;
  shutdown(pair->client, SHUT_RDWR);
  shutdown(pair->shim, SHUT_RDWR);
  pthread_join(other, NULL);
  close(pair->client);
  close(pair->shim);
  free(pair);
  return NULL;
}

/* Open as long as the runc shim lives: its end is this process's end, whoever is connected. */
static void *watch(void *argument) {
  const char *const *paths = argument;
  int fd = dial(paths[0]);
  uint8_t byte;
  while (fd >= 0 && read(fd, &byte, 1) > 0) continue;
  /* what was said last still has to reach containerd */
  usleep(200000);
  unlink(paths[0]);
  unlink(paths[1]);
  if (getenv("LAB_SHIM_SANDBOX")) vmm_stop(getenv("LAB_SHIM_SANDBOX"));
  exit(0);
}

int serve(int listener, const char *real, const char *own) {
  const char *paths[] = {real, own};
  pthread_t watcher;
  protocol3 = getenv("LAB_SHIM_PROTOCOL3") != NULL;
  signal(SIGPIPE, SIG_IGN);
  pthread_create(&watcher, NULL, watch, paths);
  for (;;) {
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) continue;
    struct pair *pair = malloc(sizeof *pair);
    *pair = (struct pair){client, dial(real)};
    pthread_t thread;
    if (pair->shim < 0 || pthread_create(&thread, NULL, conversation, pair)) {
      close(client);
      if (pair->shim >= 0) close(pair->shim);
      free(pair);
    } else pthread_detach(thread);
  }
}
