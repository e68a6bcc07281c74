import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BadServer, badServer } from '../../lab/badServer.ts';
import { crioAvailable } from '../../lab/crio.ts';
import { CURL, curlBinds } from '../../lab/curl.ts';
import { hasIgnition, ignitionFiles } from '../../lab/ignition.ts';
import { run as runHere } from '../../lab/run.ts';
import { removeAfter, stopAfter } from '../../support/endings.ts';
import { crioHandlers, crioHost, crioUnit } from '../../support/live/crioHost.ts';
import { type Live, runsOf, startsOf } from '../../support/live/liveHost.ts';
import { until } from '../../support/live/unitWork.ts';
import { json } from '../../support/program.ts';

const unit = 'kata-sysext-first-boot.service';
const port = 8098;
const handler = 'kata-qemu-runtime-rs';

/** What was installed elsewhere comes to a node with a real CRI-O; the program takes no part until the node is judged. */
describe('the first boot, rendered', function () {
  this.timeout(900_000);
  let live: Live;
  let server: BadServer | undefined;
  let folder: string;
  let archive: string;

  before(async function () {
    const crio = await crioAvailable();
    if (!crio.ok || !hasIgnition()) {
      console.log(`      ${crio.ok ? 'Debian’s ignition is not on this machine: see .ci/packages.txt' : crio.why}`);
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-rendered-'));
    live = await crioHost({}, 'trixie', await curlBinds());
    const request = ['--target', 'flatcar', '--form', 'rendered', '--engine', 'crio@1.36', '--from', `http://127.0.0.1:${port}`];
    await json(['generate', 'ignition', live.first.static, ...request, '-o', folder]);
    archive = readdirSync(folder).find((name) => name.endsWith('.tar.gz'))!;
    await live.host.reboot({ between: () => prepare(live.host.root, join(folder, 'kata-sysext.ign')) });
  });
  after(() => server?.stop());
  stopAfter(() => live);
  removeAfter(() => folder);

  async function journal(): Promise<string> {
    return (await live.host.run(['journalctl', '-b', '-o', 'cat', '-u', unit])).stdout;
  }

  it('the server is absent: CRI-O comes up without Kata; once it is there, Kata comes without anybody’s help', async () => {
    await until(async () => /could not be fetched \(curl: 7\)/.test(await journal()), 'the journal has it');
    const before = await crioHandlers(live);
    const nothing = existsSync(join(live.host.root, 'var/lib/kata-sysext'));

    server = await badServer(live.host, port, folder);
    await until(async () => /Kata Containers is in place/.test(await journal()), 'it is in place');
    await until(async () => (await crioHandlers(live).catch((): string[] => [])).includes(handler), 'CRI-O lists it');

    assert.deepEqual([before.includes(handler), nothing], [false, false]);
    assert.deepEqual(await crioHandlers(live), [...before, handler].sort());
  });

  it('to the program it is an installation like any other: it verifies it, and takes it off byte for byte', async () => {
    const status = await live.json(['status']);
    await live.json(['verify']);

    await live.json(['uninstall', '--purge']);

    assert.equal(status['active'], 1);
    assert.equal((await crioHandlers(live)).includes(handler), false);
    for (const path of ['var/lib/kata-sysext', 'etc/kata-sysext', 'etc/crio/crio.conf.d/50-kata-sysext.conf'])
      assert.equal(existsSync(join(live.host.root, path)), false, path);
  });

  it('where the archive is to be had in time, CRI-O starts once, with Kata', async () => {
    const state = join(live.host.root, 'var/lib/kata-sysext-first-boot');
    await live.host.reboot({
      between: () => {
        rmSync(state, { recursive: true });
        mkdirSync(join(state, 'work'), { recursive: true });
        copyFileSync(join(folder, archive), join(state, 'work', archive));
      },
    });
    server = undefined;

    assert.equal((await crioHandlers(live)).includes(handler), true);
    assert.equal(await startsOf(live, crioUnit), 1);
    assert.equal((await live.json(['status']))['active'], 1);
  });

  it('adopt proves it on the running engine, guards the next boots, and takes the unit out of use; nothing restarts', async () => {
    const runs = await runsOf(live, [crioUnit]);

    const change = await live.json(['adopt', 'rendered']);

    const [generation] = (await live.json(['status']))['generations'] as { state: string; owner?: { kind: string } }[];
    assert.deepEqual(
      [change['changed'], change['restarted'], generation?.state, generation?.owner?.kind],
      [true, [], 'active', 'ignition'],
    );
    assert.deepEqual(await runsOf(live, [crioUnit]), runs);
    assert.equal((await live.host.run(['systemctl', 'is-enabled', unit], { allowFailure: true })).stdout.trim(), 'disabled');
    assert.equal(existsSync(join(live.host.root, 'etc/systemd/system/kata-sysext-rewire.service')), true);
    assert.equal((await crioHandlers(live)).includes(handler), true);
    await live.json(['verify']);
  });

  it('a server that takes the call and says nothing: CRI-O waits for the unit’s bound, and comes up without Kata', async () => {
    await live.json(['uninstall', '--purge']);
    const units = join(live.host.root, 'etc/systemd/system');
    await live.host.reboot({
      between: () => {
        rmSync(join(live.host.root, 'var/lib/kata-sysext-first-boot'), { recursive: true });
        // Started is not listening yet: the unit must find somebody there.
        const listens = `until grep -qi ':${port.toString(16)} .* 0A ' /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done`;
        const silent = `[Unit]\nBefore=${unit}\n[Service]\nExecStart=/bin/busybox nc -ll -p ${port} -e /bin/sleep 600\nExecStartPost=/bin/sh -c "${listens}"\n`;
        writeFileSync(join(units, 'silent.service'), silent);
        symlinkSync(`../${unit}`, join(units, 'multi-user.target.wants', unit));
        symlinkSync('../../silent.service', join(units, 'multi-user.target.wants/silent.service'));
        writeFileSync(join(units, `${unit}.d`, 'bound.conf'), '[Service]\nTimeoutStartSec=6\nRestartSec=600\n');
      },
    });

    const at = async (name: string, what: string) =>
      Number(/=(\d+)/.exec((await live.host.run(['systemctl', 'show', name, '-p', what])).stdout)?.[1] ?? 0) / 1e6;
    const waited = (await at(crioUnit, 'ExecMainStartTimestampMonotonic')) - (await at(unit, 'ExecMainStartTimestampMonotonic'));
    assert.match(await journal(), /start operation timed out/);
    assert.equal((await live.host.run(['systemctl', 'is-active', crioUnit])).stdout.trim(), 'active');
    assert.equal((await crioHandlers(live)).includes(handler), false);
    // Near the bound of 6 s: the unit really comes before the engine. PID 1 counts from a moment before its program starts.
    assert.ok(waited >= 5, `CRI-O started ${waited} s after the unit`);
  });

  it('what takes longer than the bound comes with the next try, for which nobody waits', async () => {
    const units = join(live.host.root, 'etc/systemd/system');
    await live.host.reboot({
      between: () => {
        rmSync(join(units, 'multi-user.target.wants/silent.service'), { force: true });
        const work = join(live.host.root, 'var/lib/kata-sysext-first-boot/work');
        mkdirSync(work, { recursive: true });
        copyFileSync(join(folder, archive), join(work, archive));
        const slow = join(live.host.root, 'var/slow');
        mkdirSync(slow);
        writeFileSync(join(slow, 'tar'), '#!/bin/sh\nsleep 10\nexec /usr/bin/tar "$@"\n', { mode: 0o755 });
        const more = `Environment=PATH=/var/slow:${CURL}:/usr/sbin:/usr/bin`;
        writeFileSync(join(units, `${unit}.d`, 'slow.conf'), `[Service]\nTimeoutStartSec=6\nRestartSec=1\n${more}\n`);
      },
    });

    await until(async () => /Kata Containers is in place/.test(await journal()), 'it is in place');
    await until(async () => (await crioHandlers(live).catch((): string[] => [])).includes(handler), 'CRI-O lists it');

    assert.equal((await journal()).match(/start operation timed out/g)?.length, 1);
    assert.equal((await live.json(['status']))['active'], 1);
  });
});

/** Ignition's work, and what a host of the lab lacks. */
async function prepare(root: string, config: string): Promise<void> {
  await ignitionFiles(config, root);
  // Presets are applied at a first boot, which this disk has behind it.
  await runHere(['systemctl', `--root=${root}`, 'preset', unit]);
  const dropIn = join(root, 'etc/systemd/system', `${unit}.d`);
  mkdirSync(dropIn);
  writeFileSync(join(dropIn, 'lab.conf'), `[Service]\nRestartSec=1\nEnvironment=PATH=${CURL}:/usr/sbin:/usr/bin\n`);
}
