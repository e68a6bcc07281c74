/*
 * The resident half of a node pod: waits, and says whether the node is as it was asked to be.
 *
 *   report wait           pauses until SIGTERM or SIGINT, then ends with 0; may be process 1
 *   report ready [FILE]   prints the reason of the report in one line: 0 where the node is ready, else 1
 *
 * The output becomes an event of Kubernetes, and the file may be anything: it is read to at most 64 KiB, as a whole document of JSON, and
 * only keys of its outermost object count. What is printed is UTF-8 without control characters.
 *
 * No C library, no header: a compiler alone builds it, for either architecture.
 */
#if !defined(__x86_64__) && !defined(__aarch64__)
#error "x86-64 and arm64 only"
#endif

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define PATH "/etc/kata-sysext/report.json"
#define MAX_BYTES (64 * 1024)
#define MAX_DEPTH 32

#define EINTR 4
#define ENOENT 2
#define AT_FDCWD -100
#define SIG_BLOCK 0
#define S_IFMT 0170000
#define S_IFREG 0100000
/* O_RDONLY, with O_NONBLOCK and O_CLOEXEC; O_NOFOLLOW differs. */
#define OPEN_FLAGS (04000 | 02000000 | O_NOFOLLOW)
/* SIGINT and SIGTERM, as bits of a set of signals. */
#define ENDING (1UL << (2 - 1) | 1UL << (15 - 1))

#ifdef __x86_64__

enum call { READ = 0, WRITE = 1, FSTAT = 5, SIGPROCMASK = 14, SIGTIMEDWAIT = 128, EXIT_GROUP = 231, OPENAT = 257 };
#define O_NOFOLLOW 0400000
/* st_mode in struct stat, in units of 4 bytes. */
#define MODE_AT 6

static long call(long number, long a, long b, long c, long d)
{
  register long r10 __asm__("r10") = d;
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
}

__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call report\n");

#else

enum call { OPENAT = 56, READ = 63, WRITE = 64, FSTAT = 80, EXIT_GROUP = 94, SIGPROCMASK = 135, SIGTIMEDWAIT = 137 };
#define O_NOFOLLOW 0100000
#define MODE_AT 4

static long call(long number, long a, long b, long c, long d)
{
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}

__asm__(".globl _start\n_start:\n mov x29, #0\n mov x0, sp\n bl report\n");

#endif

static u8 text[MAX_BYTES + 1];
static u64 length;
static u8 line[2048];
static u64 used;

static void put(u8 byte)
{
  if (used < sizeof line - 1)
    line[used++] = byte;
}

static void __attribute__((noreturn)) finish(int status)
{
  line[used++] = '\n';
  for (u64 at = 0; at < used;) {
    long written = call(WRITE, 1, (long)(line + at), used - at, 0);
    if (written == -EINTR)
      continue;
    if (written <= 0)
      break;
    at += written;
  }
  call(EXIT_GROUP, status, 0, 0, 0);
  __builtin_unreachable();
}

static void __attribute__((noreturn)) complain(const char *words)
{
  used = 0;
  while (*words != 0)
    put(*words++);
  finish(1);
}

static int is_same(const char *one, const char *other)
{
  while (*one != 0 && *one == *other)
    one++, other++;
  return *one == *other;
}

static void __attribute__((noreturn)) wait_for_end(void)
{
  u64 set = ENDING;
  /* Blocked signals wait for process 1 as well, which otherwise hears only those that it handles. */
  call(SIGPROCMASK, SIG_BLOCK, (long)&set, 0, sizeof set);
  long signal;
  do {
    signal = call(SIGTIMEDWAIT, (long)&set, 0, 0, sizeof set);
  } while (signal == -EINTR);
  call(EXIT_GROUP, signal > 0 ? 0 : 1, 0, 0, 0);
  __builtin_unreachable();
}

static void read_report(const char *path)
{
  long file = call(OPENAT, AT_FDCWD, (long)path, OPEN_FLAGS, 0);
  if (file == -ENOENT)
    complain("no report yet");
  if (file < 0)
    complain("the report cannot be opened");
  u32 stat[64];
  if (call(FSTAT, file, (long)stat, 0, 0) != 0 || (stat[MODE_AT] & S_IFMT) != S_IFREG)
    complain("the report is not a regular file");
  for (;;) {
    long got = call(READ, file, (long)(text + length), sizeof text - length, 0);
    if (got == -EINTR)
      continue;
    if (got < 0)
      complain("the report cannot be read");
    length += got;
    if (length == sizeof text)
      complain("the report is larger than 64 KiB");
    if (got == 0)
      return;
  }
}

