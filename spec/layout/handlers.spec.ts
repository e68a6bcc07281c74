import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import type { KataError } from '../../cli/errors/index.ts';
import { editDistance } from '../../cli/errors/suggest.ts';
import { handlerRow, handlerTable } from '../../cli/layout/index.ts';
import { componentTable } from '../../cli/layout/tables.ts';

const components = new URL('../../../shared/real-data/kata-config/shim-components.json', import.meta.url);

describe('the table of handlers', () => {
  it('has the 27 names of Kata 4.1.0, once each', () => {
    const names = handlerTable.handlers.map((row) => row.name);

    assert.equal(new Set(names).size, 27);
    assert.equal(names.length, 27);
  });

  it("agrees with the release's own manifest", function () {
    if (!existsSync(components)) {
      console.log('      left out: ../shared/real-data/kata-config is not there');
      this.skip();
    }
    const { shims } = JSON.parse(readFileSync(components, 'utf8')) as { shims: Record<string, Record<string, string[]>> };

    const ours = Object.fromEntries(
      handlerTable.handlers.filter((row) => row.name !== 'firecracker').map((row) => [row.name, { ...row.components }]),
    );

    assert.deepEqual(ours, shims);
  });

  it('names only components that have a row', () => {
    for (const row of handlerTable.handlers) {
      for (const name of Object.values(row.components).flat()) assert.ok(componentTable[name] !== undefined, name);
      assert.deepEqual(row.architectures, Object.keys(row.components));
    }
  });

  it('is asked by either name', () => {
    assert.equal(handlerRow('qemu'), handlerRow('kata-qemu'));
  });

  for (const [typed, meant] of [
    ['qemuu', 'kata-qemu'],
    ['kata-qemu-runtime-sr', 'kata-qemu-runtime-rs'],
    ['cloud-hypervisor-runtime-rs', 'kata-clh-runtime-rs'],
    ['kata', 'kata-'],
    ['__proto__', 'kata-'],
  ] as const) {
    it(`suggests ${meant} for ${typed}`, () => {
      assert.throws(
        () => handlerRow(typed),
        (error: KataError) => error.code === 'handler-unknown' && error.complaint.needed.includes(meant),
      );
    });
  }

  it('measures distances as Levenshtein does', () => {
    assert.deepEqual([editDistance('', 'abc'), editDistance('kitten', 'sitting'), editDistance('a', 'a')], [3, 3, 0]);
  });
});
