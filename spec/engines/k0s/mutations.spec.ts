import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import toml from '@iarna/toml';
import { k0s } from '../../../cli/engines/k0s/index.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { eachRound, type Random } from '../../support/mutations/random.ts';
import { mutatedToml } from '../../support/mutations/toml.ts';
import { loopMs, seed } from '../../support/sample.ts';
import { handler, treesOfSpec } from '../../support/trees/engineTree.ts';
import { folder, instanceOn, k0sFiles, main, ours, unit, unitText } from './k0sFiles.ts';

const wanted = [handler('kata-qemu'), handler('kata-clh')];
const ids = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.runtime'];

/** A file as an administrator, an editor or a crash may leave it. */
const edits: ((text: string, at: number) => string)[] = [
  (text) => text,
  (text) => text.replaceAll('\n', '\r\n'),
  (text) => text.trimEnd(),
  (text) => `\ufeff${text}`,
  (text, at) => text.slice(0, at),
  (text, at) => text.slice(at),
  (text, at) => `${text.slice(0, at)}\0${text.slice(at)}`,
  (text, at) => `${text.slice(0, at)}\n# k0s_managed=true\n${text.slice(at)}`,
  (text, at) => text.slice(0, at) + text.slice(at + 1),
  (text) => text + text,
  (text) => text.replaceAll('kata', 'kata-qemu'),
  (text) => text.replace('version = 2', 'version = "2"'),
  (text) => text.replace(/version = \d\n/, ''),
  (text) => `${text}\n[debug]\nlevel = "info"\n`,
  (text, at) => text.slice(0, at) + ['"', '[', '=', "'''", '\t', '#'][at % 6] + text.slice(at),
];

function edited(text: string, random: Random): string {
  if (random.once(2)) return mutatedToml(text, random);
  return random.pick(edits)(text, random.below(text.length + 1));
}

describe('engines/k0s: files that others changed', () => {
  const treeOf = treesOfSpec();

  for (const { origin, files } of k0sFiles()) {
    it(`${origin}: exactly the handlers are added and every other byte stays, or nothing is touched (seed ${seed})`, async function () {
      this.timeout(loopMs);
      const outcomes = new Set<string>();
      const names = Object.keys(files).filter((name) => name.includes('managed'));

      await eachRound(async (random) => {
        const isOld = random.once(2);
        const tree = await treeOf({
          '/usr/local/bin/k0s': '',
          [unit]: unitText,
          [main]: edited(files[random.pick(names)]!, random),
          [`${folder}/50-other.toml`]: edited(files['1.34.containerd.d.50-kata-v2.toml']!, random),
        });
        const before = tree.everything();
        const instance = await instanceOn(tree.host, isOld ? '1.34.10' : '1.36.3');
        const plan = await k0s.plan(tree.host, instance, wanted).catch((error: unknown) => error);
        if (plan instanceof Error) {
          assert.ok(plan instanceof KataError, String(plan));
          outcomes.add(plan.code);
          assert.deepEqual(tree.everything(), before);
          await tree.remove();
          return;
        }
        const { wiring } = plan as Awaited<ReturnType<typeof k0s.plan>>;
        await tree.apply(plan as Awaited<ReturnType<typeof k0s.plan>>);
        const after = tree.everything();
        const again = await k0s.plan(tree.host, instance, wanted, wiring);
        const read = toml.parse(await tree.read(ours)) as { plugins: Record<string, { containerd: { runtimes: object } }> };
        await tree.apply(await k0s.plan(tree.host, instance, [], wiring));

        outcomes.add('planned');
        assert.deepEqual(again.changes, []);
        assert.deepEqual(Object.keys(read.plugins), [ids[isOld ? 0 : 1]]);
        assert.deepEqual(
          Object.values(read.plugins).flatMap(({ containerd }) => Object.keys(containerd.runtimes)),
          wanted.map((each) => each.name),
        );
        for (const [path, bytes] of Object.entries(before)) assert.equal(digest(after[path]!), digest(bytes), path);
        assert.deepEqual(tree.everything(), before);
        await tree.remove();
      }, 2);

      assert.ok(outcomes.has('planned') && outcomes.size > 2, [...outcomes].join(' '));
    });
  }
});

function digest(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex');
}
