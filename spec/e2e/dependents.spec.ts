import assert from 'node:assert/strict';
import { waitForCri } from '../lab/pods.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { containerd, dependent, handlersOf, liveHost, runsOf } from '../support/live/liveHost.ts';

describe('dependents of the engine', function () {
  this.timeout(900_000);

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
      assert.deepEqual((await live.json(['recover']))['recovered'], []);
    } finally {
      await live.host.stop();
    }
  });

  it('targets, sockets and units that depend on a dependent are brought back as well', async () => {
    const live = await liveHost({
      suite: 'trixie',
      files: {
        '/etc/systemd/system/node.target': `[Unit]\nRequires=${containerd}\nAfter=${containerd}\n`,
        '/etc/systemd/system/far.service': `[Unit]\nRequires=${dependent}\nAfter=${dependent}\n[Service]\nExecStart=/usr/bin/sleep infinity\n`,
        '/etc/systemd/system/near.socket': `[Unit]\nRequires=${containerd}\nAfter=${containerd}\n[Socket]\nListenStream=/run/near.sock\n`,
        '/etc/systemd/system/near.service': '[Service]\nExecStart=/usr/bin/true\n',
      },
    });
    try {
      const units = ['node.target', 'far.service', 'near.socket'];
      await live.host.run(['systemctl', 'start', ...units]);

      const done = await live.json(['install', live.bundle(live.first)]);

      assert.equal(done['to'], 1);
      for (const unit of units) assert.equal((await live.host.run(['systemctl', 'is-active', unit])).stdout.trim(), 'active', unit);
      await live.json(['uninstall', '--purge']);
      for (const unit of units) assert.equal((await live.host.run(['systemctl', 'is-active', unit])).stdout.trim(), 'active', unit);
    } finally {
      await live.host.stop();
    }
  });

  it('a crash before our restart, and somebody else’s restart after it: recover brings the engine back without our handler', async () => {
    const live = await liveHost({ suite: 'trixie' });
    try {
      const before = fingerprint(live.host.root, ['etc']);
      await live.kata(['install', live.bundle(live.first)], { KATA_SYSEXT_FAILPOINT: 'step/restart/before=kill' });
      await live.host.run(['systemctl', 'restart', containerd]);
      await waitForCri(live.host);
      const between = await handlersOf(live);

      await live.json(['recover']);

      assert.deepEqual(between, ['kata-qemu-runtime-rs', 'runc']);
      assert.deepEqual(await handlersOf(live), ['runc']);
      assert.deepEqual(differences(before, fingerprint(live.host.root, ['etc'])), []);
    } finally {
      await live.host.stop();
    }
  });

  it('a stopped engine does not keep Kata on the host', async () => {
    const live = await liveHost({ suite: 'trixie' });
    try {
      const before = fingerprint(live.host.root, ['etc']);
      await live.json(['install', live.bundle(live.first)]);
      await live.host.run(['systemctl', 'stop', containerd]);

      const done = await live.json(['uninstall', '--purge']);

      assert.deepEqual(done['restarted'], []);
      assert.deepEqual(differences(before, fingerprint(live.host.root, ['etc'])), []);
      await live.host.run(['systemctl', 'start', containerd]);
      await waitForCri(live.host);
      assert.deepEqual(await handlersOf(live), ['runc']);
    } finally {
      await live.host.stop();
    }
  });
});
