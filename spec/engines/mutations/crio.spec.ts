import assert from 'node:assert/strict';
import { KataError } from '../../../cli/errors/index.ts';
import { engineFiles } from '../../support/engineFiles.ts';
import { brokenBytes } from '../../support/mutations/bytes.ts';
import { changesOf, eachFile, eachRound, mutationCount } from '../../support/mutations/random.ts';
import { strictToml, type Table } from '../../support/mutations/strictToml.ts';
import { mutatedToml } from '../../support/mutations/toml.ts';
import { loopMs, seed } from '../../support/sample.ts';
import { engineTree } from '../../support/trees/engineTree.ts';
import { folder, main, ours, plan, whole } from '../crioPlans.ts';

const names = ['kata-qemu', 'kata-clh'];
const corpus = engineFiles('crio').map(({ name, bytes }) => ({ name, text: bytes.toString() }));

/** What people write into such files, and what keeps the daemon from starting. */
const pieces = [
  '[crio.runtime]\nlog_level = "debug"\n',
  '[CRIO.Runtime.RUNTIMES.crun]\nruntime_path = "/usr/bin/crun"\n',
  '[crio.runtime.runtimes.kata-qemu]\nruntime_path = "/opt/kata"\n',
  '[crio.runtime.runtimes]\n',
  'crio = { runtime = { runtimes = { crun = {} } } }\n',
  '[crio]\nruntime.runtimes.x = { runtime_path = "/x" }\n',
  '[[crio.runtime.runtimes]]\n',
  '[crio.image]\npause_image = "{{ pause_image }}"\n',
  '# {{ ansible_managed }}\n',
];

describe('engines/crio: files that others changed', function () {
  this.timeout(loopMs);

  for (const { name, text } of corpus)
    it(`${name}: every byte stays, as the main file and as a drop-in`, async () => {
      const outcomes = [await goRound(text, main), await goRound(text, `${folder}/10-crio.conf`)];

      assert.deepEqual(outcomes, ['planned', 'planned']);
    });

  it(`${changesOf(corpus)} files that were changed at random keep every byte; the drop-in says the handlers alone (seed ${seed})`, async () => {
    const outcomes = new Map<string, number>();

    await eachFile(corpus, async ({ text: base }, random) => {
      const text = mutatedToml(random.once(2) ? `${base}\n${random.pick(pieces)}` : base, random);
      const outcome = await goRound(text, random.pick([main, `${folder}/10-crio.conf`, `${folder}/99 odd name~`, `${folder}/sub/x.conf`]));
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    });

    console.log(`      ${[...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(', ')}`);
    for (const outcome of ['planned', 'engine-config-invalid']) assert.ok(mutationCount < 200 || outcomes.has(outcome), outcome);
  });

  it('bytes that are no UTF-8 are refused with their place', async () => {
    await eachRound(async (random) => {
      const tree = await engineTree({ [random.pick([main, `${folder}/10-x.conf`])]: brokenBytes(random.pick(corpus).text, random) });

      const error = await plan(tree, names).catch((thrown: unknown) => thrown);
      await tree.remove();

      assert.ok(error instanceof KataError && error.code === 'engine-config-invalid', String(error));
      assert.match(error.complaint.found, /line \d+, column \d+/);
    }, 10);
  });
});

async function goRound(text: string, place: string): Promise<string> {
  const tree = await engineTree({ [place]: text, [`${folder}/60-later.conf`]: '' });
  try {
    const before = tree.everything();
    const first = await plan(tree, names).catch((error: unknown) => error as Error);
    if (first instanceof Error) {
      if (!(first instanceof KataError)) throw first;
      assert.match(first.code, /^engine-/);
      assert.deepEqual(tree.everything(), before);
      if (strictToml(text) === undefined && first.code === 'engine-config-invalid')
        assert.match(first.complaint.found, /line \d+, column \d+|larger than/, `${first.message}\n${text}`);
      return first.code;
    }
    await tree.apply(first);
    const own = await tree.read(ours);
    const again = await plan(tree, names, first.wiring);
    const fewer = await plan(tree, names.slice(1), first.wiring);
    await tree.apply(fewer);
    const more = await plan(tree, names, fewer.wiring);
    await tree.apply(more);
    const after = tree.everything();
    await tree.apply(await plan(tree, [], more.wiring));

    assert.equal(own, whole);
    assert.deepEqual([again.changes, again.wiring?.key, more.wiring?.key], [[], first.wiring?.key, first.wiring?.key]);
    for (const [path, bytes] of Object.entries(before)) assert.equal(after[path], bytes, path);
    const { crio } = strictToml(own) as { crio: { runtime: { runtimes: Table } } };
    assert.deepEqual(Object.keys(crio.runtime.runtimes), names);
    assert.deepEqual(tree.everything(), before);
    return 'planned';
  } finally {
    await tree.remove();
  }
}
