/** Offsets in the 64-bit little-endian ELF header and in a program header (System V ABI, figures 4-3 and 5-1). */
const header = { segmentsAt: 0x20, segmentSize: 0x36, segmentCount: 0x38 };
const segment = { type: 0, at: 8, address: 16, fileSize: 32, length: 56 };
const [PT_LOAD, PT_DYNAMIC, PT_INTERP] = [1, 2, 3];
const [DT_NEEDED, DT_STRTAB] = [1n, 5n];

export interface ElfNeeds {
  /** The path of the program interpreter; undefined in a library. */
  interpreter: string | undefined;
  /** Names of shared libraries, in their order. */
  libraries: string[];
}

/** What a 64-bit little-endian ELF file needs to be loaded. Throws for any other file. */
export function neededBy(file: Buffer): ElfNeeds {
  if (file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1) throw new Error('not a 64-bit little-endian ELF file');
  const segments = segmentsOf(file);
  const of = (type: number) => segments.find((each) => each.type === type);
  const [dynamic, interpreter] = [of(PT_DYNAMIC), of(PT_INTERP)];
  const rows: [tag: bigint, value: bigint][] = [];
  for (let at = dynamic?.at ?? 0; dynamic !== undefined && at < dynamic.at + dynamic.fileSize; at += 16)
    rows.push([file.readBigUInt64LE(at), file.readBigUInt64LE(at + 8)]);
  const names = Number(rows.find(([tag]) => tag === DT_STRTAB)?.[1] ?? 0n);
  const loaded = segments.find(({ type, address, fileSize }) => type === PT_LOAD && names >= address && names < address + fileSize);
  const namesAt = loaded === undefined ? 0 : loaded.at + names - loaded.address;
  return {
    interpreter: interpreter === undefined ? undefined : textAt(file, interpreter.at),
    libraries: rows.filter(([tag]) => tag === DT_NEEDED).map(([, value]) => textAt(file, namesAt + Number(value))),
  };
}

function segmentsOf(file: Buffer): { type: number; at: number; address: number; fileSize: number }[] {
  const first = Number(file.readBigUInt64LE(header.segmentsAt));
  const size = file.readUInt16LE(header.segmentSize);
  if (size !== segment.length) throw new Error('program headers of an unknown size');
  return Array.from({ length: file.readUInt16LE(header.segmentCount) }, (_, index) => {
    const at = first + index * size;
    const number = (offset: number) => Number(file.readBigUInt64LE(at + offset));
    return {
      type: file.readUInt32LE(at + segment.type),
      at: number(segment.at),
      address: number(segment.address),
      fileSize: number(segment.fileSize),
    };
  });
}

function textAt(file: Buffer, at: number): string {
  return file.toString('latin1', at, file.indexOf(0, at));
}
