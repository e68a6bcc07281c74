import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { plainReleases } from '../support/trees/inProcessTree.ts';
import { payloadOf, startingTrees } from '../support/trees/startingTrees.ts';

describe('reading verbs on an offline tree', function () {
  this.timeout(300_000);
  const { installed } = startingTrees();
  let second: string;

  before(async () => {
    ({ second } = await plainReleases());
  });

  it('verify finds nothing on what was just installed, and names a file that was changed', async () => {
    const host = installed();
    const payload = payloadOf(host);

    const well = await host.json(['verify']);
    writeFileSync(`${payload}/VERSION`, 'another\n');
    const drifted = await host.json(['verify'], 1);

    assert.deepEqual(well['drift'], []);
    const subjects = (drifted['drift'] as { subject: string }[]).map(({ subject }) => subject);
    assert.ok(
      subjects.some((subject) => subject.endsWith('/VERSION')),
      JSON.stringify(subjects),
    );
  });

  it('status, history, diff and check say the same generations that the tree has', async () => {
    const host = installed();

    const status = await host.json(['status']);
    const history = await host.json(['history']);
    const diff = await host.json(['diff', '1', '2']);
    const check = await host.json(['check', second]);

    assert.equal((status['generations'] as unknown[]).length, 2);
    assert.deepEqual(
      (history['entries'] as { verb: string; result: string }[]).map(({ verb, result }) => `${verb} ${result}`),
      ['install done', 'install done'],
    );
    assert.ok(JSON.stringify(diff).includes('VERSION'));
    assert.deepEqual([check['ready'], check['installed']], [true, 2]);
  });

  it('the texts for people have the same content: status -v, history N, diff, verify, check', async () => {
    const host = installed();

    const said = [];
    for (const words of [['status', '-v'], ['history', '2'], ['diff', '1', '2'], ['verify'], ['check', second]])
      said.push(await host.run(words));

    assert.deepEqual(
      said.map(({ status }) => status),
      [0, 0, 0, 0, 0],
    );
    const [status, history, diff, verify, check] = said.map(({ stdout }) => stdout) as [string, string, string, string, string];
    assert.match(status, /^● 2 /m);
    assert.match(history, /install/);
    assert.match(diff, /~ VERSION/);
    assert.match(verify, /all as installed/);
    assert.match(check, /installed already/);
  });
});