/* Behind the last byte is a zero, which no document of JSON has. */
static u64 skip_space(u64 at)
{
  while (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t')
    at++;
  return at;
}

#define UNREADABLE "the report cannot be read: it is no whole document"

static int is_hex(u8 byte)
{
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

/* From the first quote to behind the last one. */
static u64 skip_string(u64 at)
{
  for (at++; text[at] != '"'; at++) {
    if (text[at] < 0x20 || at >= length)
      complain(UNREADABLE);
    if (text[at] != '\\')
      continue;
    at++;
    if (text[at] == 'u') {
      for (int digit = 0; digit < 4; digit++)
        if (!is_hex(text[++at]))
          complain(UNREADABLE);
    } else if (text[at] != '"' && text[at] != '\\' && text[at] != '/' && text[at] != 'b' && text[at] != 'f' && text[at] != 'n' && text[at] != 'r' && text[at] != 't')
      complain(UNREADABLE);
  }
  return at + 1;
}

/* A number, true, false or null; which of them, matters only where it is asked for. */
static u64 skip_word(u64 at)
{
  u64 from = at;
  while ((text[at] >= 'a' && text[at] <= 'z') || (text[at] >= '0' && text[at] <= '9') || text[at] == '-' || text[at] == '+' || text[at] == '.' || text[at] == 'E')
    at++;
  if (at == from)
    complain(UNREADABLE);
  return at;
}

/* Whether the bytes from here on are these words. */
static int is_at(u64 at, const char *words)
{
  while (*words != 0)
    if (text[at++] != (u8)*words++)
      return 0;
  return 1;
}

struct found {
  const char *key;
  /* Where its value begins; 0: not there. */
  u64 at;
};

static void note(struct found *wanted, u64 key, u64 value)
{
  for (; wanted->key != 0; wanted++) {
    if (!is_at(key, wanted->key))
      continue;
    /* Readers would not agree on the value. */
    if (wanted->at != 0)
      complain("the report cannot be read: it has a key twice");
    wanted->at = value;
  }
}

/* Goes through the whole document, and notes where the values of the outermost object are. */
static void find(struct found *wanted)
{
  /* What each level is closed by. */
  u8 closing[MAX_DEPTH];
  int depth = 0;
  u64 at = skip_space(0);
  if (text[at] != '{')
    complain(UNREADABLE);
  for (;;) {
    int opened = 0;
    if (text[at] == '{' || text[at] == '[') {
      if (depth == MAX_DEPTH)
        complain(UNREADABLE);
      closing[depth++] = text[at] == '{' ? '}' : ']';
      opened = 1;
      at = skip_space(at + 1);
    } else
      at = skip_space(text[at] == '"' ? skip_string(at) : skip_word(at));
    if (!opened || text[at] == closing[depth - 1]) {
      while (depth > 0 && text[at] == closing[depth - 1]) {
        depth--;
        at = skip_space(at + 1);
      }
      if (depth == 0)
        break;
      if (text[at] != ',')
        complain(UNREADABLE);
      at = skip_space(at + 1);
    }
    if (closing[depth - 1] != '}')
      continue;
    u64 key = at;
    if (text[key] != '"')
      complain(UNREADABLE);
    at = skip_string(key);
    /* It would have another name to other readers. */
    for (u64 each = key; depth == 1 && each < at; each++)
      if (text[each] == '\\')
        complain(UNREADABLE);
    at = skip_space(at);
    if (text[at] != ':')
      complain(UNREADABLE);
    at = skip_space(at + 1);
    if (depth == 1)
      note(wanted, key, at);
  }
  if (at != length)
    complain(UNREADABLE);
}

/* How many bytes the character here has; 0 for what is no UTF-8, or a control character. */
static int character(u64 at)
{
  u8 first = text[at];
  if (first < 0x80)
    return first >= 0x20 && first != 0x7f;
  int bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4)
    return 0;
  for (int next = 1; next < bytes; next++)
    if ((text[at + next] & 0xc0) != 0x80)
      return 0;
  u8 second = text[at + 1];
  if (first == 0xc2 && second < 0xa0)
    return 0;
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) || (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90))
    return 0;
  return bytes;
}

static void put_string(u64 at)
{
  for (at++; text[at] != '"';) {
    /* Whole characters only, where the line has an end. */
    if (used > sizeof line - 8)
      return;
    if (text[at] == '\\') {
      u8 escape = text[at + 1];
      put(escape == '"' || escape == '\\' || escape == '/' ? escape : escape == 'u' ? '?' : ' ');
      at += escape == 'u' ? 6 : 2;
      continue;
    }
    int bytes = character(at);
    if (bytes == 0) {
      put('?');
      at++;
    }
    while (bytes-- > 0)
      put(text[at++]);
  }
}

static void __attribute__((noreturn)) say_ready(const char *path)
{
  struct found wanted[] = { { "\"kind\"", 0 }, { "\"ready\"", 0 }, { "\"reason\"", 0 }, { 0, 0 } };
  read_report(path);
  find(wanted);
  u64 kind = wanted[0].at, ready = wanted[1].at, reason = wanted[2].at;
  if (kind == 0 || ready == 0 || reason == 0 || !is_at(kind, "\"NodeReport\"") || text[reason] != '"')
    complain("the report cannot be read: it is not one of kata-sysext");
  int is_true = text[ready] == 't';
  if (!is_at(ready, is_true ? "true" : "false") || skip_word(ready) != ready + (is_true ? 4 : 5))
    complain("the report cannot be read: it is not one of kata-sysext");
  put_string(reason);
  finish(is_true ? 0 : 1);
}

/* As the kernel starts a program: the number of words, then where each is. */
void __attribute__((noreturn, used)) report(const u64 *stack)
{
  const char *const *words = (const char *const *)(stack + 1);
  if (stack[0] == 2 && is_same(words[1], "wait"))
    wait_for_end();
  if ((stack[0] == 2 || stack[0] == 3) && is_same(words[1], "ready"))
    say_ready(stack[0] == 3 ? words[2] : PATH);
  complain("usage: report wait, report ready [FILE]");
}
