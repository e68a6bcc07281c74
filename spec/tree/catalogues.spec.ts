import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../support/digests.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { needs } from '../support/needs.ts';
import { minisignKey } from '../support/signing.ts';
import { authority, sendFile, serveTls, type TlsServer } from '../support/tlsServer.ts';
import { put } from '../support/trees/hostTrees.ts';
import { scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const text = (serial: number) => JSON.stringify({ name: 'team', serial, origin: 'https://mirror.example.org/kata', releases: [] });

describe('releases add on a host tree', function () {
  this.timeout(300_000);
  let host: TreeHost;
  let folder: string;
  let server: TlsServer | undefined;

  beforeEach(() => {
    folder = scratch('catalogues');
    host = treeHost('fcos');
  });
  afterEach(async () => {
    host.remove();
    rmSync(folder, { recursive: true, force: true });
    await server?.close();
    server = undefined;
  });

  /** A file of a catalogue, and what adds it. */
  function adding(serial: number): string[] {
    const file = join(folder, `${serial}.json`);
    writeFileSync(file, text(serial));
    return ['releases', 'add', file, '--digest', `sha256:${sha256(Buffer.from(text(serial)))}`];
  }
  const stored = () => {
    const file = host.path('var/lib/kata-sysext/catalogues/team.json');
    return existsSync(file)
      ? (JSON.parse((JSON.parse(readFileSync(file, 'utf8')) as { document: string }).document) as { serial: number }).serial
      : 0;
  };

  it('that is killed leaves the catalogue before or the new one, and a second one works', async () => {
    const seen: number[] = [];
    for (const [index, point] of ['catalogue/before', 'catalogue/after'].entries()) {
      const paused = await host.paused(adding(index + 1), `${point}=pause`);
      const busy = await host.run([...adding(index + 1)]);
      await paused.kill();
      seen.push(stored(), busy.status);
    }
    const again = await host.json(adding(3));
    const state = readdirSync(host.path('var/lib/kata-sysext/catalogues'));
    await host.json(['releases', 'remove', 'team']);

    assert.deepEqual(seen, [0, 75, 2, 75]);
    assert.equal(again['earlierSerial'], 2);
    assert.deepEqual(state, ['team.json']);
    assert.equal(existsSync(host.path('var/lib/kata-sysext')), false);
  });

  it('of an address takes the signature from beside it, as minisign made it, and no other bytes', async function () {
    needs(this, 'minisign');
    const key = minisignKey(folder);
    const keys = [{ name: 'team', kind: 'minisign', key: key.line }];
    put(host.root, 'etc/kata-sysext/trust.d/team.json', JSON.stringify({ strict: true, keys }));
    const file = join(folder, 'team.json');
    writeFileSync(file, text(1));
    const signature = readFileSync(key.sign(file));
    let served = text(1);
    server = await serveTls((request, response, count) =>
      sendFile(request.url?.endsWith('.minisig') === true ? signature : Buffer.from(served))(request, response, count),
    );
    const address = `${server.origin}/team.json`;
    const add = ['releases', 'add', address, '--signature', `${address}.minisig`, '--ca-file', authority];
    const before = host.fingerprint();
    served = text(2);
    const changed = await host.run(add);
    served = 'x'.repeat(2_000_000);
    const endless = await host.run(add);
    const untouched = differences(before, host.fingerprint());
    served = text(1);
    const added = await host.json(add);

    assert.match(changed.stderr, /signature-wrong/);
    assert.match(endless.stderr, /more than 1048576 bytes/);
    assert.deepEqual(untouched, []);
    assert.deepEqual([added['changed'], added['signedBy'], stored()], [true, 'team', 1]);
  });
});
