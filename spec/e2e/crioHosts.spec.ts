import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CRIO } from '../lab/crio.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { crioHandlers, crioHost, crioUnit, dropIn, dropIns, whereCrio } from '../support/live/crioHost.ts';
import { dependent, runsOf, secretsKept } from '../support/live/liveHost.ts';

const handler = 'kata-qemu-runtime-rs';
const units = [crioUnit, dependent];
const secret = 's3cret-of-a-variable';

/** The lab's configuration as one main file, and no folder. */
function movedConfig() {
  const text =
    '[crio.image]\nsignature_policy = "/etc/crio/policy.json"\n[crio.runtime]\ndefault_runtime = "runc"\ndisable_hostport_mapping = true\n[crio.runtime.runtimes.runc]\nruntime_path = "/usr/bin/runc"\nmonitor_path = "/mnt/crio/conmon"\n';
  return { '/etc/lab/crio.conf': text };
}

/** A CRI-O that misbehaves as soon as our file is there: a wrapper in the unit, so that the binary itself stays the real one. */
const rows = [
  { title: 'does not start with the new file', script: 'echo refusing >&2; exit 1', unit: 'Restart=no' },
  { title: 'hangs while it starts', script: 'exec sleep infinity', unit: 'TimeoutStartSec=4\nRestart=no' },
  { title: 'dies five seconds later', script: '(sleep 5; kill -9 $$) &', unit: '' },
  { title: 'starts without our handler', script: `mkdir -p /run/d; cp ${dropIns}/10* /run/d; set -- "$@" --config-dir /run/d`, unit: '' },
];

describe('CRI-O on live hosts', () => {
  whereCrio();

  describe('other hosts with CRI-O', function () {
    this.timeout(900_000);

    it('makes the folder of drop-ins where there is none, and takes it away again', async () => {
      const live = await crioHost({
        '/etc/sysconfig/crio': 'CRIO_CONFIG_OPTIONS="--config /etc/lab/crio.conf --config-dir /etc/lab/crio.d"\n',
        ...movedConfig(),
      });
      try {
        const before = fingerprint(live.host.root, ['etc']);

        await live.json(['install', live.bundle(live.first)]);
        const listed = await crioHandlers(live);
        const made = readdirSync(join(live.host.root, 'etc/lab/crio.d'));
        await live.json(['uninstall', '--purge']);

        assert.deepEqual(listed, ['', handler, 'runc']);
        assert.deepEqual(made, ['50-kata-sysext.conf']);
        assert.deepEqual(differences(before, fingerprint(live.host.root, ['etc'])), []);
      } finally {
        await live.host.stop();
      }
    });

    it('refuses before a byte is written: a handler of our name, a file that CRI-O would die of, a pending edit, a container in its group', async () => {
      const live = await crioHost();
      const root = live.host.root;
      const spared = ['etc', 'var/lib/kata-sysext'];
      const cases: [string, string, string, RegExp][] = [
        [
          `printf '[crio.runtime.runtimes.${handler}]\\nruntime_path = "/usr/bin/runc"\\n' > ${dropIns}/zz.bak`,
          `rm ${dropIns}/zz.bak`,
          'engine-foreign-handler',
          /zz\.bak/,
        ],
        [`echo 'x = [' > ${dropIns}/.10-crio.conf.swp`, `rm ${dropIns}/.10-crio.conf.swp`, 'engine-config-invalid', /\.10-crio\.conf\.swp/],
        [`ln -s /nowhere ${dropIns}/20.conf`, `rm ${dropIns}/20.conf`, 'engine-config-invalid', /leads nowhere/],
        [
          `mv ${dropIns} /etc/crio/d; ln -s d ${dropIns}`,
          `rm ${dropIns}; mv /etc/crio/d ${dropIns}`,
          'engine-unsupported',
          /symbolic link/,
        ],
        ['sleep 1; touch /etc/crio/crio.conf.d/10-crio.conf', 'systemctl restart crio', 'engine-pending-edits', /10-crio\.conf/],
        [
          // as a shim would be that has not gone to a group of its own
          `sleep 999 <&- >&- 2>&- & echo $! > /run/other; cat /run/other > /sys/fs/cgroup/system.slice/crio.service/cgroup.procs`,
          'kill $(cat /run/other)',
          'engine-restart-kills',
          /sleep \(\d+\)/,
        ],
      ];
      try {
        for (const [make, undo, code, found] of cases) {
          await live.host.sh('systemctl reset-failed crio; systemctl restart crio');
          await live.host.sh(make);
          const before = fingerprint(root, spared, ['var/lib/kata-sysext/lock']);

          const refused = await live.json(['install', live.bundle(live.first)], 3);

          assert.equal(refused['code'], code, JSON.stringify(refused));
          assert.match(String(refused['found']), found);
          assert.deepEqual(
            differences(before, fingerprint(root, spared, ['var/lib/kata-sysext/lock'])).filter(
              (line) => !/var\/lib\/kata-sysext/.test(line),
            ),
            [],
          );
          await live.host.sh(undo);
        }
      } finally {
        await live.host.stop();
      }
    });
  });

  describe('a change that breaks CRI-O is put back', function () {
    this.timeout(900_000);

    for (const { title, script, unit } of rows) {
      it(`CRI-O ${title}`, async () => {
        const live = await crioHost({
          [`${dropIns}/30-login.conf`]: `[crio.runtime]\ndefault_env = ["LOGIN=${secret}"]\n`,
          '/etc/lab/crio': { text: `#!/bin/sh\nif test -e ${dropIn}; then ${script}\nfi\nexec ${CRIO} "$@"\n`, mode: 0o755 },
          [`/etc/systemd/system/${crioUnit}.d/50-broken.conf`]: `[Service]\nExecStart=\nExecStart=/etc/lab/crio\n${unit}\n`,
        });
        try {
          const before = fingerprint(live.host.root, ['etc']);

          const failed = await live.json(['install', live.bundle(live.first)], 1);

          const runs = await runsOf(live, units);
          assert.equal(failed['code'], 'gate-failed');
          assert.deepEqual(differences(before, fingerprint(live.host.root, ['etc'])), []);
          for (const name of units) assert.match(runs[name]!, /ActiveState=active/);
          assert.deepEqual(await crioHandlers(live), ['', 'runc']);
          assert.equal(existsSync(join(live.host.root, dropIn)), false);
          assert.deepEqual(await secretsKept(live, secret), []);
        } finally {
          await live.host.stop();
        }
      });
    }
  });
});
