import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { podRuns, SOCKET, waitForCri } from '../../lab/pods.ts';
import { stopAfter } from '../../support/endings.ts';
import { differences } from '../../support/judges/fingerprint.ts';
import { etcOf, handlersOf, type Live, liveHost } from '../../support/live/liveHost.ts';
import { refuseOurs, takeOurs } from '../../support/live/refusingEngine.ts';
import { until } from '../../support/live/unitWork.ts';
import { all } from '../../support/sample.ts';

const ours = 'kata-qemu-runtime-rs';
const settle = 'kata-sysext-recover.service';
const guard = 'kata-sysext-rewire.service';

/** What a boot may bring besides: a clock that jumps, /var that comes late or is full, a journal of a newer program, deaths in the recovery. */
describe('the boot guard on a bad day', function () {
  this.timeout(900_000);
  let live: Live;
  let untouched: string[];

  before(async () => {
    live = await liveHost({ suite: 'trixie' });
    untouched = etcOf(live);
  });
  stopAfter(() => live);
  beforeEach(async () => {
    await live.kata(['uninstall', '--purge']);
    assert.deepEqual(changed(), []);
  });

  it('the recovery dies twice: the third boot finishes it', async () => {
    await tear();
    for (const point of ['undo/file/before', 'undo/pointer/after']) {
      await live.host.sh(
        `mkdir -p /run/systemd/system /etc/systemd/system/${settle}.d && printf '[Service]\\nEnvironment=KATA_SYSEXT_FAILPOINT=${point}=kill\\n' > /etc/systemd/system/${settle}.d/99-lab.conf`,
      );
      await boot({ crash: true });
      assert.notDeepEqual(changed(), []);
      assert.ok((await handlersOf(live)).includes('runc'));
    }
    await live.host.sh(`rm -r /etc/systemd/system/${settle}.d`);

    await boot({ crash: true });

    assert.deepEqual(changed(), []);
    assert.deepEqual(await handlersOf(live), ['runc']);
  });

  it('a journal of a newer program is left alone, byte for byte, and the node boots', async () => {
    await tear();
    await live.host.sh(`cd /var/lib/kata-sysext/journal/* && sed -i 's/"schema": 1/"schema": 99/' intent.json`);
    const sum = () =>
      live.host.sh('cd /var/lib/kata-sysext/journal && find . -type f | sort | xargs sha256sum').then(({ stdout }) => stdout);
    const before = [await sum(), changed()];

    await boot({ crash: true });

    assert.deepEqual([await sum(), changed()], before);
    assert.ok((await handlersOf(live)).includes('runc'));
    assert.match((await live.host.run(['journalctl', '-b', '-u', settle, '--no-pager'])).stdout, /newer/);
    await live.host.sh(`cd /var/lib/kata-sysext/journal/* && sed -i 's/"schema": 99/"schema": 1/' intent.json`);
    await live.json(['recover']);
  });

  it('a clock that stands years back or ahead changes nothing', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    await live.host.sh('cd /var/lib/kata-sysext && find . -exec touch -h -d "2038-01-01" {} +');
    await boot();
    await live.host.sh('cd /var/lib/kata-sysext && find . -exec touch -h -d "1971-01-01" {} +');

    await boot({ crash: true });

    assert.deepEqual(await handlersOf(live), [ours, 'runc']);
    assert.deepEqual((await live.json(['verify']))['drift'], []);
  });

  it('/var has no room left: the interrupted change is undone all the same', async () => {
    await tear();
    await live.host.sh(
      'dd if=/dev/zero of=/var/lib/kata-sysext/fill bs=1M || dd if=/dev/zero of=/var/lib/kata-sysext/fill2 bs=1 count=200000 || true',
    );

    await boot({ crash: true });
    await live.host.sh('rm -f /var/lib/kata-sysext/fill /var/lib/kata-sysext/fill2');

    assert.deepEqual(changed(), []);
    assert.deepEqual(await handlersOf(live), ['runc']);
  });

  it('/var has no room left, and the engine does not take our part: it runs without it', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    await refuseOurs(live);
    await live.host.sh(
      'dd if=/dev/zero of=/var/lib/kata-sysext/fill bs=1M || dd if=/dev/zero of=/var/lib/kata-sysext/fill2 bs=1 count=200000 || true',
    );

    await boot();
    const handlers = await handlersOf(live);
    await live.host.sh('rm -f /var/lib/kata-sysext/fill /var/lib/kata-sysext/fill2');
    await takeOurs(live);
    await waitForCri(live.host, SOCKET);

    assert.deepEqual(handlers, ['runc']);
    assert.equal((await live.json(['status']))['active'], undefined);
  });

  it('/var comes only after the first phase: the second one settles', async () => {
    await tear();
    await lateVar();

    await boot({ crash: true });

    assert.deepEqual(changed(), []);
    assert.deepEqual(await handlersOf(live), ['runc']);
  });

  it('/var comes only after the first phase, and the operating system is another one than was blessed: the second phase looks', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    await boot();
    await until(blessed, 'the generation is blessed');
    await live.host.sh("sed 's/^VERSION_ID=.*/VERSION_ID=99/' /usr/lib/os-release > /etc/other; mv /etc/other /etc/os-release");
    await lateVar();

    await boot();
    const ran = await started();
    await until(blessed, 'the generation is blessed on the other system');

    assert.deepEqual(ran, ['no', 'yes', 'yes']);
    await live.host.sh('ln -sf ../usr/lib/os-release /etc/os-release');
  });

  it('the first phase fails: the second one looks, and what is below /usr by then is known as ours', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'overlay']);
    await replaced(settle, 'ExecStart=/bin/false');

    await boot();
    await until(blessed, 'the generation is blessed');
    await asInstalled(settle);

    assert.equal((await live.json(['status']))['active'], 1);
    assert.deepEqual(await handlersOf(live), [ours, 'runc']);
  });

  it('the first phase hangs until systemd ends it: the engine starts, and the second phase looks', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    await replaced(settle, 'ExecStart=/bin/sleep infinity\\nTimeoutStartSec=5');

    await boot();
    const result = await resultOf(settle);
    await podRuns(live.host, 'runc', 'hangs');
    await until(blessed, 'the generation is blessed');
    await asInstalled(settle);

    assert.equal(result, 'timeout');
    assert.deepEqual(await handlersOf(live), [ours, 'runc']);
  });

  it('the second phase hangs or fails: the engine starts', async () => {
    const results: string[] = [];
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    for (const command of ['/bin/sleep infinity', '/bin/false']) {
      await replaced(guard, `ExecStart=${command}\\nTimeoutStartSec=5`);
      await boot();
      results.push(await resultOf(guard));
      await podRuns(live.host, 'runc', 'second');
      await live.host.sh('rm -f /etc/systemd/system/kata-sysext-*.service.d/50-blessed.conf');
    }
    await asInstalled(guard);

    assert.deepEqual(results, ['timeout', 'exit-code']);
    assert.deepEqual(await handlersOf(live), [ours, 'runc']);
  });

  it('all of /var/lib/kata-sysext is gone for good: the engine starts with our part in, and runs runc', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    await live.host.sh('mv /var/lib/kata-sysext /var/lost');

    await boot();
    await podRuns(live.host, 'runc', 'lost');
    const ran = await started();
    const failed = (await live.host.run(['systemctl', 'list-units', '--failed', '--plain', '--no-legend'])).stdout;
    await live.host.sh('rm -rf /var/lib/kata-sysext; mv /var/lost /var/lib/kata-sysext');

    assert.deepEqual(ran, ['no', 'no', 'no']);
    assert.equal(failed, '');
  });

  // The guard waits five minutes for the engine.
  if (all) {
    it('a boot in which nobody starts the engine is no try', async function () {
      this.timeout(600_000);
      await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
      await live.host.sh('systemctl mask containerd.service');
      await live.host.reboot();
      const tries = async () =>
        /"boots": (\d)/.exec((await live.host.sh('cat /var/lib/kata-sysext/generations/1/record.json')).stdout)?.[1];
      const early = await tries();

      await until(async () => (await tries()) === '0', 'the try is taken back', 400_000);

      assert.equal(early, '1');
      await live.host.sh('systemctl unmask containerd.service; systemctl start containerd.service');
      await waitForCri(live.host, SOCKET);
    });
  }

  it('a change that died on the running host is not touched by what systemd starts there', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    await boot();
    await until(blessed, 'the generation is blessed');
    await live.kata(['uninstall'], { KATA_SYSEXT_FAILPOINT: 'step/restart/after=kill' });
    const torn = changed();

    const settled = 'until [ -z "$(systemctl list-jobs --no-legend)" ]; do sleep 0.2; done';
    await live.host.sh(`systemctl daemon-reload; systemd-run --wait true; systemctl start multi-user.target; ${settled}`);
    const after = changed();
    const ran = await started();
    await live.json(['recover']);

    assert.deepEqual(after, torn);
    assert.deepEqual(ran.slice(0, 1), ['yes']);
    assert.deepEqual(await handlersOf(live), [ours, 'runc']);
  });

  /** An install that dies after its wiring. */
  async function tear(): Promise<void> {
    await live.kata(['install', live.bundle(live.first), '--backend', 'prefix'], { KATA_SYSEXT_FAILPOINT: 'step/restart/before=kill' });
    assert.notDeepEqual(changed(), []);
  }

  /** The lab's stand-in for a late mount: the store is away until the engine's turn is near. Once. */
  async function lateVar(): Promise<void> {
    await live.host.sh(
      `mv /var/lib/kata-sysext /var/lib/late && cat > /etc/systemd/system/late-var.service <<'X'
[Unit]
After=sysinit.target
Before=kata-sysext-rewire.service
[Service]
Type=oneshot
ExecStart=/bin/mv /var/lib/late /var/lib/kata-sysext
ExecStart=/bin/rm /etc/systemd/system/late-var.service /etc/systemd/system/multi-user.target.wants/late-var.service
X
mkdir -p /etc/systemd/system/multi-user.target.wants && ln -s ../late-var.service /etc/systemd/system/multi-user.target.wants/`,
    );
  }

  /** A phase whose program is another one at the next boots. */
  async function replaced(unit: string, lines: string): Promise<void> {
    await live.host.sh(
      `mkdir -p /etc/systemd/system/${unit}.d && printf '[Service]\\nExecStart=\\n${lines}\\n' > /etc/systemd/system/${unit}.d/99-lab.conf`,
    );
  }

  async function asInstalled(unit: string): Promise<void> {
    await live.host.sh(`rm -r /etc/systemd/system/${unit}.d; systemctl daemon-reload`);
  }

  async function resultOf(unit: string): Promise<string> {
    return (await live.host.run(['systemctl', 'show', unit, '-p', 'Result', '--value'])).stdout.trim();
  }

  async function blessed(): Promise<boolean> {
    return existsSync(`${live.host.root}/etc/systemd/system/${settle}.d/50-blessed.conf`);
  }

  /** Whether the program of each of the three phases was started, in their order. */
  async function started(): Promise<string[]> {
    const units = [settle, guard, 'kata-sysext-confirm.service'];
    const property = 'ExecMainStartTimestampMonotonic';
    const said = await Promise.all(units.map((unit) => live.host.run(['systemctl', 'show', unit, '-p', property, '--value'])));
    return said.map(({ stdout }) => (stdout.trim() === '0' ? 'no' : 'yes'));
  }

  function changed(): string[] {
    return differences(untouched, etcOf(live));
  }

  async function boot(options: Parameters<Live['host']['reboot']>[0] = {}): Promise<void> {
    await live.host.reboot(options);
    await waitForCri(live.host, SOCKET);
  }
});
