import assert from 'node:assert/strict';
import { failAt, killedAt } from '../support/faults/crash.ts';
import { roundOf, startable } from '../support/faults/engineCrash.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { loopMs, sample } from '../support/sample.ts';
import { engineHosts } from '../support/trees/engineHosts.ts';

/** Those whose wiring is not an edit of one file: of all others the crash points are in crash.spec.ts. */
const names = sample(['containerd, a root file', 'Docker', 'k3s, templates', 'k3s, a drop-in', 'RKE2', 'k0s', 'nodeadm'], 3, 'engines');

/** Points of a wiring's own steps per change; what else a change passes is the same for every engine. */
const counts: Record<string, number> = { install: 2, upgrade: 1, rollback: 1, uninstall: 2 };

describe('crash of an engine’s wiring', function () {
  this.timeout(loopMs);
  let cases = 0;

  after(() => console.log(`      ${cases} cases`));

  for (const name of names)
    it(`${name}: a change killed at any step, then recover: the old or the new tree, and nothing of the round is left`, async () => {
      const { pristine, scenarios, remove } = await roundOf(engineHosts[name]!);

      const problems: string[] = [];
      for (const scenario of scenarios) {
        const steps = scenario.points.filter((point) => /^(?:step|commit)\//.test(point));
        const chosen = sample(steps, counts[scenario.name]!, `${name} ${scenario.name}`);
        cases += chosen.length;
        for (const point of chosen)
          problems.push(
            ...(await killedAt(scenario.base, scenario.args, failAt(point, 'kill'), [scenario.old, scenario.new], { killed: startable })),
          );
      }

      assert.deepEqual(problems, []);
      assert.deepEqual(differences(pristine, scenarios.at(-1)!.new), []);
      remove();
    });
});
