import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failuresOf } from '../../scripts/failures.ts';

describe('what a run of tests says at its end', () => {
  it('is what real Mocha said of each failure, of hooks too, with colours and without', () => {
    const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-failures-'));
    try {
      const spec = join(folder, 'some.spec.cjs');
      writeFileSync(
        spec,
        `describe('a group', () => { it('works', () => {}); it('breaks', () => { throw new Error('of this reason'); }); after(() => { throw new Error('in the hook'); }); });`,
      );
      for (const colour of ['--color', '--no-color']) {
        const mocha = ['node_modules/mocha/bin/mocha.js', '--no-config', colour, spec];
        const { stdout } = spawnSync(process.execPath, mocha, { encoding: 'utf8' });
        const said = failuresOf(`${stdout}\n1 passed, 2 failed, 0 skipped\n`, false);
        assert.match(said, /2 failing/);
        assert.match(said, /of this reason/);
        assert.match(said, /in the hook/);
        assert.doesNotMatch(said, /works|passed/);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('names what was skipped without leave and what a tier lacked', () => {
    const said = failuresOf('\n# tier vm\nleft out, it needs root.\n! skipped in CI: a title\n\n0 passed, 1 failed, 0 skipped\n', false);
    assert.equal(said, 'left out, it needs root.\n! skipped in CI: a title');
  });

  it('is the last lines of a tier that died', () => {
    assert.equal(failuresOf(`${'x'.repeat(20_000)}\nKilled\n`, true).slice(-8), '\nKilled'.padStart(8, 'x'));
  });

  it('is bounded', () => {
    assert.ok(failuresOf(`  1 failing\n${'x'.repeat(50_000)}`, false).length < 9000);
  });
});
