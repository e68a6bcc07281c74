import assert from 'node:assert/strict';
import { containerdConfig } from '../lab/containerd.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { containerd, dependent, handlersOf, type Live, liveHost, runsOf } from '../support/live/liveHost.ts';

/**
 * A containerd that misbehaves as soon as its configuration names our handler: a wrapper in the unit, so that the binary itself (which is
 * asked for its effective configuration) stays the real one. The prefix of each row runs before the real daemon.
 */
const wrapper = '/etc/lab/containerd';
const ours = 'grep -q kata-sysext /etc/containerd/config.toml';

interface Row {
  title: string;
  script: string;
  unit?: string;
  found: RegExp;
}

const rows: Row[] = [
  { title: 'does not start with the new file', script: `if ${ours}; then echo refusing >&2; exit 1; fi`, found: /containerd\.service/ },
  {
    title: 'hangs while it starts',
    script: `if ${ours}; then exec sleep infinity; fi`,
    unit: 'TimeoutStartSec=4',
    found: /containerd\.service/,
  },
  {
    title: 'comes back without its CRI plugin',
    script: `if ${ours}; then sed '1a disabled_plugins = ["io.containerd.grpc.v1.cri"]' /etc/containerd/config.toml > /run/no-cri.toml; exec /usr/bin/containerd -c /run/no-cri.toml; fi`,
    found: /unknown service|CRI/,
  },
  {
    title: 'dies five seconds later',
    script: `if ${ours}; then (sleep 5; kill -9 $$) & fi`,
    found: /died|is failed|is inactive|activating/,
  },
  {
    title: 'has used up its start limit',
    script: `if ${ours}; then exit 1; fi`,
    unit: 'Restart=no\n[Unit]\nStartLimitBurst=1\nStartLimitIntervalSec=600',
    found: /containerd\.service/,
  },
];

describe('a change that breaks the engine is put back', function () {
  this.timeout(900_000);

  for (const row of rows) {
    it(`containerd ${row.title}`, async () => {
      const live = await brokenHost(row);
      try {
        const before = fingerprint(live.host.root, ['etc']);

        const failed = await live.json(['install', live.bundle(live.first)], 1);

        assert.equal(failed['code'], 'gate-failed');
        assert.match(String(failed['found']), row.found);
        await works(live, before);
      } finally {
        await live.host.stop();
      }
    });
  }

  it('a dependent stays down', async () => {
    const script = `#!/bin/sh\nif ${ours}; then exit 1; fi\nexec sleep infinity\n`;
    const live = await liveHost({
      suite: 'trixie',
      files: {
        '/etc/lab/agent': { text: script, mode: 0o755 },
        [`/etc/systemd/system/${dependent}`]: `[Unit]\nRequires=${containerd}\nAfter=${containerd}\n[Service]\nExecStart=/etc/lab/agent\n`,
      },
    });
    try {
      const before = fingerprint(live.host.root, ['etc']);

      const failed = await live.json(['install', live.bundle(live.first)], 1);

      assert.match(String(failed['found']), /node-agent\.service/);
      await works(live, before);
    } finally {
      await live.host.stop();
    }
  });

  it('other people’s secrets reach neither the answer nor the history', async () => {
    const secret = 'SECRET-OF-SOMEBODY-ELSE';
    const header = `[plugins."io.containerd.grpc.v1.cri".registry.headers]\n  X-Auth-Key = ["${secret}"]\n`;
    const config = `${containerdConfig('trixie')}${header}`;
    const live = await brokenHost(rows[2]!, config);
    try {
      const printed = (await live.host.run(['journalctl', '-u', containerd, '--no-pager'])).stdout;

      const ran = await live.kata(['install', live.bundle(live.first), '--json']);
      const kept = await live.host.sh(`grep -r ${secret} /var/lib/kata-sysext /run/kata-sysext || true`);

      assert.ok(printed.includes(secret), 'the daemon itself does print it');
      assert.equal(ran.code, 1);
      assert.ok(!`${ran.stdout}${ran.stderr}`.includes(secret));
      assert.equal(kept.stdout, '');
    } finally {
      await live.host.stop();
    }
  });

  it('refuses when a restart would apply somebody else’s edit, and does it when told to', async () => {
    const live = await liveHost({ suite: 'trixie' });
    try {
      await live.host.sh('sleep 1; echo "# an edit of the operator" >> /etc/containerd/config.toml');
      const before = fingerprint(live.host.root, ['etc', 'var/lib'], ['var/lib/containerd', 'var/lib/systemd']);
      const runs = await runsOf(live);

      const refused = await live.json(['install', live.bundle(live.first)], 3);

      assert.equal(refused['code'], 'engine-pending-edits');
      assert.deepEqual(differences(before, fingerprint(live.host.root, ['etc', 'var/lib'], ['var/lib/containerd', 'var/lib/systemd'])), []);
      assert.deepEqual(await runsOf(live), runs);
      const done = await live.json(['install', live.bundle(live.first), '--allow', 'engine-pending-edits']);
      assert.equal(done['to'], 1);
    } finally {
      await live.host.stop();
    }
  });
});

async function brokenHost(row: Row, config?: string): Promise<Live> {
  return liveHost({
    suite: 'trixie',
    ...(config === undefined ? {} : { containerdConfig: config }),
    files: {
      [wrapper]: { text: `#!/bin/sh\n${row.script}\nexec /usr/bin/containerd "$@"\n`, mode: 0o755 },
      [`/etc/systemd/system/${containerd}.d/50-broken.conf`]: `[Service]\nExecStart=\nExecStart=${wrapper}\n${row.unit ?? ''}\n`,
    },
  });
}

/** Bytes, engine and dependents are back, and the history tells why. */
async function works(live: Live, before: string[]): Promise<void> {
  assert.deepEqual(differences(before, fingerprint(live.host.root, ['etc'])), []);
  const runs = await runsOf(live);
  assert.match(runs[containerd]!, /ActiveState=active/);
  assert.match(runs[dependent]!, /ActiveState=active/);
  assert.deepEqual(await handlersOf(live), ['runc']);
  const status = await live.json(['status']);
  assert.equal(status['installed'], false);
  const { entries } = (await live.json(['history', '1'])) as { entries: { result: string; evidence: string[] }[] };
  assert.equal(entries[0]?.result, 'undone');
  assert.ok(entries[0]!.evidence.length > 3, 'the log lines of the unit are kept');
}
