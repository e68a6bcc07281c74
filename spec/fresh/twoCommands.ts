import assert from 'node:assert/strict';
import { failuresOf } from '../../scripts/failures.ts';
import { type FreshSuite, onFreshMachine } from '../lab/fresh.ts';
import { suiteAvailable } from '../lab/roots.ts';

const command = 'npm ci && npm start && npm test && echo "left in /tmp: $(ls -A /tmp)"';
/** Far below what the unit tier has: it was left out whole, or in great parts, where fewer pass. */
const fewestPassed = 600;

/** README's two commands on a newcomer's machine, where CI is not set: what lacks a program is left out, and nothing fails. */
export function twoCommands(suite: FreshSuite, user: string): void {
  describe(`a fresh ${suite} with git, Node and npm, and nothing else, as ${user}`, function () {
    this.timeout(3_600_000);

    it('npm ci, npm start and npm test end well, name the command for the rest, and leave nothing in /tmp', async function () {
      const available = await suiteAvailable(suite);
      if (!available.ok) {
        console.log(`      left out: ${available.why}`);
        return this.skip();
      }

      const ran = await onFreshMachine(suite, user, command, 3_000_000);

      const said = `${ran.stdout}\n${ran.stderr}`;
      const [, passed, failed, skipped] = /\n(\d+) passed, (\d+) failed, (\d+) skipped\nleft in \/tmp: \n/.exec(ran.stdout) ?? [];
      assert.equal(ran.code, 0, `exit status ${ran.code}\n${failuresOf(said, !said.includes(' failing'))}`);
      console.log(`      there: ${passed} passed, ${failed} failed, ${skipped} skipped`);
      assert.equal(failed, '0', said.slice(-2000));
      assert.ok(Number(passed) >= fewestPassed, `only ${passed} passed`);
      assert.match(ran.stdout, /\n {4}npm test -- --setup\n/);
      assert.match(ran.stdout, /\nLeft out: the tiers .*\bvm\b/);
    });
  });
}
