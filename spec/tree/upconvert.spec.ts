import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { differences } from '../support/judges/fingerprint.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const manifest = 'var/lib/kata-sysext/generations/1/manifest.json';

/** A manifest is immutable: what an earlier version of this program wrote has to be read for ever. */
describe('generations that an earlier version wrote', () => {
  let host: TreeHost;

  beforeEach(async () => {
    host = treeHost('fcos');
    await host.json(['install', (await releases()).first]);
  });

  afterEach(() => host.remove());

  function rewrite(change: (value: Record<string, unknown>) => void): void {
    const value = JSON.parse(readFileSync(host.path(manifest), 'utf8')) as Record<string, unknown>;
    change(value);
    writeFileSync(host.path(manifest), JSON.stringify(value));
  }

  it('schema 1, which knew no choices and no images, is active, configured, upgraded and rolled back to', async () => {
    rewrite((value) => {
      value['schema'] = 1;
      delete value['choices'];
      delete value['format'];
    });

    const status = await host.json(['status']);
    const again = await host.json(['install', (await releases()).first]);
    const configured = await host.json(['configure', '--set', 'default_memory=4096']);
    await host.json(['install', (await releases()).second]);
    const back = await host.json(['rollback', '--to', '1']);

    assert.equal(status['active'], 1);
    assert.equal(again['changed'], false);
    assert.equal(configured['to'], 2);
    assert.equal(back['to'], 1);
  });

  it('a newer schema is refused untouched', async () => {
    rewrite((value) => {
      value['schema'] = 4;
    });
    const before = host.fingerprint(['var/lib/kata-sysext/lock']);

    const refused = await host.json(['install', (await releases()).second], 3);

    assert.equal(refused['code'], 'journal-newer');
    assert.deepEqual(differences(before, host.fingerprint(['var/lib/kata-sysext/lock'])), []);
  });
});
