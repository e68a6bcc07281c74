import assert from 'node:assert/strict';
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { differences } from '../support/judges/fingerprint.ts';
import { loopMs } from '../support/sample.ts';
import { put } from '../support/trees/hostTrees.ts';
import { layered, origin } from '../support/trees/layered.ts';
import { folder, layeredTree, own } from '../support/trees/layeredTree.ts';
import { currentConfig, machineConfig, owning } from '../support/trees/renderedTree.ts';
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

  const refusals: [title: string, spoil: (root: string) => void, more: string[], status: number, code: string, found: RegExp][] = [
    ['it is not layered', (root) => put(root, origin.path, origin.text('vim;')), [], 3, 'nothing-to-adopt', /part of the image/],
    [
      'another package has a longer name',
      (root) => put(root, origin.path, origin.text('kata-containers-debug;')),
      [],
      3,
      'nothing-to-adopt',
      /not layered/,
    ],
    ['no deployment tells', (root) => rmSync(join(root, origin.path)), [], 3, 'nothing-to-adopt', /no deployment of this tree/],
    ['its shim is not there', (root) => rmSync(join(root, layered.shim)), [], 3, 'adopt-unproven', /containerd-shim-kata-v2 is not there/],
    ['--yes on a tree that does not run', () => undefined, ['--yes'], 2, 'usage', /does not run/],
    [
      'their tables stand apart',
      (root) =>
        appendFileSync(
          join(root, layered.dropIn),
          '[crio.image]\npause_image = "pause:3.10"\n[crio.runtime.runtimes.old]\nruntime_path = "/usr/bin/containerd-shim-kata-v2"\n',
        ),
      [],
      3,
      'engine-unsupported',
      /kata, old among others/,
    ],
    [
      'a MachineConfig brought the package',
      (root) => put(root, currentConfig, machineConfig({}, ['sandboxed-containers'])),
      [],
      3,
      'owned-by-machineconfig',
      /the extension sandboxed-containers.*rendered-worker-/,
    ],
    [
      'a MachineConfig brought their wiring',
      (root) => put(root, currentConfig, owning([`/${layered.dropIn}`])),
      [],
      3,
      'owned-by-machineconfig',
      /50-kata/,
    ],
    [
      'somebody else has a handler of our name',
      (root) => put(root, `${folder}/60-other`, `[crio.runtime.runtimes.${own}]\nruntime_path = "/opt/other"\n`),
      [],
      3,
      'engine-foreign-handler',
      /60-other/,
    ],
  ];
  for (const [title, spoil, more, status, code, found] of refusals) {
    it(`refuses, and changes nothing: ${title}`, async () => {
      spoil(host.root);
      const spared = (lines: string[]) => lines.filter((line) => !/var\/lib\/kata-sysext|usrlocal/.test(line));
      const before = host.fingerprint();

      const refused = await host.json(['adopt', 'layered', first, ...more], status);

      assert.equal(refused['code'], code, JSON.stringify(refused));
      assert.match(String(refused['found']), found);
      assert.deepEqual(spared(differences(before, host.fingerprint())), []);
    });
  }
});
