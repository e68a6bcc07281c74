import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type BadServer, badServer, type Mode } from '../../lab/badServer.ts';
import { CURL, curlBinds } from '../../lab/curl.ts';
import { hasIgnition, ignitionFiles } from '../../lab/ignition.ts';
import { activeSince, lateNetwork } from '../../lab/lateNetwork.ts';
import { podRuns } from '../../lab/pods.ts';
import { run as runHere } from '../../lab/run.ts';
import { sha256 } from '../../support/digests.ts';
import { removeAfter, stopAfter } from '../../support/endings.ts';
import { handlersOf, type Live, liveHost, startsOf } from '../../support/live/liveHost.ts';
import { until } from '../../support/live/unitWork.ts';
import { json } from '../../support/program.ts';
import { singleFile } from '../../support/singleFile.ts';

const unit = 'kata-sysext-first-boot.service';
const port = 8099;
const handler = 'kata-qemu-runtime-rs';

/**
 * A node whose real Ignition wrote what `generate` made, and a server on its loopback that fails in every way there is. Judged by systemd, the
 * journal, the CRI and the pods.
 */
describe('the first boot with a hook', function () {
  this.timeout(600_000);
  let live: Live;
  let server: BadServer | undefined;
  let folder: string;

  before(async function () {
    if (!hasIgnition()) {
      console.log('      Debian’s ignition is not on this machine: see .ci/packages.txt');
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-first-boot-'));
    live = await liveHost({ suite: 'trixie', binds: await curlBinds() });
    const program = await singleFile();
    copyFileSync(program, join(folder, 'kata-sysext'));
    copyFileSync(live.first.static, join(folder, basename(live.first.static)));
    const from = `http://127.0.0.1:${port}`;
    const out = join(folder, 'out');
    await json(['generate', 'ignition', live.first.static, '--target', 'flatcar', '--program', program, '--from', from, '-o', out]);
    await live.host.reboot({
      between: async () => {
        await ignitionFiles(join(out, 'kata-sysext.ign'), live.host.root);
        // Presets are applied at a first boot, which this disk has behind it.
        await runHere(['systemctl', `--root=${live.host.root}`, 'preset', unit]);
        // The roots of the lab have no curl, and nobody wants to wait for half a minute.
        const dropIn = join(live.host.root, 'etc/systemd/system', `${unit}.d`);
        mkdirSync(dropIn);
        writeFileSync(join(dropIn, 'lab.conf'), `[Service]\nRestartSec=1\nEnvironment=PATH=${CURL}:/usr/sbin:/usr/bin\n`);
      },
    });
  });
  after(() => server?.stop());
  stopAfter(() => live);
  removeAfter(() => folder);

  async function journal(): Promise<string> {
    return (await live.host.run(['journalctl', '-b', '-o', 'cat', '-u', unit])).stdout;
  }

  const runcRuns = (name: string) => podRuns(live.host, '', name);

  /** From now on the server fails so; gives what the journal says once it has said it. */
  async function failing(mode: Mode, says: RegExp): Promise<void> {
    await server!.become(mode);
    const before = (await journal()).length;
    await until(async () => says.test((await journal()).slice(before)), `the journal says ${says}`);
    assert.deepEqual(await handlersOf(live), ['runc']);
  }

  it('the server is absent: the node is up, runc runs, and the journal says that it will be tried again', async () => {
    await until(async () => /could not be fetched \(curl: 7\)/.test(await journal()), 'the journal has it');

    assert.equal((await live.host.run(['systemctl', 'is-system-running'], { allowFailure: true })).stdout.trim(), 'running');
    assert.equal((await live.host.run(['systemctl', 'is-active', 'multi-user.target'])).stdout.trim(), 'active');
    await runcRuns('absent');
    assert.equal(existsSync(join(live.host.root, 'var/lib/kata-sysext')), false);
  });

  it('a network that comes up late: the node is up before, and nothing waits', async () => {
    const usualNetwork = await lateNetwork(live.host);

    const [network, node] = [await activeSince(live.host, 'network-online.target'), await activeSince(live.host, 'multi-user.target')];

    assert.ok(node > 0 && network > 40 && node < network - 20, `multi-user.target after ${node} s, the network after ${network} s`);
    await usualNetwork();
  });

  it('404, busy, other bytes: nothing of it is used', async () => {
    server = await badServer(live.host, port, folder);

    await failing('404', /could not be fetched \(curl: 22\)/);
    await failing('busy', /could not be fetched \(curl: 22\)/);
    await failing('wrong', /has the wrong digest: found sha256 [0-9a-f]{64}, needed [0-9a-f]{64}/);

    await runcRuns('wrong');
    assert.equal(existsSync(join(live.host.root, 'var/lib/kata-sysext')), false);
  });

  it('slow: the node does not wait for it', async () => {
    await server!.become('slow');
    await until(async () => server!.asked.some((line) => line.startsWith('slow')), 'it is asked');

    await runcRuns('slow');

    const { stdout } = await live.host.run(['systemctl', 'list-jobs', '--no-legend']);
    assert.equal(stdout.trim(), '');
    await live.host.run(['systemctl', 'kill', '--signal=KILL', unit]);
  });

  it('dying half way: the next try goes on where it broke off; then Kata is installed without anybody’s help', async () => {
    await failing('half', /could not be fetched \(curl: 18\)/);
    await until(async () => server!.asked.some((line) => /^half \S+ bytes=[1-9]/.test(line)), 'it goes on with a range');
    const starts = await startsOf(live, 'containerd.service');

    await server!.become('well');
    await until(async () => /Kata Containers is installed/.test(await journal()), 'it is installed');

    assert.deepEqual(await handlersOf(live), [handler, 'runc']);
    assert.equal(await startsOf(live, 'containerd.service'), starts + 1);
    await podRuns(live.host, handler, 'first');
    assert.equal(existsSync(join(live.host.root, 'var/lib/kata-sysext-first-boot/work')), false);
    assert.equal((await live.json(['verify']))['ok'] ?? true, true);
  });

  it('the next boot asks nobody and restarts nothing', async () => {
    const asked = server!.asked.length;
    await server!.stop();
    server = undefined;

    await live.host.reboot();

    const { stdout } = await live.host.run(['systemctl', 'show', unit, '-p', 'ConditionResult', '-p', 'NRestarts']);
    assert.deepEqual(stdout.trim().split('\n').sort(), ['ConditionResult=no', 'NRestarts=0']);
    assert.deepEqual(await handlersOf(live), [handler, 'runc']);
    assert.equal(await startsOf(live, 'containerd.service'), 1);
    assert.ok(asked > 0);
  });

  it('what was uninstalled stays away', async () => {
    await live.json(['uninstall', '--purge']);

    await live.host.reboot();

    assert.deepEqual(await handlersOf(live), ['runc']);
  });

  it('a wish that is taken back is taken back on the node too: the earlier one is installed again', async () => {
    server = await badServer(live.host, port, folder);
    const log = join(live.host.root, 'var/ran');
    const one = await generated('one', 'echo one >>/var/ran');
    const other = await generated('other', 'echo other >>/var/ran');

    const ran: string[] = [];
    for (const config of [one, other, one, one]) {
      await write(config);
      await live.host.sh(`systemctl daemon-reload; systemctl start ${unit}`);
      await until(async () => /ActiveState=(inactive|failed)/.test(await shown('ActiveState')), 'it has ended');
      ran.push((await shown('ConditionResult')).trim());
    }

    assert.deepEqual(
      ran,
      ['yes', 'yes', 'yes', 'no'].map((result) => `ConditionResult=${result}`),
    );
    assert.equal(readFileSync(log, 'utf8'), 'one\nother\none\n');
    await server.stop();
    server = undefined;
  });

  it('on OpenShift nothing happens before the node has moved to its own operating system', async () => {
    const marker = join(live.host.root, 'etc/ignition-machine-config-encapsulated.json');
    const programs = await generated('stays-away', 'exit 0');

    await live.host.reboot({
      between: async () => {
        writeFileSync(marker, '{}');
        await write(programs);
      },
    });

    assert.equal((await shown('ConditionResult')).trim(), 'ConditionResult=no');
    rmSync(marker);
    assert.equal(existsSync(join(live.host.root, 'var/lib/kata-sysext-first-boot/work')), false);
  });

  it('a refusal that may pass is tried again, a failed proof is not: each try could restart the engine', async () => {
    server = await badServer(live.host, port, folder);
    for (const [status, again] of [
      [3, true],
      [75, true],
      [1, false],
      [4, false],
    ] as const) {
      await write(await generated(`ends-with-${status}`, `exit ${status}`));
      await live.host.sh(`systemctl daemon-reload; systemctl reset-failed ${unit} || true; systemctl restart ${unit}`);

      await until(async () => (await journal()).includes(`not installed (exit status ${status})`), 'it has ended');
      await until(
        async () => /NRestarts=[2-9]/.test(await shown('NRestarts')) || /ActiveState=failed/.test(await shown('ActiveState')),
        'it is settled',
      );

      assert.equal(/ActiveState=failed/.test(await shown('ActiveState')), !again, `${status}`);
      if (!again) assert.match(await shown('NRestarts'), /NRestarts=0/);
      await live.host.sh(`systemctl stop ${unit} || true`);
    }
  });

  async function shown(property: string): Promise<string> {
    return (await live.host.run(['systemctl', 'show', unit, '-p', property])).stdout;
  }

  /** A configuration whose program is a script, which is taken as it is where it has an address. */
  async function generated(name: string, script: string): Promise<string> {
    const text = `#!/bin/sh\n${script}\n`;
    writeFileSync(join(folder, `${name}.sh`), text);
    const [from, out] = [`http://127.0.0.1:${port}`, join(folder, name)];
    const program = ['--program', `${from}/${name}.sh`, '--program-digest', sha256(Buffer.from(text))];
    await json(['generate', 'ignition', live.first.static, '--target', 'flatcar', ...program, '--from', from, '-o', out]);
    return join(out, 'kata-sysext.ign');
  }

  async function write(config: string): Promise<void> {
    await ignitionFiles(config, live.host.root);
  }
});
