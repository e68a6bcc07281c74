import assert from 'node:assert/strict';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasIgnition, ignitionFiles } from '../../lab/ignition.ts';
import { activeSince, lateNetwork } from '../../lab/lateNetwork.ts';
import { podRuns } from '../../lab/pods.ts';
import { run as runHere } from '../../lab/run.ts';
import { removeAfter, stopAfter } from '../../support/endings.ts';
import { handlersOf, type Live, liveHost, startsOf } from '../../support/live/liveHost.ts';
import { json } from '../../support/program.ts';

const unit = 'kata-sysext-first-boot.service';
const handler = 'kata-qemu-runtime-rs';
const work = 'var/lib/kata-sysext-first-boot/work';

/** containerd's own file decides: judged by systemd, the journal, the CRI and pods. The archive is there already; servers are rendered.spec's. */
describe('the first boot, rendered for containerd', function () {
  this.timeout(900_000);
  let live: Live;
  let folder: string;
  let config: string;
  let own: string;

  before(async function () {
    if (!hasIgnition()) {
      console.log('      Debian’s ignition is not on this machine: see .ci/packages.txt');
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-rendered-'));
    live = await liveHost({ suite: 'trixie' });
    config = join(live.host.root, 'etc/containerd/config.toml');
    own = readFileSync(config, 'utf8');
    writeFileSync(join(folder, 'config.toml'), own);
    const engine = ['--form', 'rendered', '--engine', 'containerd@1.7.24', '--engine-config', join(folder, 'config.toml')];
    const words = ['generate', 'ignition', live.first.static, '--target', 'flatcar', ...engine, '--from', 'http://127.0.0.1:1'];
    await json([...words, '-o', join(folder, 'out')], 0, { timeoutMs: 600_000 });
  });
  stopAfter(() => live);
  removeAfter(() => folder);

  it('a network that comes up late: containerd waits for the unit’s bound and not for the network, which runc needs no more than before', async () => {
    await prepare();
    rmSync(join(live.host.root, work), { recursive: true });
    const bound = join(live.host.root, 'etc/systemd/system', `${unit}.d`);
    mkdirSync(bound);
    writeFileSync(join(bound, 'bound.conf'), '[Service]\nTimeoutStartSec=6\nRestartSec=600\n');
    const usualNetwork = await lateNetwork(live.host);

    const [network, engine] = [await activeSince(live.host, 'network-online.target'), await activeSince(live.host, 'containerd.service')];

    assert.match((await live.host.run(['journalctl', '-b', '-o', 'cat', '-u', unit])).stdout, /start operation timed out/);
    assert.ok(engine > 0 && network > 40 && engine < network - 20, `containerd after ${engine} s, the network after ${network} s`);
    assert.deepEqual(await handlersOf(live), ['runc']);
    rmSync(bound, { recursive: true });
    await usualNetwork();
  });

  it('a file that is another one by now: the node is up without Kata, nothing is changed, and the journal says why', async () => {
    await live.host.reboot({
      between: async () => {
        await prepare();
        appendFileSync(config, '# edited since\n');
      },
    });

    const { stdout: said } = await live.host.run(['journalctl', '-b', '-o', 'cat', '-u', unit]);
    assert.match(said, /config\.toml is not the file that this was made for.*nothing was changed, the node runs without Kata/);
    assert.match(
      (await live.host.run(['systemctl', 'show', unit, '-p', 'ExecMainStatus', '-p', 'NRestarts'])).stdout,
      /NRestarts=0\nExecMainStatus=3/,
    );
    assert.equal((await live.host.run(['systemctl', 'is-active', 'multi-user.target'])).stdout.trim(), 'active');
    assert.deepEqual(await handlersOf(live), ['runc']);
    assert.equal(readFileSync(config, 'utf8'), `${own}# edited since\n`);
    for (const path of ['var/lib/kata-sysext', 'etc/kata-sysext']) assert.equal(existsSync(join(live.host.root, path)), false, path);
    await podRuns(live.host, '', 'pod-runc');
  });

  it('the file that it was made for: containerd starts once, with Kata, and an uninstall gives the file back', async () => {
    await live.host.reboot({ between: () => writeFileSync(config, own) });
    const handlers = await handlersOf(live);
    const starts = await startsOf(live, 'containerd.service');
    console.log(`      ${await unitSeconds()} s for the unit`);
    await podRuns(live.host, handler, 'pod-kata');
    const { drift } = await live.json(['verify']);

    await live.json(['uninstall', '--purge']);

    assert.deepEqual([handlers, starts, drift], [[handler, 'runc'], 1, []]);
    assert.equal(readFileSync(config, 'utf8'), own);
    assert.deepEqual(await handlersOf(live), ['runc']);
  });

  /** For people: how long the unit held the engine up, without a network between. */
  async function unitSeconds(): Promise<string> {
    const { stdout } = await live.host.run([
      'systemctl',
      'show',
      unit,
      '-p',
      'InactiveExitTimestampMonotonic',
      '-p',
      'InactiveEnterTimestampMonotonic',
    ]);
    const at = (name: string) => Number(new RegExp(`${name}=(\\d+)`).exec(stdout)?.[1] ?? 0) / 1e6;
    return (at('InactiveEnterTimestampMonotonic') - at('InactiveExitTimestampMonotonic')).toFixed(1);
  }

  /** Ignition's work, and the archive where the unit fetches it to. */
  async function prepare(): Promise<void> {
    const { root } = live.host;
    await ignitionFiles(join(folder, 'out/kata-sysext.ign'), root);
    // Presets are applied at a first boot, which this disk has behind it.
    await runHere(['systemctl', `--root=${root}`, 'preset', unit]);
    mkdirSync(join(root, work), { recursive: true });
    const archive = readdirSync(join(folder, 'out')).find((name) => name.endsWith('.tar.gz'))!;
    copyFileSync(join(folder, 'out', archive), join(root, work, archive));
  }
});
