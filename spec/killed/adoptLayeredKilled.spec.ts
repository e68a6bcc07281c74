import assert from 'node:assert/strict';
import { failAt, judged, killedAt, pointsOf } from '../support/faults/crash.ts';
import { loopMs, sample } from '../support/sample.ts';
import { layeredTree, serves } from '../support/trees/layeredTree.ts';
import { releases, type TreeHost } from '../support/trees/treeHost.ts';

describe('adopt layered', function () {
  this.timeout(loopMs);
  let first: string;
  let host: TreeHost;

  before(async () => {
    ({ first } = await releases());
  });
  beforeEach(() => {
    host = layeredTree();
  });
  afterEach(() => host.remove());

  it('killed at any failpoint: the name kata is served at that very moment; then recover: the old or the new tree', async () => {
    const args = ['adopt', 'layered', first];
    const { points, trees } = await undisturbed(args);
    const between = points.filter((point) => point.startsWith('step/file/'));

    const problems: string[] = [];
    for (const point of new Set([...between, ...sample(points, 5, 'adopt layered')]))
      problems.push(...(await killedAt(host, args, failAt(point, 'kill'), trees, { killed: unserved, recovered: unserved })));

    // Two files of the engine, and what keeps the kernel modules.
    assert.equal(between.filter((point) => point.startsWith('step/file/after')).length, 3, between.join());
    assert.deepEqual(problems, []);
  });

  it('killed at any failpoint of the way back: the same', async () => {
    await host.json(['adopt', 'layered', first]);
    const { points, trees } = await undisturbed(['uninstall']);
    const between = points.filter((point) => point.startsWith('step/file/'));

    const problems: string[] = [];
    for (const point of new Set([...between, ...sample(points, 3, 'adopt layered, back')]))
      problems.push(...(await killedAt(host, ['uninstall'], failAt(point, 'kill'), trees, { killed: unserved, recovered: unserved })));

    assert.deepEqual(problems, []);
  });

  /** What the change passes and makes when nothing happens to it. */
  async function undisturbed(args: string[]): Promise<{ points: string[]; trees: string[][] }> {
    const tried = host.copy();
    const points = await pointsOf(tried, args);
    const trees = [judged(host), judged(tried)];
    tried.remove();
    return { points, trees };
  }
});

function unserved(tree: TreeHost): string[] {
  return serves(tree, 'kata') ? [] : ['nothing serves kata'];
}
