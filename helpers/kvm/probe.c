/*
 * Asks the kernel whether KVM runs a guest: makes a virtual machine of one page and one processor, and has it run a few instructions until
 * it writes a known value to a place that it does not have. That ends KVM_RUN.
 *
 * Prints one line and ends with a status:
 *   0  ok
 *   N  step N of `enum step` failed: "STEP errno NUMBER", or for the last one "exit REASON DETAIL" (KVM_EXIT_… and what KVM says of it)
 *
 * No C library, no header: the few numbers of the kernel's stable interface are below (include/uapi/linux/kvm.h). So a compiler alone
 * builds it, for either architecture.
 */
#if !defined(__x86_64__) && !defined(__aarch64__)
#error "x86-64 and arm64 only"
#endif

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

enum step { OPEN = 1, API_VERSION, CREATE_VM, MEMORY, CREATE_VCPU, MAP_VCPU, REGISTERS, RUN, EXIT };

static const char *const names[] = { "ok", "open", "api-version", "create-vm", "memory", "create-vcpu", "map-vcpu", "registers", "run", "exit" };

#define KVM_GET_API_VERSION 0xae00
#define KVM_CREATE_VM 0xae01
#define KVM_CHECK_EXTENSION 0xae03
#define KVM_GET_VCPU_MMAP_SIZE 0xae04
#define KVM_CREATE_VCPU 0xae41
#define KVM_SET_USER_MEMORY_REGION 0x4020ae46
#define KVM_RUN 0xae80
/* The only version since Linux 2.6.22; the kernel's documentation asks programs to refuse any other. */
#define API 12

#define EINTR 4
#define O_RDWR_NONBLOCK_CLOEXEC 02004002
#define AT_FDCWD -100
#define PROT_READ_WRITE 3
#define MAP_SHARED 1
#define MAP_PRIVATE_ANONYMOUS 0x22

/* Where the guest's memory is, in the guest; its size fits every size of a page (arm64 has 4, 16 and 64 KiB). */
#define GUEST 0x10000UL
#define SIZE 0x10000UL
#define LONGEST_SECONDS 30
/* What the guest writes. */
#define VALUE 42

struct memory_region {
  u32 slot, flags;
  u64 guest_address, bytes, host_address;
};

/* The beginning of struct kvm_run. */
struct run {
  u8 asked[8];
  u32 exit_reason;
  u8 state[20];
  union {
    struct { u8 direction, size; u16 port; u32 count; u64 data_offset; } io;
    struct { u64 address; u8 data[8]; u32 length; u8 is_write; } mmio;
    u64 detail;
    u32 suberror;
  };
};
#define KVM_EXIT_IO 2
#define KVM_EXIT_MMIO 6
#define KVM_EXIT_INTERNAL_ERROR 17

#ifdef __x86_64__

enum call { WRITE = 1, MMAP = 9, IOCTL = 16, SETITIMER = 38, EXIT_GROUP = 231, OPENAT = 257 };

static long call(long number, long a, long b, long c, long d, long e, long f)
{
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}

__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n and $-16, %rsp\n call probe\n");

#else

enum call { IOCTL = 29, OPENAT = 56, WRITE = 64, EXIT_GROUP = 94, SETITIMER = 103, MMAP = 222 };

static long call(long number, long a, long b, long c, long d, long e, long f)
{
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}

__asm__(".globl _start\n_start:\n mov x29, #0\n mov x30, #0\n bl probe\n");

#endif

static long control(int file, u64 request, u64 argument)
{
  return call(IOCTL, file, request, argument, 0, 0, 0);
}

static long map(u64 bytes, int flags, int file)
{
  return call(MMAP, 0, bytes, PROT_READ_WRITE, flags, file, 0);
}

static char *put(char *at, const char *text)
{
  while (*text != 0)
    *at++ = *text++;
  return at;
}

static char *put_number(char *at, u64 value)
{
  char digits[20];
  int count = 0;
  do {
    digits[count++] = '0' + value % 10;
    value /= 10;
  } while (value != 0);
  while (count > 0)
    *at++ = digits[--count];
  return at;
}

static void __attribute__((noreturn)) finish(enum step step, const char *word, u64 one, u64 two)
{
  char line[128];
  char *at = put(line, names[step]);
  if (step != 0) {
    at = put(at, " ");
    at = put(at, word);
    at = put_number(at, one);
  }
  if (step == EXIT) {
    at = put(at, " ");
    at = put_number(at, two);
  }
  *at++ = '\n';
  call(WRITE, 1, (long)line, at - line, 0, 0, 0);
  call(EXIT_GROUP, step, 0, 0, 0, 0, 0);
  __builtin_unreachable();
}

