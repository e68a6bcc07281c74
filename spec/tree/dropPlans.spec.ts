import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

interface Plan {
  steps: { text: string }[];
  removedGenerations: number[];
  freedBytes: number;
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

  /** Bytes of the files below the payloads, by a judge of its own. */
  function stored(): number {
    const sizes = execFileSync(
      'find',
      [host.root, '-path', '*/tree/*', '-type', 'f', '!', '-name', 'extension-release.*', '-printf', '%s\n'],
      { encoding: 'utf8' },
    );
    return sizes.split('\n').reduce((sum, size) => sum + Number(size), 0);
  }

  it('gc: says what would go and the bytes that this frees, and gc then frees them', async () => {
    const plan = (await host.json(['gc', '--keep', '0', '--dry-run'])) as unknown as Plan;
    const { stdout } = await host.run(['gc', '--keep', '0', '--dry-run']);
    const nothing = await host.run(['gc', '--keep', '9', '--dry-run']);
    const before = stored();
    const copy = host.copy();
    const done = (await copy.json(['gc', '--keep', '0'])) as unknown as Plan;
    copy.remove();

    assert.match(
      stdout,
      /^plan: gc, 1 generation to remove, [\d.]+ k?B freed\n {2}1\. remove generation 1\n {2}2\. remove the payload of Kata \S+, sha256:/,
    );
    assert.match(nothing.stdout, /^plan: gc, no generations to remove, 0 B freed\n {2}nothing to do\n/);
    assert.deepEqual([plan.removedGenerations, plan.freedBytes], [[1], done.freedBytes]);
    assert.ok(plan.freedBytes > 0 && plan.freedBytes < before);
  });

  it('uninstall: lists generations and payloads with their bytes, and the history only with --purge', async () => {
    const plan = (await host.json(['uninstall', '--dry-run'])) as unknown as Plan;
    const purge = (await host.json(['uninstall', '--purge', '--dry-run'])) as unknown as Plan;
    const { stdout } = await host.run(['uninstall', '--dry-run']);

    const texts = plan.steps.map(({ text }) => text);
    assert.deepEqual(plan.removedGenerations, [1, 2, 3]);
    for (const number of [1, 2, 3]) assert.ok(texts.includes(`remove generation ${number}`), texts.join('\n'));
    assert.equal(texts.filter((text) => /^remove the payload of Kata \S+, sha256:[0-9a-f]{64} \([\d.]+ k?B\)$/.test(text)).length, 2);
    assert.equal(plan.freedBytes, stored());
    assert.match(stdout, /^plan: uninstall, from generation 3 to nothing, [\d.]+ k?B written, [\d.]+ k?B freed\n/);
    assert.deepEqual(
      purge.steps.map(({ text }) => text),
      [...texts, 'remove the history'],
    );
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
    assert.deepEqual([left.steps.map(({ text }) => text), purged['changed']], [['remove the history'], true]);
  });

  it('pin and recover say what they would do, and nothing of generations that they do not move', async () => {
    const pin = await host.run(['pin', '1', '--dry-run']);
    const recover = await host.run(['recover', '--dry-run']);

    assert.match(pin.stdout, /^plan: pin\n {2}1\. gc keeps generation 1\n/);
    assert.match(recover.stdout, /^plan: recover\n {2}nothing to do\n/);
  });
});
