/* Part of the lab's stand-in shim (see standin.c): what it reads before it makes a virtual machine. */
#define _GNU_SOURCE
#include "standin.h"
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_TEXT = 1 << 20, VALUE = 2, CONFIG_PATH = 2 };

/* The field's text in a protobuf message; '' where it has none. */
static size_t body_of(const uint8_t *bytes, size_t size, uint64_t number, const uint8_t **body) {
  struct field field;
  for (size_t at = 0; at < size && field_at(bytes, size, at, &field); at = field.next)
    if (field.number == number && field.wire == 2) return *body = bytes + field.body, field.next - field.body;
  return 0;
}

/* Standard input of `start`: google.protobuf.Any { value = 2 } of runtimeoptions.v1.Options { config_path = 2 }, as the wiring names it. */
static void config_path(char *path, size_t size) {
  static uint8_t bytes[MAX_TEXT];
  const uint8_t *options, *named;
  size_t have = 0, length;
  for (ssize_t got; have < sizeof bytes && (got = read(0, bytes + have, sizeof bytes - have)) > 0;) have += (size_t)got;
  length = body_of(bytes, have, VALUE, &options);
  length = length == 0 ? 0 : body_of(options, length, CONFIG_PATH, &named);
  if (length == 0 || length >= size) fail("stand-in shim: the engine names no configuration: %zu bytes of options", have);
  memcpy(path, named, length);
  path[length] = 0;
}

static char *whole(const char *path) {
  char *bytes = malloc(MAX_TEXT);
  FILE *file = fopen(path, "re");
  if (!file) fail("stand-in shim: open %s: %s", path, strerror(errno));
  bytes[fread(bytes, 1, MAX_TEXT - 1, file)] = 0;
  fclose(file);
  return bytes;
}

/* What stands between the quotes after `key` and a separator; '' without the key. */
static void quoted(const char *line, char *into, size_t size) {
  const char *from = strchr(line, '"');
  size_t length = from ? strcspn(from + 1, "\"\n") : 0;
  snprintf(into, size, "%.*s", (int)length, from ? from + 1 : "");
}

/* A file by its last path, as both shims resolve it before anything is started. */
static void resolved(const char *line, char *into) {
  char named[PATH_MAX];
  quoted(line, named, sizeof named);
  if (*named && !realpath(named, into)) fail("stand-in shim: resolve %s: %s", named, strerror(errno));
}

static int is_key(const char *line, const char *key) {
  size_t length = strlen(key);
  return !strncmp(line, key, length) && strspn(line + length, " =") > 0;
}

/* The first hypervisor's table of a file. */
static void hypervisor(const char *path, struct configuration *into) {
  struct {
    const char *key;
    char *value;
  } keys[] = {{"path", into->path}, {"kernel", into->kernel}, {"initrd", into->initrd}, {"image", into->image}, {"virtio_fs_daemon", into->virtiofsd}};
  int inside = 0;
  char *save, *all = whole(path);
  for (char *line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
    if (*line == '[') inside = !strncmp(line, "[hypervisor.", 12);
    for (size_t n = 0; inside && n < sizeof keys / sizeof *keys; n++)
      if (is_key(line, keys[n].key)) resolved(line, keys[n].value);
  }
  free(all);
}

/* The administrator's files win, as in both shims: those of config.d beside the configuration, in the order of their names. */
static void drop_ins(const char *path, struct configuration *into) {
  glob_t found;
  char *pattern = text("%.*s/config.d/*.toml", (int)(strrchr(path, '/') - path), path);
  if (glob(pattern, 0, NULL, &found) == 0) {
    for (size_t n = 0; n < found.gl_pathc; n++) hypervisor(found.gl_pathv[n], into);
    globfree(&found);
  }
  free(pattern);
}

void read_configuration(struct configuration *into) {
  char path[PATH_MAX];
  memset(into, 0, sizeof *into);
  char *spec = whole("config.json"), *label = strstr(spec, "\"selinuxLabel\":"), *cgroup = strstr(spec, "\"cgroupsPath\":");
  into->sandbox = strstr(spec, "\"io.kubernetes.cri.container-type\":\"sandbox\"") != NULL;
  if (label) quoted(label + strlen("\"selinuxLabel\":"), into->label, sizeof into->label);
  if (cgroup) quoted(cgroup + strlen("\"cgroupsPath\":"), into->cgroup, sizeof into->cgroup);
  free(spec);
  if (!into->sandbox) return;
  config_path(path, sizeof path);
  hypervisor(path, into);
  drop_ins(path, into);
  if (!*into->path || !*into->kernel || !*into->virtiofsd) fail("stand-in shim: %s names no hypervisor, kernel or virtiofsd", path);
}
