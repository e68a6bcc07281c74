import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suiteAvailable } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { containerSays, daemonJson, dockerHost, dockerUnit, runtimesOf } from '../support/live/dockerHost.ts';
import { containerd, dependent, etcOf, handlersOf, type Live, runsOf } from '../support/live/liveHost.ts';
import { until } from '../support/live/unitWork.ts';

const handler = 'kata-qemu-runtime-rs';
const both = ['--engine', 'containerd', '--engine', 'docker'];
const theirs = '{\n  "log-level": "info"\n}\n';

describe('containerd and Docker of one live host', function () {
  this.timeout(900_000);
  let live: Live;
  let atStart: string[];

  /** Whether each of them lists the handler, by crictl and by Docker's own client. */
  const listed = async () => [(await handlersOf(live)).includes(handler), (await runtimesOf(live)).includes(handler)];

  /** Waits until the boot guard of this boot says so; gives all that it said. */
  async function confirmed(words: RegExp): Promise<string> {
    const log = async () => (await live.host.sh('journalctl -b -u kata-sysext-confirm.service -o cat')).stdout;
    await until(async () => words.test(await log()), `the boot guard says ${words}`, 300_000);
    return log();
  }

  before(async function () {
    const available = await suiteAvailable('trixie');
    if (!available.ok) {
      console.log(`      ${available.why}`);
      return this.skip();
    }
    live = await dockerHost({ [daemonJson]: theirs });
    atStart = etcOf(live);
  });
  stopAfter(() => live);

  it('shows one plan: the edits of both, one restart, one reload, and a proof of each', async () => {
    const { stdout, code } = await live.kata(['install', live.bundle(live.first), ...both, '--dry-run']);

    assert.equal(code, 0, stdout);
    assert.match(stdout, /restarts: containerd\.service/);
    assert.match(stdout, /reloads: docker\.service/);
    assert.match(stdout, /the CRI of containerd is ready[\s\S]*the daemon of docker is ready/);
    assert.deepEqual(differences(atStart, etcOf(live)), []);
  });

  it('a change that fails at its end, or is killed there, leaves neither of them wired', async () => {
    const failed = await live.kata(['install', live.bundle(live.first), ...both], { KATA_SYSEXT_FAILPOINT: 'commit/before=error' });
    const afterFailure = await listed();
    const undone = differences(atStart, etcOf(live));
    await live.kata(['install', live.bundle(live.first), ...both], { KATA_SYSEXT_FAILPOINT: 'commit/before=kill' });
    const inBetween = await listed();
    await live.json(['recover']);

    assert.equal(failed.code, 1);
    assert.deepEqual([afterFailure, undone], [[false, false], []]);
    assert.deepEqual(inBetween, [true, true]);
    assert.deepEqual(await listed(), [false, false]);
    assert.deepEqual(differences(atStart, etcOf(live)), []);
  });

  it('installs into both by one change, and a container runs through Docker’s', async () => {
    const change = await live.json(['install', live.bundle(live.first), ...both]);
    const status = (await live.json(['status'])) as { engine: { name: string }; otherEngines: { name: string }[]; generations: unknown[] };
    const again = await live.json(['install', live.bundle(live.first)]);

    assert.deepEqual(change['restarted'], [containerd]);
    assert.deepEqual(
      [status.engine.name, status.otherEngines.map(({ name }) => name), status.generations.length],
      ['containerd', ['docker'], 1],
    );
    assert.equal(again['changed'], false);
    assert.deepEqual(await listed(), [true, true]);
    assert.equal(await containerSays(live, handler), 'it runs');
  });

  it('an upgrade and a rollback restart neither, and a boot blesses the generation for both', async () => {
    const runs = await runsOf(live, [dockerUnit, containerd, dependent]);
    await live.json(['install', live.bundle(live.second)]);
    await live.json(['rollback']);
    const after = await runsOf(live, [dockerUnit, containerd, dependent]);
    await live.host.reboot();
    await live.host.sh('for n in $(seq 3000); do docker version >/dev/null 2>&1 && exit; sleep 0.1; done; exit 1');
    await until(async () => (await live.kata(['status'])).stdout.includes('blessed'), 'the generation is blessed');

    assert.deepEqual(after, runs);
    assert.deepEqual(await listed(), [true, true]);
  });

  it('uninstalls from both: the bytes of others are as they were', async () => {
    // The guard of the boot has blessed the generation, and may still end.
    const change = await live.json(['uninstall', '--purge', '--wait', '120']);

    assert.deepEqual(change['restarted'], [containerd]);
    assert.deepEqual(await listed(), [false, false]);
    assert.equal(existsSync(join(live.host.root, 'var/lib/kata-sysext')), false);
    assert.equal(readFileSync(join(live.host.root, daemonJson), 'utf8').includes(handler), false);
  });

  it('one that was removed: a boot blesses the other, a change asks for leave, and takes the text out of its file', async () => {
    await live.json(['install', live.bundle(live.first), ...both]);
    await live.json(['install', live.bundle(live.second)]);
    await live.host.sh(hideDocker);
    await live.host.reboot();
    await confirmed(/generation 2 is blessed without docker/);
    const withText = readFileSync(join(live.host.root, daemonJson), 'utf8');

    // Its program is hidden by a mount, of which the backend has something to say.
    const rollback = ['rollback', '--wait', '120', '--allow', 'sysext-nested-mounts'];
    const refused = await live.json(rollback, 3);
    const done = await live.json([...rollback, '--allow', 'engine-gone']);
    const left = readFileSync(join(live.host.root, daemonJson), 'utf8');

    assert.equal(refused['code'], 'engine-gone');
    assert.match(withText, new RegExp(handler));
    assert.deepEqual([done['to'], done['restarted'], left], [1, [], theirs]);
    assert.ok((await handlersOf(live)).includes(handler));
  });
});

/** From the next boot on its unit is masked and its program is no file: the lab’s /usr cannot lose it. */
const hideDocker = `systemctl mask docker.service docker.socket
cat >/etc/systemd/system/hide-docker.service <<'UNIT'
[Unit]
DefaultDependencies=no
Before=sysinit.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/mount --bind /dev/null /usr/sbin/dockerd
[Install]
WantedBy=sysinit.target
UNIT
systemctl enable hide-docker.service`;
