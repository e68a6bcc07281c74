import assert from 'node:assert/strict';
import fc from 'fast-check';
import { printable, watchConsole } from '../../cli/guest/console.ts';

/** Lines of a real boot: Debian 6.1 in QEMU 7.2. */
const booted = [
  'Probing EDD (edd=off to disable)... ok\r\r\n',
  '[    0.000000] Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0) #1 SMP\r\n',
  '[    0.934809] Freeing unused decrypted memory: 2036K\r\n',
  '[    0.990078] Run /init as init process\r\n',
  '[    0.990160]   with arguments:\r\n',
  '[    0.990218]     /init\r\n',
  'LAB-MARKER 4.0.0-lab1\r\n',
];
const panic = [
  '[    1.292511] VFS: Cannot open root device "vda1" or unknown-block(0,0): error -19\r\n',
  '[    1.293037] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n',
];

function seen(text: string, sizes: number[] = [text.length]): ReturnType<typeof watchConsole>['shown'] {
  const console = watchConsole();
  let at = 0;
  for (const size of sizes) {
    console.take(text.slice(at, at + size), at);
    at += size;
  }
  console.take(text.slice(at), at);
  return console.shown;
}

describe('reading a guest’s console', () => {
  it('sees the kernel, its first program and that program’s own words', () => {
    const shown = seen(booted.join(''));

    assert.deepEqual([shown.kernel, shown.init, shown.user, shown.panic], ['6.1.0-56-cloud-amd64', true, true, undefined]);
  });

  it('takes the kernel’s lines after "Run" for the kernel’s, and systemd’s for a program’s', () => {
    assert.equal(seen(booted.slice(0, 6).join('')).user, false);
    assert.equal(seen(`${booted.slice(0, 6).join('')}[    1.2] systemd[1]: systemd 257 running in system mode\n`).user, true);
  });

  it('sees a panic, and that a first program could not be run', () => {
    assert.match(seen([...booted.slice(0, 3), ...panic].join('')).panic!, /^Kernel panic - not syncing: VFS/);
    const failed = seen([...booted.slice(0, 4), '[ 1.0] Failed to execute /init (error -8)\n'].join(''));
    assert.deepEqual([failed.init, failed.initAt], [false, undefined]);
  });

  it('believes no panic and no first program before a kernel', () => {
    const shown = seen(['Run /init as init process\n', ...panic].join(''));

    assert.deepEqual([shown.alive, shown.init, shown.panic], [true, false, undefined]);
  });

  it('sees the same however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 60 })), (sizes) => {
        const { kernelAt, initAt, ...cut } = seen(booted.join(''), sizes);
        const { kernelAt: _, initAt: __, ...whole } = seen(booted.join(''));

        assert.deepEqual(cut, whole);
        assert.ok(kernelAt !== undefined && initAt !== undefined && kernelAt <= initAt);
      }),
    );
  });

  it('lets nothing through that a terminal would obey, and keeps little', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (noise) => {
        const shown = seen(`Linux version 6.1\u001b[31m${noise}\n${noise.repeat(20)}\n`);

        const all = [shown.kernel ?? '', shown.panic ?? '', ...shown.tail];
        assert.ok(all.every((text) => /^[ -~]*$/.test(text)));
        assert.ok(shown.tail.length <= 8 && shown.tail.every((text) => text.length <= 1000));
      }),
    );
    assert.equal(printable('\u001b[1;31mred\u001b[0m \u202eevil\u0007'), 'red evil');
  });
});
