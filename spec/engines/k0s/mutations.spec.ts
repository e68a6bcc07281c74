import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import toml from '@iarna/toml';
import fc from 'fast-check';
import { k0s } from '../../../cli/engines/k0s/index.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { all, seed } from '../../support/sample.ts';
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
const edit = fc.tuple(fc.nat(edits.length - 1), fc.nat(5000));

function edited(text: string, [which, at]: [number, number]): string {
  return edits[which]!(text, at % (text.length + 1));
}

describe('engines/k0s: files that others changed', () => {
  const treeOf = treesOfSpec();

  for (const { origin, files } of k0sFiles()) {
    it(`${origin}: exactly the handlers are added and every other byte stays, or nothing is touched`, async function () {
      this.timeout(all ? 3_600_000 : 300_000);
      const outcomes = new Set<string>();
      const names = Object.keys(files).filter((name) => name.includes('managed'));

      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...names), edit, edit, fc.boolean(), async (name, mainEdit, otherEdit, isOld) => {
          const tree = await treeOf({
            '/usr/local/bin/k0s': '',
            [unit]: unitText,
            [main]: edited(files[name]!, mainEdit),
            [`${folder}/50-other.toml`]: edited(files['1.34.containerd.d.50-kata-v2.toml']!, otherEdit),
          });
          const before = tree.everything();
          const instance = await instanceOn(tree.host, isOld ? '1.34.10' : '1.36.3');
          const plan = await k0s.plan(tree.host, instance, wanted).catch((error: unknown) => error);
          if (plan instanceof Error) {
            assert.ok(plan instanceof KataError, String(plan));
            outcomes.add(plan.code);
            assert.deepEqual(tree.everything(), before);
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
        }),
        { numRuns: all ? 3000 : 100, seed },
      );

      assert.ok(outcomes.has('planned') && outcomes.size > 2, [...outcomes].join(' '));
    });
  }
});

function digest(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex');
}