/* The result of a call, where it is none of the 4095 that are an errno. */
static long needed(enum step step, long result)
{
  if ((u64)result > -4096UL)
    finish(step, "errno ", -result, 0);
  return result;
}

#ifdef __x86_64__

#define KVM_GET_SUPPORTED_CPUID 0xc008ae05
#define KVM_SET_CPUID2 0x4008ae90
#define KVM_SET_TSS_ADDR 0xae47
#define KVM_SET_REGS 0x4090ae82
#define KVM_GET_SREGS 0x8138ae83
#define KVM_SET_SREGS 0x4138ae84

static long vm_type(int kvm)
{
  (void)kvm;
  return 0;
}

/*
 * In long mode, with SSE2, which every x86-64 processor has: KVM's emulator of instructions knows little of it. Where KVM emulates all of a
 * guest (PVM does with guests that are not made for it) a port is written to as anywhere, but no kernel gets far.
 *
 * mov $VALUE / 2, %eax; movd %eax, %xmm0; paddd %xmm0, %xmm0; movd %xmm0, %eax; out %al, $0x10; hlt
 */
static const u8 code[] = {
  0xb8, VALUE / 2, 0, 0, 0, 0x66, 0x0f, 0x6e, 0xc0, 0x66, 0x0f, 0xfe, 0xc0, 0x66, 0x0f, 0x7e, 0xc0, 0xe6, 0x10, 0xf4
};

struct segment {
  u64 base;
  u32 limit;
  u16 selector;
  u8 type, present, dpl, db, s, l, g, avl, unusable, padding;
};

struct special_registers {
  struct segment cs, ds, es, fs, gs, ss, tr, ldt;
  u64 tables[4];
  u64 cr0, cr2, cr3, cr4, cr8, efer, apic_base, interrupts[4];
};
_Static_assert(sizeof(struct special_registers) == 312, "struct kvm_sregs");

/* Protected mode with paging and numeric errors; addresses of 64 bits need PAE; SSE needs OSFXSR. */
#define CR0 (1UL << 0 | 1UL << 1 | 1UL << 4 | 1UL << 5 | 1UL << 31)
#define CR4 (1UL << 5 | 1UL << 9)
#define EFER (1UL << 8 | 1UL << 10)

/* struct kvm_cpuid2: how many entries, then those of 40 bytes. Room for them is in the guest's memory, which does not look at it. */
#define CPUID_AT 0x8000
#define CPUID_ENTRIES ((SIZE - CPUID_AT - 8) / 40)

/* Long mode is refused to a processor that has not been told that it has it. */
static void tell_features(int kvm, int vcpu, u8 *memory)
{
  u32 *features = (u32 *)(memory + CPUID_AT);
  features[0] = CPUID_ENTRIES;
  needed(REGISTERS, control(kvm, KVM_GET_SUPPORTED_CPUID, (u64)features));
  needed(REGISTERS, control(vcpu, KVM_SET_CPUID2, (u64)features));
}

/* Tables of pages behind the code: one page of 2 MB at 0, where the guest's memory is. */
static void write_tables(u8 *memory)
{
  for (u64 level = 1; level <= 3; level++) {
    volatile u64 *table = (volatile u64 *)(memory + level * 0x1000);
    *table = level == 3 ? 0x83 : (GUEST + (level + 1) * 0x1000) | 3;
  }
}

static void start_at_guest(int kvm, int vm, int vcpu, u8 *memory)
{
  /* struct kvm_regs: 16 registers, then the instruction pointer and the flags, of which bit 1 is always set. */
  u64 registers[18];
  for (int at = 0; at < 16; at++)
    registers[at] = 0;
  registers[16] = GUEST;
  registers[17] = 2;
  struct special_registers special;
  struct segment flat = { 0, 0xffffffff, 0x10, 3, 1, 0, 1, 1, 0, 1, 0, 0, 0 };
  write_tables(memory);
  tell_features(kvm, vcpu, memory);
  /* Older processors of Intel need a place for a task state segment before they run anything; others take no notice. */
  needed(REGISTERS, control(vm, KVM_SET_TSS_ADDR, 0xfffbd000));
  needed(REGISTERS, control(vcpu, KVM_GET_SREGS, (u64)&special));
  special.ds = special.es = special.fs = special.gs = special.ss = flat;
  special.cs = flat;
  special.cs.selector = 8;
  special.cs.type = 11;
  special.cs.db = 0;
  special.cs.l = 1;
  special.cr0 = CR0;
  special.cr3 = GUEST + 0x1000;
  special.cr4 = CR4;
  special.efer = EFER;
  needed(REGISTERS, control(vcpu, KVM_SET_SREGS, (u64)&special));
  needed(REGISTERS, control(vcpu, KVM_SET_REGS, (u64)registers));
}

