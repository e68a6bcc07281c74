const machines: Record<number, string> = {
  62: 'x86_64',
  183: 'aarch64',
  22: 's390x',
  21: 'ppc64le',
  243: 'riscv64',
  3: 'i686',
  40: 'armv7l',
};

/** What machine an ELF file is for, as `uname -m` says it, by its first 20 bytes; undefined for other files. */
export function machineOf(head: Buffer): string | undefined {
  if (head.length < 20 || head.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const machine = head[5] === 2 ? head.readUInt16BE(18) : head.readUInt16LE(18);
  return machines[machine] ?? `machine ${machine}`;
}
