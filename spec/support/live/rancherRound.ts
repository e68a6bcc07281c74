import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { podRuns, removePod, runPod, waitForCri } from '../../lab/pods.ts';
import { suiteAvailable } from '../../lab/roots.ts';
import { stopAfter } from '../endings.ts';
import { sample } from '../sample.ts';
import { dependent, handlersOf, type Live, runsOf } from './liveHost.ts';
import { type Age, installRelease, type RancherHost, rancherHost, rancherSocket } from './rancherHost.ts';
import { guardEnded } from './unitWork.ts';

const handler = 'kata-qemu-runtime-rs';

/**
 * The whole round on a host of k3s or RKE2 (a stand-in, see rancherHost.ts). Between any two changes the program renders again, the host
 * boots, and the release is another one (of these three the seed draws one, `npm run test:all` has all): the handlers are there, or the plan
 * has said why not, and pods of runc run.
 */
export function rancherRound(of: RancherHost): void {
  const { title, unit, folder, program } = of;
  let live: Live;
  let inputs: string[];
  let age: Age = '2024';
  let patch = 0;

  before(async function () {
    for (const suite of ['forky', 'trixie'] as const) {
      const available = await suiteAvailable(suite);
      if (available.ok) continue;
      console.log(`      left out: ${available.why}`);
      this.skip();
    }
    live = await rancherHost(of, age);
    inputs = files();
  });
  stopAfter(() => live);

  it(`finds the containerd that ${title} started, and refuses one of the host`, async () => {
    const checked = await live.json(['check']);
    const refused = await live.json(['install', live.bundle(live.first), '--engine', 'containerd'], 3);
    const { stdout } = await live.kata(['install', live.bundle(live.first), '--dry-run']);

    const engine = checked['engine'] as Record<string, string>;
    assert.deepEqual(
      [engine['name'], engine['version']!.slice(0, 4), engine['unit'], engine['configPath']],
      [program, '1.7.', unit, `${folder}/config.toml`],
    );
    assert.deepEqual([refused['code'], refused['next']], ['engine-rendered', `kata-sysext check --engine ${program}`]);
    assert.match(stdout, new RegExp(`rendered: ${title} writes .*config\\.toml at each start of ${unit}, .* Kubernetes API`));
    assert.match(stdout, new RegExp(`restarts: ${unit}`));
    assert.deepEqual(files(), inputs);
  });

  it(`installs with one restart of ${unit}: the handler is there, pods of it and of runc run`, async () => {
    const before = await runsOf(live, [unit, dependent]);

    const change = await live.json(['install', live.bundle(live.first)]);

    const now = await runsOf(live, [unit, dependent]);
    assert.deepEqual(change['restarted'], [unit]);
    assert.ok([unit, dependent].every((name) => now[name] !== before[name]));
    assert.deepEqual(files(), [...inputs, 'config-v3.toml.tmpl', 'config.toml.tmpl'].sort());
    await serves();
    await podRuns(live.host, handler, 'first');
  });

  it(`${title} renders again, then boots with containerd 2.x and schema 3, without an import: the handler is there, now and at the next boot`, async () => {
    await renderAgain();
    await serves();
    for (const next of ['2025', undefined] as const) {
      await boot(next);

      assert.match(rendered(), /^version = 3$/m);
      assert.doesNotMatch(rendered(), /^imports/m);
      await serves();
    }
    assert.deepEqual((await live.json(['verify']))['drift'], []);
  });

  it('upgrades: one restart, because the other release reads one template', async () => {
    const plan = await live.json(['install', live.bundle(live.second), '--dry-run']);
    const upgrade = await live.json(['install', live.bundle(live.second)]);

    assert.deepEqual([plan['restarts'], upgrade['restarted']], [[unit], [unit]]);
    await serves();
  });

  between('after the upgrade');

  it('a rollback needs no restart', rollsBack);

  between('after the rollback');

  it('a rollback of the rollback needs none', rollsBack);

  between('after its rollback');

  it(`${title} boots with a release that imports a folder: the handler is there`, async () => {
    await boot('2026');

    assert.match(rendered(), /^imports = /m);
    await serves();
  });

  it('a rollback moves the handlers to a drop-in, and its plan says what an older release would make of that', async () => {
    const { stdout } = await live.kata(['rollback', '--dry-run']);
    await live.json(['rollback']);

    assert.match(stdout, /A release that does not \(before March 2026\) has no handler of Kata from its first start on/);
    assert.deepEqual(files(), [...inputs, 'config-v3.toml.d', 'config-v3.toml.d/kata-sysext.toml'].sort());
    await serves();
  });

  between('after the move');

  it('back to a release without an import: as the plan said, the boot after next has the handler in the template again', async () => {
    await boot('2025', false);
    const lost = await handlersOf(live);
    await podRuns(live.host, '', 'meanwhile');
    await boot(undefined, true);

    assert.ok(!lost.includes(handler), 'that release imports nothing');
    assert.deepEqual(files(), [...inputs, 'config-v3.toml.tmpl'].sort());
    await serves();
  });

  between('after the boot guard’s change');

  it(`uninstalls: ${title} has what it had, also after it rendered again, and with another release at the next boot`, async () => {
    const change = await live.json(['uninstall', '--purge']);

    assert.deepEqual(change['restarted'], [unit]);
    await isPlain();
    await renderAgain();
    await isPlain();
    await boot('2026', false);
    await isPlain();
  });

  function between(gap: string): void {
    const events: [what: string, happen: () => Promise<void>][] = [
      ['renders again', renderAgain],
      ['boots with its host', () => boot()],
      ['is another release at the next boot', () => boot(age)],
    ];
    for (const [what, happen] of sample(events, 1, `${program} ${gap}`))
      it(`${gap}, ${title} ${what}: the handler is there, and pods of it and of runc run`, async () => {
        await happen();
        await serves();
      });
  }

  async function rollsBack(): Promise<void> {
    const before = await runsOf(live, [unit]);

    const change = await live.json(['rollback']);

    assert.deepEqual(change['restarted'], []);
    assert.deepEqual(await runsOf(live, [unit]), before);
    await serves();
  }

  async function boot(next?: Age, guard = next !== undefined): Promise<void> {
    if (next !== undefined) {
      age = next;
      patch += 1;
      await installRelease(live, of, age, patch);
    }
    await live.host.reboot();
    await waitForCri(live.host, rancherSocket);
    // At a boot of the same release it is skipped, and without the handler it would wait for it.
    if (guard) await guardEnded(live);
  }

  async function renderAgain(): Promise<void> {
    await live.host.run(['systemctl', 'restart', unit]);
    await waitForCri(live.host, rancherSocket);
  }

  async function serves(): Promise<void> {
    const found = await handlersOf(live);
    assert.ok(found.includes(handler) && found.includes('runc'), found.join());
    for (const name of ['', handler]) await removePod(live.host, await runPod(live.host, name, name === '' ? 'plain' : 'kata'));
  }

  async function isPlain(): Promise<void> {
    assert.deepEqual(files(), inputs);
    assert.doesNotMatch(rendered(), /kata/);
    assert.deepEqual(await handlersOf(live), ['runc', 'runhcs-wcow-process']);
    await removePod(live.host, await runPod(live.host, '', 'plain'));
  }

  function files(): string[] {
    const names = readdirSync(join(live.host.root, folder), { recursive: true }).map(String);
    return names.filter((name) => !name.startsWith('certs.d')).sort();
  }

  function rendered(): string {
    return readFileSync(join(live.host.root, folder, 'config.toml'), 'utf8');
  }
}
