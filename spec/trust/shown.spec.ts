import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ecKeys, messageBundle } from '../support/sigstore/bundles.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';
import { scratch } from '../support/trees/treeHost.ts';

describe('what was verified', function () {
  this.timeout(300_000);
  let host: InProcessTree;
  afterEach(() => host.remove());

  it('is recorded with the generation, and status shows the key, and whom a certificate names', async () => {
    const keys = ecKeys();
    const { first } = await plainReleases();
    const bundle = join(scratch('shown'), 'sig');
    writeFileSync(bundle, JSON.stringify(messageBundle(readFileSync(first), keys)));
    host = inProcessTree('fcos', (root) =>
      put(root, 'etc/kata-sysext/trust.d/a.json', JSON.stringify({ keys: [{ name: 'team', kind: 'sigstore', key: keys.pem }] })),
    );
    await host.json(['install', first, '--signature', bundle]);
    const byKey = await host.run(['status', '-v']);
    const path = host.path('var/lib/kata-sysext/generations/1/manifest.json');
    const manifest = JSON.parse(readFileSync(path, 'utf8')) as { sources: { proof: Record<string, string> }[] };
    const [source] = manifest.sources;
    assert.deepEqual([source?.proof['key'], source?.proof['kind'], source?.proof['place']], ['team', 'sigstore', bundle]);
    // No certificate of a spec lasts: this is what a generation has of one.
    source!.proof['identity'] = 'https://example.org/build@refs/tags/4.2.0';
    writeFileSync(path, JSON.stringify(manifest));
    const bySigner = await host.run(['status', '-v']);
    await host.json(['status']);

    assert.match(byKey.stdout, /, signed by team$/m);
    assert.match(bySigner.stdout, /, signed by team \(https:\/\/example\.org\/build@refs\/tags\/4\.2\.0\)$/m);
  });
});
