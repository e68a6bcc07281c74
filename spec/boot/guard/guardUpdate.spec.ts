import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { SOCKET, waitForCri } from '../../lab/pods.ts';
import { stopAfter } from '../../support/endings.ts';
import { handlersOf, type Live, liveHost } from '../../support/live/liveHost.ts';
import { until } from '../../support/live/unitWork.ts';

const settle = 'kata-sysext-recover.service';
const guard = 'kata-sysext-rewire.service';
const bless = 'kata-sysext-confirm.service';
/** /usr of a lab host cannot be written to. */
const folder = '/opt/engine';
const engine = `${folder}/containerd`;
const dropIns = '/etc/systemd/system/containerd.service.d';

/** An update that runs while the host boots and holds its lock, as unattended-upgrades does: it may exchange the engine under the guard. */
describe('the boot guard beside an update that holds its lock', function () {
  this.timeout(900_000);
  let live: Live;

  before(async () => {
    live = await liveHost({ suite: 'trixie' });
    await live.host.sh(
      `mkdir -p ${folder} ${dropIns}; printf '[Service]\\nRestartSec=1\\nExecStart=\\nExecStart=${engine}\\n' > ${dropIns}/lab.conf`,
    );
  });
  stopAfter(() => live);
  beforeEach(async () => {
    await noUpdate();
    await live.host.sh(`cp -p --remove-destination /usr/bin/containerd ${engine}; systemctl daemon-reload; systemctl restart containerd`);
    await waitForCri(live.host, SOCKET);
    await live.kata(['uninstall', '--purge']);
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
  });

  it('the blessing waits for its end', async () => {
    await updating('true');

    await boot();
    await watchedOnce();
    const early = blessed();
    await goOn();
    await until(async () => blessed(), 'the generation is blessed', 600_000);

    assert.equal(early, false);
    assert.notEqual((await live.host.run(['systemctl', 'is-failed', bless], { allowFailure: true })).stdout.trim(), 'failed');
  });

  it('an engine that it puts there without a restart was not proven: the next boot looks', async () => {
    await updating(`cp -p ${engine} ${engine}.new; mv ${engine}.new ${engine}`);

    await boot();
    await watchedOnce();
    await goOn();
    await hasEnded();
    const after = blessed();
    await noUpdate();
    await boot();
    const looked = await started();
    await until(async () => blessed(), 'the generation is blessed with the other engine');

    assert.deepEqual([after, looked], [false, ['yes', 'yes', 'yes']]);
  });

  it('one that it starts anew and that does not come up with our part is not blessed: it runs without', async () => {
    await refusingEngine(`${folder}/other`);
    await updating(`mv ${folder}/other ${engine}; systemctl restart containerd || true`);

    await boot();
    await watchedOnce();
    await goOn();
    await hasEnded();

    assert.deepEqual(await handlersOf(live), ['runc']);
    assert.deepEqual([blessed(), (await live.json(['status']))['active']], [false, undefined]);
  });

  it('an engine that does not come up with our part runs without it, though the update never ends', async () => {
    await updating('true');
    await refusingEngine(engine);

    await boot();
    const handlers = await handlersOf(live);
    await hasEnded();

    assert.deepEqual(handlers, ['runc']);
    assert.deepEqual([blessed(), (await live.json(['status']))['active']], [false, undefined]);
  });

  /** One that serves only without our part, whatever it says of its files. */
  async function refusingEngine(path: string): Promise<void> {
    const text = '#!/bin/sh\n[ $# -gt 0 ] || ! grep -q kata-sysext /etc/containerd/config.toml || exit 1\nexec /usr/bin/containerd "$@"\n';
    await live.host.sh(`cat > ${path}.new && chmod 755 ${path}.new && mv ${path}.new ${path}`, { input: text });
  }

  /** What an update does at the next boot before it frees its lock, once `goOn` lets it. */
  async function updating(script: string): Promise<void> {
    const text = `#!/bin/sh\nuntil [ -e /run/go ]; do sleep 0.2; done\n${script}\n`;
    const unit = `[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/usr/bin/flock /var/lib/dpkg/lock-frontend ${folder}/update\n`;
    await live.host.run(['tee', `${folder}/update`], { input: text });
    await live.host.run(['tee', '/etc/systemd/system/update.service'], { input: unit });
    await live.host.sh(`chmod 755 ${folder}/update; ln -s ../update.service /etc/systemd/system/sysinit.target.wants/`);
  }

  async function noUpdate(): Promise<void> {
    await live.host.sh(
      'systemctl stop update.service || true; rm -f /etc/systemd/system/update.service /etc/systemd/system/sysinit.target.wants/update.service',
    );
  }

  /** The third phase has watched an engine that serves, and wants to bless it now. */
  async function watchedOnce(): Promise<void> {
    const waits = 'journalctl -b -o cat -u kata-sysext-confirm | grep -q "lock-frontend; waiting"';
    await until(async () => (await live.host.sh(`${waits} && echo yes || true`)).stdout.trim() === 'yes', 'the third phase waits');
  }

  async function goOn(): Promise<void> {
    await live.host.sh('touch /run/go');
  }

  async function hasEnded(): Promise<void> {
    await until(async () => ['inactive', 'failed'].includes(await show(bless, 'ActiveState')), 'the third phase has ended', 600_000);
  }

  function blessed(): boolean {
    return existsSync(`${live.host.root}/etc/systemd/system/${settle}.d/50-blessed.conf`);
  }

  /** Whether the program of each of the three phases was started, in their order. */
  async function started(): Promise<string[]> {
    const said = await Promise.all([settle, guard, bless].map((unit) => show(unit, 'ExecMainStartTimestampMonotonic')));
    return said.map((each) => (each === '0' ? 'no' : 'yes'));
  }

  async function show(unit: string, property: string): Promise<string> {
    return (await live.host.run(['systemctl', 'show', unit, '-p', property, '--value'])).stdout.trim();
  }

  async function boot(): Promise<void> {
    await live.host.reboot();
    await waitForCri(live.host, SOCKET);
  }
});
