import assert from 'node:assert/strict';
import { wantedTarget } from '../../cli/facts/boot.ts';

describe('the target that a kernel’s command line asks for', () => {
  for (const [line, target] of [
    ['BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet', undefined],
    ['quiet single', 'rescue.target'],
    ['quiet 1\n', 'rescue.target'],
    ['emergency rescue', 'rescue.target'],
    ['rescue systemd.unit=multi-user.target', 'multi-user.target'],
    ['systemd.unit=emergency.target quiet', 'emergency.target'],
    ['rd.systemd.unit=rescue.target root=LABEL=single', undefined],
    ['1 3', 'multi-user.target'],
    ['-b', 'emergency.target'],
    ['quiet dyndbg="file drivers/vfio/* line 1 +p" root=/dev/sda1', undefined],
    ["note='single' 'rescue'", 'rescue.target'],
    ['', undefined],
    ['toString', undefined],
  ] as const)
    it(`${line.trim() || 'nothing'}: ${target ?? 'none'}`, () => assert.equal(wantedTarget(line), target));
});
