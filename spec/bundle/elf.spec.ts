import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { kindOf, type ReadAt } from '../../cli/bundle/index.ts';
import { needs } from '../support/needs.ts';

function reading(bytes: Buffer): ReadAt {
  return (offset, length) => bytes.subarray(offset, offset + length);
}

async function kindOfFile(path: string, name: string): Promise<string | undefined> {
  const file = openSync(path, 'r');
  try {
    return await kindOf((offset, length) => {
      const buffer = Buffer.alloc(length);
      return buffer.subarray(0, readSync(file, buffer, 0, length, offset));
    }, name);
  } finally {
    closeSync(file);
  }
}

interface Made {
  type: number;
  wide?: boolean;
  big?: boolean;
  interpreter?: boolean;
  /** Tags of the dynamic section; without them there is none. */
  tags?: [number, number][];
}

/** An ELF file with program headers and a dynamic section in front of them, as a linker writes it for any machine. */
function elf({ type, wide = true, big = false, interpreter = false, tags }: Made): Buffer {
  const [headBytes, segmentBytes, word] = wide ? [64, 56, 8] : [52, 32, 4];
  const bytes = Buffer.alloc(4096);
  const put = (at: number, value: number, size: number) => {
    const [high, low] = [Math.floor(value / 2 ** 32), value % 2 ** 32];
    if (size === 2) big ? bytes.writeUInt16BE(value, at) : bytes.writeUInt16LE(value, at);
    if (size === 4) big ? bytes.writeUInt32BE(low, at) : bytes.writeUInt32LE(low, at);
    if (size === 8)
      for (const [part, where] of [
        [high, big ? 0 : 4],
        [low, big ? 4 : 0],
      ] as const)
        put(at + where, part, 4);
  };
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, big ? 2 : 1, 1]).copy(bytes);
  put(16, type, 2);
  const [dynamicAt, segmentsAt] = [headBytes, 2048];
  const segments: [number, number, number][] = [[1, 0, 4096]];
  if (interpreter) segments.push([3, 3000, 20]);
  if (tags !== undefined) segments.push([2, dynamicAt, (tags.length + 1) * 2 * word]);
  put(wide ? 32 : 28, segmentsAt, word);
  put(wide ? 54 : 42, segmentBytes, 2);
  put(wide ? 56 : 44, segments.length, 2);
  for (const [index, [kind, offset, size]] of segments.entries()) {
    const at = segmentsAt + index * segmentBytes;
    put(at, kind, 4);
    put(at + (wide ? 8 : 4), offset, word);
    put(at + (wide ? 32 : 16), size, word);
  }
  for (const [index, [tag, value]] of (tags ?? []).entries()) {
    put(dynamicAt + index * 2 * word, tag, word);
    put(dynamicAt + index * 2 * word + word, value, word);
  }
  return bytes;
}

const [needed, soname, debug, flags] = [1, 14, 21, 0x6ffffffb];

