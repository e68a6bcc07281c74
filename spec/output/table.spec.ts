import assert from 'node:assert/strict';
import { age, tableLines } from '../../cli/output/index.ts';

describe('tables', () => {
  it('are as wide as their cells, have their heads above, and leave out what is empty', () => {
    const rows = [
      ['● 2', ['kata-qemu', 'kata → kata-qemu'], '', '4.1.0'],
      ['  1', 'kata-clh', '', ''],
    ];

    const lines = tableLines(['  NUMBER', 'HANDLERS', 'NOTES', 'RELEASE'], rows);

    assert.deepEqual(lines, [
      '  NUMBER  HANDLERS          RELEASE',
      '● 2       kata-qemu         4.1.0',
      '          kata → kata-qemu',
      '  1       kata-clh',
    ]);
  });

  it('say how old something is', () => {
    const now = new Date('2026-06-10T12:00:00Z');

    const seen = [
      '2026-06-10T12:00:00Z',
      '2026-06-10T11:58:30Z',
      '2026-06-10T09:00:01Z',
      '2026-01-01T00:00:00Z',
      '2026-06-11T00:00:00Z',
      'x',
    ];

    assert.deepEqual(
      seen.map((at) => age(at, now)),
      ['0 s', '1 min', '2 h', '160 d', '–', '–'],
    );
  });
});
