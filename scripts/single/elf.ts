/** Offsets in the 64-bit little-endian ELF header and in a section header (System V ABI, figures 4-3 and 4-8). */
const header = { sectionsAt: 0x28, sectionSize: 0x3a, sectionCount: 0x3c, namesIndex: 0x3e };
const section = { name: 0, type: 4, flags: 8, address: 16, at: 24, size: 32, link: 40, info: 44, align: 48, entrySize: 56, length: 64 };
const SHF_ALLOC = 2n;
const SHT_STRTAB = 3;
const SHT_NOBITS = 8;

/**
 * The program without symbols and debug sections: what `strip` of binutils does, for any 64-bit little-endian machine, so that
 * an arm64 file can be made on x64 from the npm registry alone. Keeps the loaded sections, their order and their bytes. Throws on anything
 * that is laid out in another way, e.g. a loaded section after one that is not.
 */
export function withoutSymbols(file: Buffer): Buffer {
  if (file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1) throw new Error('not a 64-bit little-endian ELF file');
  if (file.readUInt16LE(header.sectionSize) !== section.length) throw new Error('section headers of an unknown size');
  const rows = readSections(file);
  const kept = rows.slice(0, 1 + rows.findLastIndex((row) => (row.readBigUInt64LE(section.flags) & SHF_ALLOC) !== 0n));
  for (const [index, row] of kept.entries()) checkKept(row, index, kept.length);
  const end = Math.max(...kept.map(endInFile));
  const names = Buffer.concat([Buffer.from('\0'), ...kept.slice(1).map((row) => nameOf(file, rows, row)), Buffer.from('.shstrtab\0')]);
  const tableAt = align(end + names.length, 8);
  const table = Buffer.concat([...renamed(kept, file, rows), namesRow(names, end)]);
  const out = Buffer.concat([file.subarray(0, end), names, Buffer.alloc(tableAt - end - names.length), table]);
  out.writeBigUInt64LE(BigInt(tableAt), header.sectionsAt);
  out.writeUInt16LE(kept.length + 1, header.sectionCount);
  out.writeUInt16LE(kept.length, header.namesIndex);
  return out;
}

function readSections(file: Buffer): Buffer[] {
  const at = Number(file.readBigUInt64LE(header.sectionsAt));
  const count = file.readUInt16LE(header.sectionCount);
  if (count === 0 || at + count * section.length > file.length) throw new Error('no section headers in the file');
  return Array.from({ length: count }, (_, index) =>
    Buffer.from(file.subarray(at + index * section.length, at + (index + 1) * section.length)),
  );
}

function checkKept(row: Buffer, index: number, count: number): void {
  const loaded = (row.readBigUInt64LE(section.flags) & SHF_ALLOC) !== 0n;
  if (index > 0 && !loaded) throw new Error(`section ${index} is not loaded, but stands among loaded ones`);
  if (row.readUInt32LE(section.link) >= count) throw new Error(`section ${index} links to one that would go`);
}

function endInFile(row: Buffer): number {
  const size = row.readUInt32LE(section.type) === SHT_NOBITS ? 0 : Number(row.readBigUInt64LE(section.size));
  return Number(row.readBigUInt64LE(section.at)) + size;
}

function nameOf(file: Buffer, rows: Buffer[], row: Buffer): Buffer {
  const table = rows[file.readUInt16LE(header.namesIndex)];
  if (table === undefined) throw new Error('no section of names');
  const start = Number(table.readBigUInt64LE(section.at)) + row.readUInt32LE(section.name);
  return file.subarray(start, file.indexOf(0, start) + 1);
}

function renamed(kept: Buffer[], file: Buffer, rows: Buffer[]): Buffer[] {
  let at = 1;
  return kept.map((row, index) => {
    if (index === 0) return row;
    const copy = Buffer.from(row);
    copy.writeUInt32LE(at, section.name);
    at += nameOf(file, rows, row).length;
    return copy;
  });
}

function namesRow(names: Buffer, at: number): Buffer {
  const row = Buffer.alloc(section.length);
  row.writeUInt32LE(names.length - '.shstrtab\0'.length, section.name);
  row.writeUInt32LE(SHT_STRTAB, section.type);
  row.writeBigUInt64LE(BigInt(at), section.at);
  row.writeBigUInt64LE(BigInt(names.length), section.size);
  row.writeBigUInt64LE(1n, section.align);
  return row;
}

function align(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