describe('what an executable file is by its bytes', () => {
  for (const [title, made, name, wanted] of [
    ['a program at fixed addresses', { type: 2 }, 'x', 'program'],
    ['a static position-independent program', { type: 3, tags: [[flags, 0x08000000]] }, 'virtiofsd', 'program'],
    [
      'a program that a loader starts',
      {
        type: 3,
        interpreter: true,
        tags: [
          [needed, 1],
          [flags, 0x08000001],
        ],
      },
      'x',
      'program',
    ],
    ['one of an old linker, with an interpreter', { type: 3, interpreter: true, tags: [[needed, 1]] }, 'x', 'program'],
    ['one of an old linker, without', { type: 3, tags: [[debug, 0]] }, 'x', 'program'],
    ['one whose name ends like a library’s', { type: 3, tags: [[flags, 0x08000000]] }, 'x.so', 'program'],
    [
      'a library',
      {
        type: 3,
        tags: [
          [needed, 1],
          [soname, 9],
        ],
      },
      'libz.so.1',
      'library',
    ],
    ['a library under another name', { type: 3, tags: [[soname, 9]] }, 'plugin', 'library'],
    ['the C library, which can be started', { type: 3, interpreter: true, tags: [[soname, 9]] }, 'libc.so.6', 'library'],
    ['a module without a name of its own', { type: 3, tags: [[needed, 1]] }, 'accel-tcg.so', 'library'],
    ['an object file', { type: 1 }, 'x.o', undefined],
    ['a core', { type: 4 }, 'core', undefined],
  ] as [string, Made, string, string | undefined][]) {
    for (const [wide, big] of [
      [true, false],
      [true, true],
      [false, false],
      [false, true],
    ] as const) {
      it(`${title} (${wide ? 64 : 32} bits, ${big ? 'big' : 'little'}-endian): ${wanted ?? 'neither'}`, async () => {
        const bytes = elf({ ...made, wide, big });

        assert.equal(await kindOf(reading(bytes), name), wanted);
      });
    }
  }

  it('a script is a program; texts, data and beginnings of files are neither', async () => {
    const kinds = ['#!/bin/sh\n', '#!', '#', '', 'text\n', '\x7fELF', '\x7fELF\x02\x01'].map((text) =>
      kindOf(reading(Buffer.from(text, 'latin1')), 'x'),
    );

    assert.deepEqual(await Promise.all(kinds), ['program', 'program', ...Array(5).fill(undefined)]);
  });

  it('the beginning of an ELF file, cut off anywhere, is told without a fault', async () => {
    const whole = elf({ type: 3, wide: true, tags: [[flags, 0x08000000]] });

    const kinds = await Promise.all(Array.from({ length: 65 }, (_, length) => kindOf(reading(whole.subarray(0, length)), 'x')));

    assert.deepEqual(kinds.slice(0, 64), Array(64).fill(undefined));
  });

  it('reads only a bounded part of a file that claims to be all segments, and never throws', async () => {
    const whole = elf({ type: 3, tags: [[flags, 0x08000000]] });
    let asked = 0;

    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 30 }), async (changes) => {
        const bytes = Buffer.from(whole);
        for (const [at, byte] of changes) if (at > 5) bytes[at] = byte;
        asked = 0;
        const read: ReadAt = (offset, length) => {
          asked += length;
          return bytes.subarray(offset, offset + length);
        };
        await kindOf(read, 'x');
        assert.ok(asked <= 64 + 256 * 56 + 65_536, `${asked}`);
      }),
    );
  });

  it('what gcc makes, and Node itself, is told apart', async function () {
    needs(this, 'gcc');
    const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-elf-'));
    writeFileSync(join(folder, 'x.c'), 'int x(void) { return 1; }\nint main(void) { return x(); }\n');
    const made: Record<string, string[]> = {
      'a program at fixed addresses': ['-no-pie'],
      'a static program': ['-static'],
      'a static position-independent program': ['-static-pie'],
      'a position-independent program': ['-pie', '-fPIE'],
      'a library': ['-shared', '-fPIC', '-Wl,-soname,libx.so.1'],
      'a module': ['-shared', '-fPIC'],
    };

    const kinds = Object.entries(made).map(async ([title, options]): Promise<[string, string | undefined]> => {
      const file = join(folder, title);
      execFileSync('gcc', [...options, '-o', file, join(folder, 'x.c')]);
      return [title, await kindOfFile(file, title === 'a module' ? 'module.so' : 'x')];
    });

    for (const [title, kind] of await Promise.all(kinds)) assert.equal(kind, /library|module/.test(title) ? 'library' : 'program', title);
    assert.equal(await kindOfFile(process.execPath, 'node'), 'program');
    assert.equal(await kindOfFile(fileURLToPath(import.meta.url), 'elf.spec.ts'), undefined);
    rmSync(folder, { recursive: true });
  });
});
