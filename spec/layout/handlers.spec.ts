import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { KataError } from '../../cli/errors/index.ts';
import { editDistance } from '../../cli/errors/suggest.ts';
import { handlerRow, handlerTable } from '../../cli/layout/index.ts';
import { componentTable } from '../../cli/layout/tables.ts';

const components = new URL('../../../shared/real-data/kata-config/shim-components.json', import.meta.url);

/** undefined where the file is not beside this checkout. */
function shimsIn(file: string): Record<string, Record<string, string[]>> | undefined {
  if (!existsSync(file)) return undefined;
  return (JSON.parse(readFileSync(file, 'utf8')) as { shims: Record<string, Record<string, string[]>> }).shims;
}

describe('the table of handlers', () => {
  it('has the 27 names of Kata 4.1.0, once each', () => {
    const names = handlerTable.handlers.map((row) => row.name);

    assert.equal(new Set(names).size, 27);
    assert.equal(names.length, 27);
  });

  it("agrees with a release's manifest: with the rows of a small one, and with all of Kata's own where it is", () => {
    const [small, own] = [fileURLToPath(new URL('shimComponents.json', import.meta.url)), fileURLToPath(components)].map(shimsIn);
    const ours = handlerTable.handlers.flatMap(({ name, components: of }) => (name === 'firecracker' ? [] : [[name, { ...of }] as const]));

    const named = ours.filter(([name]) => small?.[name] !== undefined);

    assert.deepEqual(Object.fromEntries(named), small);
    if (own !== undefined) assert.deepEqual(Object.fromEntries(ours), own);
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
