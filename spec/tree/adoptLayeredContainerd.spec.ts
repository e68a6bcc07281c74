import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences } from '../support/judges/fingerprint.ts';
import { loopMs } from '../support/sample.ts';
import { put } from '../support/trees/hostTrees.ts';
import { layered, origin } from '../support/trees/layered.ts';
import { own } from '../support/trees/layeredTree.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

describe('adopt layered with containerd', function () {
  this.timeout(loopMs);
  const config = 'etc/containerd/config.toml';
  const plugin = (id: string) => `[plugins."${id}".containerd.runtimes.kata]\n  runtime_type = "io.containerd.kata.v2"\n`;
  let host: TreeHost;
  let first: string;

  before(async () => {
    ({ first } = await releases());
  });
  afterEach(() => host.remove());

  const rows: [title: string, engine: string, prepare: (root: string) => void][] = [
    ['1.7, in the main file', 'containerd@1.7', (root) => appendFileSync(join(root, config), plugin('io.containerd.grpc.v1.cri'))],
    [
      '2.2, in a file of its own',
      'containerd@2.2',
      (root) => {
        writeFileSync(join(root, config), 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n');
        mkdirSync(join(root, 'etc/containerd/conf.d'));
        put(root, 'etc/containerd/conf.d/50-kata.toml', `version = 3\n${plugin('io.containerd.cri.v1.runtime')}`);
      },
    ],
  ];
  for (const [title, engine, prepare] of rows) {
    it(`${title}: takes its place, and gives it back byte for byte`, async () => {
      const all = (root: string) => {
        put(root, layered.shim, '#!/bin/sh\n', 0o755);
        put(root, origin.path, origin.text('kata-containers;'));
        prepare(root);
      };
      host = treeHost('fcos', all, { engine });
      const before = host.fingerprint();

      const change = await host.json(['adopt', 'layered', first]);
      const text = ['config.toml', 'kata-sysext.toml', 'conf.d/kata-sysext.toml'].map((name) => join('etc/containerd', name));
      const written = text.map((path) => (existsSync(host.path(path)) ? readFileSync(host.path(path), 'utf8') : '')).join('\n');
      await host.json(['uninstall', '--purge']);

      assert.deepEqual(change['handlers'], ['kata', own]);
      assert.match(written, /runtimes\.kata\]\n(?:.*\n)*?.*runtime_path = "\/etc\/kata-sysext\/current\/payload\//);
      assert.equal(written.split(/runtimes\.kata\]/).length, 2, written);
      assert.deepEqual(differences(before, host.fingerprint()), []);
    });
  }
});
