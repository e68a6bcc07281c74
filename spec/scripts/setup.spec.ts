import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { packageNames, setupRefusal } from '../../scripts/setup.ts';
import { repo } from '../support/program.ts';

describe('npm test -- --setup', () => {
  it('is for root on Debian, and says so elsewhere', () => {
    const refusals = [setupRefusal(0, true), setupRefusal(1000, true), setupRefusal(0, false)];

    assert.equal(refusals[0], undefined);
    assert.match(refusals[1]!, /only root may: run it as root/);
    assert.match(refusals[2]!, /this is no Debian: install what \.ci\/packages\.txt names/);
  });

  it('installs every package that .ci/packages.txt names, without its comments', () => {
    const names = packageNames('# a comment\n\nzstd\nattr   # getfattr\n');
    const real = packageNames();

    assert.deepEqual(names, ['zstd', 'attr']);
    assert.ok(real.length > 40 && real.every((name) => /^[a-z0-9][a-z0-9+.-]+$/.test(name)), real.join(' '));
  });

  it('an option or a tier that is not there ends with 2 and the words that are', () => {
    const ran = [['--set-up'], ['--tier', 'none']].map((args) =>
      spawnSync(process.execPath, ['--import', 'tsx', 'scripts/test.ts', ...args], { cwd: repo, encoding: 'utf8' }),
    );

    assert.deepEqual(
      ran.map(({ status }) => status),
      [2, 2],
    );
    for (const { stderr } of ran) assert.match(stderr, /npm test -- \[--tier unit\|/);
  });
});