static int is_answer(const struct run *run)
{
  return run->exit_reason == KVM_EXIT_IO && run->io.direction == 1 && run->io.port == 0x10 && ((const u8 *)run)[run->io.data_offset] == VALUE;
}

#else

#define KVM_CAP_ARM_VM_IPA_SIZE 165
#define KVM_ARM_PREFERRED_TARGET 0x8020aeaf
#define KVM_ARM_VCPU_INIT 0x4020aeae
#define KVM_SET_ONE_REG 0x4010aeac
/* KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE_REG(regs.pc) */
#define PROGRAM_COUNTER 0x6030000000100040UL

/* 0 asks for 40 bits of the guest's addresses, which some processors do not have. */
static long vm_type(int kvm)
{
  long bits = control(kvm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);
  return bits > 0 && bits < 40 ? bits : 0;
}

/* mov w0, VALUE; mov x1, 0x20000000; str w0, [x1]; b . */
static const u32 code[] = { 0x52800000 | VALUE << 5, 0xd2a40001, 0xb9000020, 0x14000000 };

static void start_at_guest(int kvm, int vm, int vcpu, u8 *memory)
{
  (void)kvm;
  (void)memory;
  u32 target[8];
  struct { u64 id, address; } reg;
  u64 start = GUEST;
  needed(REGISTERS, control(vm, KVM_ARM_PREFERRED_TARGET, (u64)target));
  needed(REGISTERS, control(vcpu, KVM_ARM_VCPU_INIT, (u64)target));
  reg.id = PROGRAM_COUNTER;
  reg.address = (u64)&start;
  needed(REGISTERS, control(vcpu, KVM_SET_ONE_REG, (u64)&reg));
}

static int is_answer(const struct run *run)
{
  return run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write == 1 && run->mmio.address == 0x20000000 && run->mmio.data[0] == VALUE;
}

#endif

void __attribute__((noreturn, used)) probe(void)
{
  /* Whoever started it may be gone, and a guest may never come back: SIGALRM ends it. Interval, then time, in seconds and microseconds. */
  long times[4];
  times[0] = times[1] = times[3] = 0;
  times[2] = LONGEST_SECONDS;
  call(SETITIMER, 0, (long)times, 0, 0, 0, 0);

  /* Not waiting for anybody, should it be another kind of file. */
  int kvm = needed(OPEN, call(OPENAT, AT_FDCWD, (long)"/dev/kvm", O_RDWR_NONBLOCK_CLOEXEC, 0, 0, 0));
  long version = needed(API_VERSION, control(kvm, KVM_GET_API_VERSION, 0));
  if (version != API)
    finish(API_VERSION, "version ", version, 0);
  int vm = needed(CREATE_VM, control(kvm, KVM_CREATE_VM, vm_type(kvm)));

  u64 mapped = needed(MEMORY, map(2 * SIZE, MAP_PRIVATE_ANONYMOUS, -1));
  u8 *memory = (u8 *)((mapped + SIZE - 1) & ~(SIZE - 1));
  for (u64 at = 0; at < sizeof code; at++)
    ((volatile u8 *)memory)[at] = ((const u8 *)code)[at];
  struct memory_region region;
  region.slot = region.flags = 0;
  region.guest_address = GUEST;
  region.bytes = SIZE;
  region.host_address = (u64)memory;
  needed(MEMORY, control(vm, KVM_SET_USER_MEMORY_REGION, (u64)&region));

  int vcpu = needed(CREATE_VCPU, control(vm, KVM_CREATE_VCPU, 0));
  long bytes = needed(MAP_VCPU, control(kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
  const struct run *run = (const struct run *)needed(MAP_VCPU, map(bytes, MAP_SHARED, vcpu));
  start_at_guest(kvm, vm, vcpu, memory);

  long ran;
  do {
    ran = control(vcpu, KVM_RUN, 0);
  } while (ran == -EINTR);
  needed(RUN, ran);
  if (!is_answer(run))
    finish(EXIT, "reason ", run->exit_reason, run->exit_reason == KVM_EXIT_INTERNAL_ERROR ? run->suberror : run->detail);
  finish(0, "", 0, 0);
}
