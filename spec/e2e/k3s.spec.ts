import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { podRuns, removePod, runPod, waitForCri } from '../lab/pods.ts';
import { suiteAvailable } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import { dependent, handlersOf, type Live, runsOf } from '../support/live/liveHost.ts';
import { type Age, installAge, k3sFolder, k3sHost, k3sSocket, k3sUnit } from '../support/live/rancherHost.ts';
import { guardEnded } from '../support/live/unitWork.ts';

const handler = 'kata-qemu-runtime-rs';

/** A stand-in for k3s renders, and starts the real containerd: see rancherHost.ts. */
describe('k3s: a whole round on a host whose k3s (a stand-in) gets newer', function () {
  this.timeout(900_000);
  let live: Live;
  let inputs: string[];

  before(async function () {
    for (const suite of ['forky', 'trixie'] as const) {
      const available = await suiteAvailable(suite);
      if (available.ok) continue;
      console.log(`      left out: ${available.why}`);
      this.skip();
    }
    live = await k3sHost('2024');
    inputs = files();
  });
  stopAfter(() => live);

  it('finds the containerd that k3s started, and refuses one of the host', async () => {
    const checked = await live.json(['check']);
    const refused = await live.json(['install', live.bundle(live.first), '--engine', 'containerd'], 3);
    const { stdout } = await live.kata(['install', live.bundle(live.first), '--dry-run']);

    const { name, version, unit, configPath } = checked['engine'] as Record<string, string>;
    assert.deepEqual([name, version!.slice(0, 4), unit, configPath], ['k3s', '1.7.', k3sUnit, `${k3sFolder}/config.toml`]);
    assert.deepEqual([refused['code'], refused['next']], ['engine-rendered', 'kata-sysext check --engine k3s']);
    assert.match(stdout, /rendered: k3s writes .*config\.toml at each start of k3s\.service, .* Kubernetes API/);
    assert.match(stdout, /restarts: k3s\.service/);
    assert.deepEqual(files(), inputs);
  });

  it('installs with one restart of k3s.service: the handler is there, pods of it and of runc run', async () => {
    const before = await runsOf(live, [k3sUnit, dependent]);

    const change = await live.json(['install', live.bundle(live.first)]);

    const now = await runsOf(live, [k3sUnit, dependent]);
    assert.deepEqual(change['restarted'], [k3sUnit]);
    assert.ok([k3sUnit, dependent].every((unit) => now[unit] !== before[unit]));
    assert.deepEqual(files(), [...inputs, 'config-v3.toml.tmpl', 'config.toml.tmpl'].sort());
    await serves();
    await podRuns(live.host, handler, 'first');
  });

  it('k3s renders again at a restart: the handler stays, and an upgrade and a rollback restart nothing', async () => {
    await live.host.run(['systemctl', 'restart', k3sUnit]);
    await waitForCri(live.host, k3sSocket);
    const before = await runsOf(live, [k3sUnit]);

    const upgrade = await live.json(['install', live.bundle(live.second)]);
    const back = await live.json(['rollback']);

    assert.deepEqual([upgrade['restarted'], back['restarted']], [[], []]);
    assert.deepEqual(await runsOf(live, [k3sUnit]), before);
    await serves();
  });

  it('containerd 1.7 → 2.x and schema 2 → 3, without an import: the handler is there at that boot and the next', async () => {
    for (const age of ['2025', undefined] as const) {
      await boot(age);

      assert.match(rendered(), /^version = 3$/m);
      assert.doesNotMatch(rendered(), /^imports/m);
      await serves();
    }
    assert.deepEqual((await live.json(['verify']))['drift'], []);
  });

  it('a release with an import: the handler is there, and the next change moves it to a drop-in', async () => {
    await boot('2026');
    await serves();

    await live.json(['activate', '2']);

    assert.match(rendered(), /^imports = /m);
    assert.deepEqual(files(), [...inputs, 'config-v3.toml.d', 'config-v3.toml.d/kata-sysext.toml'].sort());
    await serves();
    await boot();
    await serves();
  });

  it('back to a release without one: the boot after next has the handler in the template again', async () => {
    await boot('2025', false);
    const lost = await handlersOf(live);
    await boot(undefined, true);

    assert.ok(!lost.includes(handler), 'that release imports nothing');
    assert.deepEqual(files(), [...inputs, 'config-v3.toml.tmpl'].sort());
    await serves();
  });

  it('uninstalls: k3s has what it had', async () => {
    const change = await live.json(['uninstall', '--purge']);

    assert.deepEqual(change['restarted'], [k3sUnit]);
    assert.deepEqual(files(), inputs);
    assert.doesNotMatch(rendered(), /kata/);
    assert.deepEqual(await handlersOf(live), ['runc', 'runhcs-wcow-process']);
    await removePod(live.host, await runPod(live.host, '', 'plain'));
  });

  async function boot(age?: Age, guard = age !== undefined): Promise<void> {
    if (age !== undefined) await installAge(live, age);
    await live.host.reboot();
    await waitForCri(live.host, k3sSocket);
    // At a boot of the same release it is skipped, and without the handler it would wait for it.
    if (guard) await guardEnded(live);
  }

  async function serves(): Promise<void> {
    const found = await handlersOf(live);
    assert.ok(found.includes(handler) && found.includes('runc'), found.join());
    for (const name of ['', handler]) await removePod(live.host, await runPod(live.host, name, name === '' ? 'plain' : 'kata'));
  }

  function files(): string[] {
    const names = readdirSync(join(live.host.root, k3sFolder), { recursive: true }).map(String);
    return names.filter((name) => !name.startsWith('certs.d')).sort();
  }

  function rendered(): string {
    return readFileSync(join(live.host.root, k3sFolder, 'config.toml'), 'utf8');
  }
});
