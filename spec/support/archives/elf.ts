/** The head of a 64-bit ELF file for a machine (System V ABI, e_machine). */
function machineElf(machine: number): Buffer {
  const head = Buffer.alloc(64);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(head);
  head.writeUInt16LE(machine, 18);
  return head;
}

/** That of a program for another architecture than this machine's. */
export const foreignElf = machineElf(process.arch === 'arm64' ? 62 : 183);
