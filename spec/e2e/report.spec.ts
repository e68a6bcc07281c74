import assert from 'node:assert/strict';
import { suiteAvailable } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import { type Live, liveHost } from '../support/live/liveHost.ts';

/** What a unit and a log of a live host tell, and what of it must not be told. */
describe('report on a live trixie host', function () {
  this.timeout(900_000);
  let live: Live;
  const secret = { proxy: 'pr0xy-p4ss-live', plain: 'Un1t-value-live', logged: 'l0gged-t0ken-live' };

  before(async function () {
    const available = await suiteAvailable('trixie');
    if (!available.ok) {
      console.log(`      ${available.why}`);
      this.skip();
    }
    live = await liveHost({
      suite: 'trixie',
      files: {
        '/etc/systemd/system/containerd.service.d/proxy.conf': `[Service]\nEnvironment=HTTPS_PROXY=http://joe:${secret.proxy}@proxy.acme.example:3128 SOME_NAME=${secret.plain}\n`,
        // A name of its own is in the log of a unit of its own.
        '/etc/systemd/system/containerd.service.d/log.conf': `[Service]\nExecStartPre=/bin/sh -c 'echo "pull from 10.42.17.93 for $(cat /etc/machine-id) with ${secret.plain}"; echo "x-api token ${secret.logged}"'\n`,
      },
    });
    await live.json(['install', live.bundle(live.first)]);
  });
  stopAfter(() => live);

  it('has every section, with units and the engine’s log, and nothing of what is planted', async () => {
    const machine = (await live.host.run(['cat', '/etc/machine-id'])).stdout.trim();
    const boot = (await live.host.run(['cat', '/proc/sys/kernel/random/boot_id'])).stdout.trim();

    const seen = await live.json(['report', '-o', '-', '--verbose']);

    const text = String(seen['text']);
    const sections = seen['sections'] as { name: string; lines: number; missing?: string }[];
    assert.deepEqual(
      sections.filter(({ missing }) => missing !== undefined),
      [],
    );
    assert.match(text, /^ {4}containerd\.service: loaded, active \(running\)/m);
    assert.match(text, /^ {4}generation 1: \d+ files, \d+ bytes read, 0 differ/m);
    assert.match(text, /pull from <ip-\d+> for <id-\d+> with <secret-\d+>/);
    assert.ok((sections.find(({ name }) => name === 'engine-log')?.lines ?? 0) > 5);
    assert.ok((sections.find(({ name }) => name === 'files')?.lines ?? 0) > 10);
    for (const value of [...Object.values(secret), machine, boot, boot.replaceAll('-', ''), '10.42.17.93', 'acme.example', 'HTTPS_PROXY'])
      assert.ok(!text.includes(value), value);
  });
});
