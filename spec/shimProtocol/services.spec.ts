import assert from 'node:assert/strict';
import fc from 'fast-check';
import { taskServices } from '../../cli/shimProtocol/index.ts';
import { runcShimOf } from '../lab/release/index.ts';
import { type Suite, suiteAvailable } from '../lab/roots.ts';

/** What a text has, by a regular expression over the whole of it. */
function byExpression(bytes: Buffer): number[] {
  const found = [...bytes.toString('latin1').matchAll(/containerd\.task\.v(\d{1,2})\.Task/g)].map((match) => Number(match[1]));
  return [...new Set(found)].sort((a, b) => a - b);
}

function read(bytes: Buffer, cuts: number[]): number[] {
  const reader = taskServices();
  let at = 0;
  for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
    reader.add(bytes.subarray(at, Math.min(cut, bytes.length)));
    at = Math.min(cut, bytes.length);
  }
  return reader.versions();
}

const piece = fc.oneof(
  fc.constantFrom('containerd.task.v', 'containerd.task.v2.Task', 'containerd.task.v3.Task', 'containerd.', '.Task', '2', '10.Task', '\0'),
  fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
);
const bytes = fc.array(piece, { maxLength: 30 }).map((pieces) => Buffer.from(pieces.join(''), 'latin1'));

describe('task services in an executable', () => {
  it('are found in any bytes, however the stream is cut', () => {
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(600), { maxLength: 20 }), (whole, cuts) => {
        const found = read(whole, cuts);

        assert.deepEqual(found, byExpression(whole));
      }),
      { numRuns: 2000 },
    );
  });

  it('are found when every piece is one byte', () => {
    const whole = Buffer.from('x\0containerd.task.v3.Taskcontainerd.task.v2.Task/State');

    const found = read(whole, [...whole.keys()]);

    assert.deepEqual(found, [2, 3]);
  });

  it('keep no piece of the stream alive: what a hostile file has at most is a hundred numbers', () => {
    const whole = Buffer.from(Array.from({ length: 5000 }, (_, at) => `containerd.task.v${at}.Task`).join(''));

    const found = read(whole, [100, 5000, 70_000]);

    assert.equal(found.length, 100);
  });

  for (const [suite, wanted] of [
    ['trixie', 2],
    ['forky', 3],
  ] as [Suite, number][]) {
    it(`${wanted} alone in Debian's containerd-shim-runc-v2 of ${suite}`, async function () {
      this.timeout(900_000);
      const available = await suiteAvailable(suite);
      if (!available.ok) {
        console.log(`      ${suite} cannot be installed today: ${available.why}`);
        return this.skip();
      }
      const shim = await runcShimOf(suite);

      const found = read(shim, [1_000_001, 7_000_003]);

      assert.deepEqual(found, [wanted]);
    });
  }
});
