import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { endAfter } from '../support/endings.ts';
import { assertShown, type ShownRun, shownRuns } from '../support/judges/shownRuns.ts';
import { put } from '../support/trees/hostTrees.ts';
import { layeredTree } from '../support/trees/layeredTree.ts';
import { releases, type TreeHost } from '../support/trees/treeHost.ts';

/** spec/e2e/adoptLayered.spec.ts asks a live host, and then nothing is left out. */
describe('the documents show of a layered package that is replaced', function () {
  this.timeout(600_000);
  let host: TreeHost;
  let bundle: string;

  before(async function () {
    if (!existsSync('/usr/bin/zstd')) {
      console.log('      zstd is not on this machine: see .ci/packages.txt');
      this.skip();
    }
    bundle = (await releases()).first;
    host = layeredTree((root) => {
      put(root, 'usr/lib/systemd/libsystemd-shared-257.so', '');
      put(root, 'usr/lib/systemd/system/systemd-sysext.service', '');
    });
  });
  endAfter(
    () => host,
    (tree) => tree.remove(),
  );

  it('what is printed on a tree, but for what only a running node has: restarts, the numbers of the steps, and what rpm-ostree knows', async () => {
    const runs = shownRuns('docs/guides/from-rpm-ostree.md');
    assert.deepEqual(
      runs.map(({ words }) => words[0]),
      ['adopt', 'adopt', 'uninstall'],
    );

    for (const run of runs) {
      const adopting = run.words[0] === 'adopt';
      const words = run.words.map((word) => (word.endsWith('.tar.zst') ? bundle : word));
      const { status, stdout, stderr } = await host.run([...words, ...(adopting ? ['--backend', 'sysext'] : [])]);

      assert.equal(status, 0, stderr);
      assertShown(onTree(run), numberless(stdout).replaceAll(` --root ${host.root}`, '').replaceAll('--engine crio@1.34', '--engine crio'));
    }
  });
});

/** The same of a tree: nothing runs there, and rpm-ostree is not asked. */
function onTree({ words, lines }: ShownRun): ShownRun {
  const text = numberless(lines.map((line) => `${line}\n`).join(''))
    .replace(/^ +N\. restart .*\n/m, '')
    .replace('restarted crio.service', 'nothing restarted')
    .replace(/^! .*the next boot starts without it \[layer-stays\]\n(?: {4}.*\n)*/m, '');
  return { words, lines: text.split('\n').slice(0, -1) };
}

function numberless(text: string): string {
  return text.replace(/^( +)\d+\. /gm, '$1N. ');
}
