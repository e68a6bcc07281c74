import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Cosign, debianTools } from '../lab/debianTools.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { needs } from '../support/needs.ts';
import { sigstoreSuite } from '../support/sigstore/bundles.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

describe('a host that demands bundles of cosign', function () {
  this.timeout(900_000);
  let host: TreeHost;
  let folder = '';
  let cosign: Cosign;
  let key: string;
  let [first, second] = ['', ''];

  before(async function () {
    needs(this, 'root', 'mmdebstrap');
    const available = await debianTools();
    if (!available.ok) console.log(`      left out: ${available.why}`);
    if (available.tools === undefined) return this.skip();
    ({ cosign } = available.tools);
    folder = scratch('cosign');
    const made = await releases();
    [first, second] = [made.first, made.second].map((path) => {
      const copy = join(folder, basename(path));
      copyFileSync(path, copy);
      return copy;
    }) as [string, string];
    key = readFileSync(await cosign.newKey(folder), 'utf8');
    await cosign.sign(folder, first);
    await cosign.attest(folder, second);
    // cosign wants one to be there, and looks at nothing of it.
    const { roots } = sigstoreSuite();
    writeFileSync(join(folder, 'root.json'), Object.values(roots)[0]!);
  });
  after(() => {
    if (folder !== '') rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    host = treeHost('fcos', (root) => {
      const keys = [{ name: 'team', kind: 'sigstore', key }];
      put(root, 'etc/kata-sysext/trust.d/team.json', JSON.stringify({ strict: true, keys }));
    });
  });
  afterEach(() => host.remove());

  it('takes what sign-blob and attest-blob signed, from beside the file, and records it; an uninstall leaves its keys', async () => {
    const before = host.fingerprint();
    await host.json(['install', first]);
    await host.json(['install', second, '--signature', `${second}.sigstore.json`]);
    const again = await host.json(['install', second]);
    const status = await host.run(['status', '-v']);
    const { sources } = JSON.parse(readFileSync(host.path('var/lib/kata-sysext/generations/2/manifest.json'), 'utf8')) as {
      sources: { proof: { key: string; kind: string } }[];
    };
    await host.json(['uninstall', '--purge']);

    assert.equal(again['changed'], false);
    assert.equal(status.stdout.match(/, signed by team/g)?.length, 2, status.stdout);
    assert.deepEqual([sources[0]?.proof.key, sources[0]?.proof.kind], ['team', 'sigstore']);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('refuses other bytes under the same bundle, and leaves the host as it was', async () => {
    const changed = join(folder, 'changed.tar.zst');
    const bytes = readFileSync(first);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(changed, bytes);
    copyFileSync(`${first}.sigstore.json`, `${changed}.sigstore.json`);
    const before = host.fingerprint();
    const refused = await host.run(['install', changed]);
    const judged = await cosign.accepts(folder, changed, `${changed}.sigstore.json`);

    assert.equal(refused.status, 4, refused.stderr);
    assert.match(refused.stderr, /signature-wrong|bundle-damaged/);
    assert.equal(judged, false);
    assert.equal(await cosign.accepts(folder, first, `${first}.sigstore.json`), true);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });
});
