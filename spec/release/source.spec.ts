import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sourceOf } from '../../scripts/release/source.ts';
import { run } from '../lab/run.ts';
import { removeAfter } from '../support/endings.ts';
import { needs } from '../support/needs.ts';
import { scratch } from '../support/trees/treeHost.ts';

describe('the source of a release', function () {
  this.timeout(120_000);
  const folder = scratch('release-source');
  removeAfter(() => folder);
  const env = Object.fromEntries(
    ['AUTHOR', 'COMMITTER'].flatMap((who) => [
      [`GIT_${who}_NAME`, 'someone'],
      [`GIT_${who}_EMAIL`, 'someone@example.org'],
      [`GIT_${who}_DATE`, '1767225600 +0545'],
    ]),
  ) as Record<string, string>;
  const git = async (...argv: string[]) => (await run(['git', '-C', folder, ...argv], { env })).stdout.trim();

  before(async function () {
    needs(this, 'git');
    await git('init', '--quiet');
    writeFileSync(join(folder, 'file'), 'one');
    await git('add', 'file');
    await git('commit', '--quiet', '--no-gpg-sign', '--message', 'one');
  });

  it('is a commit and its time', async () => {
    const source = await sourceOf({ trial: false, folder });

    assert.deepEqual(source, { commit: await git('rev-parse', 'HEAD'), seconds: 1_767_225_600, changed: false });
  });

  for (const [what, name] of Object.entries({ 'a file that was changed': 'file', 'a file that was never committed': 'other' }))
    it(`is refused with ${what}, but for a trial, which says so`, async () => {
      writeFileSync(join(folder, name), 'two');

      await assert.rejects(sourceOf({ trial: false, folder }), new RegExp(`${name}\nneeded: a release is made of a commit`));
      const trial = await sourceOf({ trial: true, folder });

      assert.equal(trial.changed, true);
      await git('checkout', '--quiet', 'file');
      await git('clean', '--quiet', '--force');
    });
});
