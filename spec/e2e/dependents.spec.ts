import assert from 'node:assert/strict';
import { differences, fingerprint } from '../support/fingerprint.ts';
import { containerd, dependent, handlersOf, liveHost, runsOf } from '../support/liveHost.ts';

describe('dependents of the engine', function () {
  this.timeout(240_000);

  it('one that systemd forgets as soon as it stops is brought back as well, also by an undo', async () => {
    const ours = 'grep -q kata-sysext /etc/containerd/config.toml';
    const live = await liveHost({
      suite: 'trixie',
      files: {
        // Not enabled: once stopped, systemd unloads it.
        [`/etc/systemd/system/multi-user.target.wants/${dependent}`]: { link: '/dev/null' },
        '/etc/lab/containerd': { text: `#!/bin/sh\nif ${ours}; then exit 1; fi\nexec /usr/bin/containerd "$@"\n`, mode: 0o755 },
        [`/etc/systemd/system/${containerd}.d/50-broken.conf`]: '[Service]\nExecStart=\nExecStart=/etc/lab/containerd\n',
      },
    });
    try {
      await live.host.run(['systemctl', 'start', dependent]);
      const before = fingerprint(live.host.root, ['etc']);

      const failed = await live.json(['install', live.bundle(live.first)], 1);

      assert.match(String(failed['found']), /the host is as it was/);
      assert.deepEqual(differences(before, fingerprint(live.host.root, ['etc'])), []);
      const runs = await runsOf(live);
      assert.match(runs[containerd]!, /ActiveState=active/);
      assert.match(runs[dependent]!, /ActiveState=active/);
      assert.deepEqual(await handlersOf(live), ['runc']);
      assert.deepEqual((await live.json(['recover']))['settled'], []);
    } finally {
      await live.host.stop();
    }
  });
});
