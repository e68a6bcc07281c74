import assert from 'node:assert/strict';
import { bootable, compare, judged, type Scenario, scenarios } from '../support/faults/crash.ts';
import { callsOf, faults, type Injection, kills, runInjected, titleOf } from '../support/faults/strace.ts';
import { planned } from '../support/plan.ts';
import { loopMs, sample } from '../support/sample.ts';

/** Two a run that has it: all of them in five of these. */
const names = planned(
  import.meta.url,
  ['install', 'upgrade', 'configure', 'rollback', 'uninstall', 'purge', 'gc', 'recover before the commit', 'recover after the commit'],
  2,
);
/** Deaths: by strace's signal, or by libuv, which aborts when it cannot wake its own thread. */
const deaths = [137, 134];

/** As `crash`, without the code's help: the kernel kills or fails the Nth call of each kind that changes something. */
describe('system calls', function () {
  this.timeout(loopMs);
  let all: Scenario[] = [];
  let remove: () => void = () => undefined;
  const counts = { cases: 0, reached: 0 };

  before(async () => {
    ({ all, remove } = await scenarios([...new Set([...names, 'rollback', 'install'])]));
  });

  after(() => {
    console.log(`      ${counts.cases} cases, ${counts.reached} of them changed the outcome of the command`);
    remove();
  });

  for (const [what, injections, count] of [
    ['killed', kills, 2],
    ['failing', faults, 1],
  ] as const) {
    for (const name of names) {
      it(`${name}: ${what} at the Nth call, then recover: the old or the new tree`, async () => {
        const scenario = all.find((each) => each.name === name)!;
        const host = scenario.base.copy();
        const chosen = sample(injections(await callsOf(host, scenario.args)), count, `${what} ${name}`);
        host.remove();

        const problems: string[] = [];
        const before = counts.reached;
        for (const injection of chosen) problems.push(...(await disturbed(scenario, injection, counts)));

        assert.deepEqual(problems, []);
        // A kill that never comes proves nothing. (libuv's own writes shift the numbers of a few.)
        if (what === 'killed') assert.ok(counts.reached - before >= chosen.length / 2, 'most kills missed');
      });
    }
  }

  // All is put back but the mark in /etc: exit 1 would say that the host is as it was.
  it('rollback: each unlink on a file system that turns read-only', async () => {
    const scenario = all.find((each) => each.name === 'rollback')!;
    const host = scenario.base.copy();
    const chosen = (await callsOf(host, scenario.args))
      .filter(({ call }) => call === 'unlink')
      .map((each) => ({ ...each, act: 'error=EROFS', onwards: true }));
    host.remove();

    const problems: string[] = [];
    for (const injection of chosen) problems.push(...(await disturbed(scenario, injection, counts)));

    assert.ok(chosen.length >= 4);
    assert.deepEqual(problems, []);
  });

  // The end of an install: its undo cannot write either, or it is committed and only cleaning up. Both went wrong once.
  it('install: the last renames on a file system that turns read-only, the last syncs failing', async () => {
    const scenario = all.find((each) => each.name === 'install')!;
    const host = scenario.base.copy();
    const calls = await callsOf(host, scenario.args);
    host.remove();
    const last = (call: string) =>
      calls
        .filter((each) => each.call === call)
        .sort((a, b) => b.nth - a.nth)
        .slice(0, 6);
    const chosen: Injection[] = [
      ...last('rename').map((each) => ({ ...each, act: 'error=EROFS', onwards: true })),
      ...last('fsync').map((each) => ({ ...each, act: 'error=EIO' })),
    ];

    const problems: string[] = [];
    for (const injection of chosen) problems.push(...(await disturbed(scenario, injection, counts)));

    assert.deepEqual(problems, []);
  });
});

async function disturbed(scenario: Scenario, injection: Injection, counts: { cases: number; reached: number }): Promise<string[]> {
  const host = scenario.base.copy();
  const { status, stdout, stderr } = await runInjected(host, [...scenario.args, '--json'], injection);
  counts.cases += 1;
  if (status !== 0) counts.reached += 1;
  const problems = bootable(host);
  const recovers = scenario.args[0] === 'recover';
  // What the exit status says must be true before anybody recovers: 1, 3 and 4 are “as it was”.
  if ([1, 3, 4].includes(status) && !recovers) problems.push(...compare(scenario, judgedIfSettled(scenario, host), ['old']));
  if (![0, 1, 3, 5, 75, ...deaths].includes(status)) problems.push(`it ended with ${status}`);
  if (stdout.includes('"internal"')) problems.push(`an error that the program does not know: ${stdout} ${stderr}`);
  await host.json(['recover']);
  problems.push(...compare(scenario, judged(host), status === 0 ? ['new'] : ['old', 'new']));
  if (problems.length === 0) host.remove();
  else problems.push(`${host.root}: ${status} ${stdout}${stderr}`);
  return problems.map((problem) => `${scenario.name}, ${titleOf(injection)}: ${problem}`);
}

/** After exit 1 the host itself is as it was; our own folder may hold rubbish when removing it was what failed. */
function judgedIfSettled(scenario: Scenario, host: Scenario['base']): string[] {
  const ours = (line: string) => /var\/lib\/kata-sysext|var\/usrlocal/.test(line);
  return [...judged(host).filter((line) => !ours(line)), ...scenario.old.filter(ours)];
}
