import assert from 'node:assert/strict';
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

interface Plan {
  steps: { text: string }[];
  removedGenerations: number[];
  freedBytes: number;
}

/** The `st_size` of all that is in a tree, by a walk of its own. */
function bytesIn(folder: string): number {
  const sizes = readdirSync(folder, { withFileTypes: true }).map((entry) => {
    const path = join(folder, entry.name);
    return lstatSync(path).size + (entry.isDirectory() ? bytesIn(path) : 0);
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}

describe('plans of removals', () => {
  let host: TreeHost;

  before(async () => {
    const { first, second } = await releases();
    host = treeHost('fcos');
    await host.json(['install', first]);
    await host.json(['install', second]);
    await host.json(['configure', '--set', 'default_memory=4096']);
  });
  after(() => host.remove());

  /** Whether two counts are as near as a history entry and notes let them be. */
  function near(freed: number, fell: number): boolean {
    return Math.abs(freed - fell) <= Math.max(fell / 10, 16 * 1024);
  }

  /** What a verb frees on a copy of the tree: as plan and receipt say, and as the tree is smaller afterwards. */
  async function freedBy(args: string[]) {
    const copy = host.copy();
    const before = bytesIn(copy.root);
    const plan = (await copy.json([...args, '--dry-run'])) as unknown as Plan;
    const done = (await copy.json(args)) as unknown as Plan;
    const fell = before - bytesIn(copy.root);
    copy.remove();
    return { plan, done, fell };
  }

  it('gc: says what would go and the bytes that this frees, and gc then frees them', async () => {
    const { plan, done, fell } = await freedBy(['gc', '--keep', '0']);
    const { stdout } = await host.run(['gc', '--keep', '0', '--dry-run']);
    const nothing = await host.run(['gc', '--keep', '9', '--dry-run']);

    assert.match(
      stdout,
      /^plan: gc, 1 generation to remove, [\d.]+ k?B freed\n {2}1\. remove generation 1 \([\d.]+ k?B\)\n {2}2\. remove the payload of Kata \S+, sha256:/,
    );
    assert.match(nothing.stdout, /^plan: gc, no generations to remove, 0 B freed\n {2}nothing to do\n/);
    assert.deepEqual([plan.removedGenerations, plan.freedBytes], [[1], done.freedBytes]);
    assert.ok(plan.freedBytes > 0 && near(plan.freedBytes, fell), `${plan.freedBytes} said, ${fell} fell`);
  });

  it('gc: generations of a payload that stays free what they are themselves', async () => {
    const several = host.copy();
    for (const memory of [4097, 4098, 4099, 4100]) await several.json(['configure', '--set', `default_memory=${memory}`]);
    const before = bytesIn(several.root);

    const plan = (await several.json(['gc', '--keep', '0', '--dry-run'])) as unknown as Plan;
    const done = (await several.json(['gc', '--keep', '0'])) as unknown as Plan;

    const fell = before - bytesIn(several.root);
    several.remove();
    assert.deepEqual([plan.removedGenerations, done.removedGenerations], [done.removedGenerations, [1, 2, 3, 4, 5]]);
    assert.equal(plan.freedBytes, done.freedBytes);
    assert.ok(near(done.freedBytes, fell) && done.freedBytes > 5 * 1024, `${done.freedBytes} said, ${fell} fell`);
  });

  it('uninstall: lists generations, payloads and reserved room with their bytes, and the history only with --purge', async () => {
    const { plan, done, fell } = await freedBy(['uninstall']);
    const purge = await freedBy(['uninstall', '--purge']);
    const { stdout } = await host.run(['uninstall', '--dry-run']);

    const texts = plan.steps.map(({ text }) => text);
    const those = (pattern: RegExp) => texts.filter((text) => pattern.test(text)).length;
    assert.deepEqual(plan.removedGenerations, [1, 2, 3]);
    assert.deepEqual([done.removedGenerations, done.freedBytes], [plan.removedGenerations, plan.freedBytes]);
    assert.equal(those(/^remove generation [123] \([\d.]+ k?B\)$/), 3, texts.join('\n'));
    assert.equal(those(/^remove the payload of Kata \S+, sha256:[0-9a-f]{64} \([\d.]+ k?B\)$/), 2);
    assert.equal(those(/^remove the reserved room, \/var\/lib\/kata-sysext\/reserved-space \(524 kB\)$/), 1);
    assert.ok(near(plan.freedBytes, fell), `${plan.freedBytes} said, ${fell} fell`);
    assert.ok(near(purge.plan.freedBytes, purge.fell), `${purge.plan.freedBytes} said, ${purge.fell} fell`);
    assert.equal(purge.done.freedBytes, purge.plan.freedBytes);
    assert.match(stdout, /^plan: uninstall, from generation 3 to nothing, .*[\d.]+ [kM]?B freed\n/);
    assert.ok(purge.plan.steps.some(({ text }) => /^remove the history \([\d.]+ k?B\)$/.test(text)) && those(/the history/) === 0);
  });

  it('the receipt of uninstall says for people what went and what that freed', async () => {
    const copy = host.copy();

    const { stdout } = await copy.run(['uninstall']);
    const again = await copy.run(['uninstall', '--dry-run']);

    copy.remove();
    assert.match(stdout, / · removed generations 1, 2, 3 · [\d.]+ [kM]B freed · /);
    assert.match(again.stdout, /^plan: uninstall, no generations to remove, 0 B freed\n {2}nothing to do\n/);
  });

  it('uninstall --purge: of a history that is not there the plan says nothing, as the run does', async () => {
    const bare = treeHost('fcos');

    const plan = (await bare.json(['uninstall', '--purge', '--dry-run'])) as unknown as Plan;
    const { stdout } = await bare.run(['uninstall', '--purge', '--dry-run']);
    const done = await bare.json(['uninstall', '--purge']);
    await bare.json(['install', (await releases()).first]);
    await bare.json(['uninstall']);
    const left = (await bare.json(['uninstall', '--purge', '--dry-run'])) as unknown as Plan;
    const purged = await bare.json(['uninstall', '--purge']);

    bare.remove();
    assert.deepEqual([plan.steps, done['changed']], [[], false]);
    assert.match(stdout, /^plan: uninstall, no generations to remove, 0 B freed\n {2}nothing to do\n/);
    assert.equal(left.steps.length, 1);
    assert.match(left.steps[0]!.text, /^remove the history \([\d.]+ k?B\)$/);
    assert.equal(purged['changed'], true);
  });

  it('pin and recover say what they would do, and nothing of generations that they do not move', async () => {
    const pin = await host.run(['pin', '1', '--dry-run']);
    const recover = await host.run(['recover', '--dry-run']);

    assert.match(pin.stdout, /^plan: pin\n {2}1\. gc keeps generation 1\n/);
    assert.match(recover.stdout, /^plan: recover\n {2}nothing to do\n/);
  });
});
