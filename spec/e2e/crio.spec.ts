import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CRIO_SOCKET, CRIO_VERSION } from '../lab/crio.ts';
import { type Suite, suiteAvailable } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import {
  crioHandlers,
  crioHost,
  crioMisfit,
  crioUnit,
  dropIn,
  dropIns,
  filesConfig,
  namesMade,
  runningConfig,
  whereCrio,
} from '../support/live/crioHost.ts';
import { dependent, type Live, runsOf, whileProbed } from '../support/live/liveHost.ts';
import { sample } from '../support/sample.ts';

const handler = 'kata-qemu-runtime-rs';
const units = [crioUnit, dependent];

/** What the engine and the lab itself write while they work; everything else below these folders is compared. */
const leftOut = [
  'var/lib/containers', // the engine's own store
  'var/lib/crio', // its marks of a clean shutdown and of its version
  'var/log', // the journal
  'var/lib/systemd', // timers, random seed
  'var/tmp',
  'var/cache',
];
const folders = ['etc', 'usr', 'opt', 'var', 'boot'];

/** What `auto` takes: prefix where systemd is too old for sysext. */
const base: Record<Suite, string> = {
  bookworm: '/etc/kata-sysext/current/payload',
  trixie: '/usr/share/kata',
  forky: '/usr/share/kata',
};

/** Exactly what our file says: written by hand from CRI-O's crio.conf(5). */
const keys = {
  runtime_type: 'vm',
  runtime_root: '/run/vc',
  runtime_config_path: `/etc/kata-sysext/current/config/${handler}/configuration.toml`,
  privileged_without_host_devices: true,
};

function wantedOn(suite: Suite): Record<string, unknown> {
  return { runtime_path: `${base[suite]}/runtime-rs/bin/containerd-shim-kata-v2`, ...keys };
}

type Runtimes = Record<string, Record<string, unknown>>;

function runtimesOf(config: Record<string, unknown>): Runtimes {
  return (config as { crio: { runtime: { runtimes: Runtimes } } }).crio.runtime.runtimes;
}

/** What a configuration says of our handler, defaults of keys that we do not write left out. */
function said(config: Record<string, unknown>): Record<string, unknown> {
  const table = runtimesOf(config)[handler]!;
  return Object.fromEntries(['runtime_path', ...Object.keys(keys)].map((key) => [key, table[key]]));
}

/** The configuration without our handler: nothing else may differ. */
function withoutOurs(config: Record<string, unknown>): Record<string, unknown> {
  const copy = structuredClone(config);
  delete runtimesOf(copy)[handler];
  return copy;
}

describe('CRI-O on live hosts', () => {
  whereCrio();

  for (const suite of sample<Suite>(['bookworm', 'trixie', 'forky'], 1, 'CRI-O suites')) {
    describe(`a whole round on a live ${suite} host with CRI-O ${CRIO_VERSION}`, function () {
      this.timeout(900_000);
      let live: Live;
      let atStart: string[];
      let runs: Record<string, string>;
      let running: Record<string, unknown>;
      let files: Record<string, unknown>;

      before(async function () {
        const available = await suiteAvailable(suite);
        const misfit = available.ok ? await crioMisfit(suite) : available.why;
        if (misfit !== undefined) {
          console.log(`      ${misfit}`);
          return this.skip();
        }
        live = await crioHost({}, suite);
        atStart = fingerprint(live.host.root, folders, leftOut);
        runs = await runsOf(live, units);
        [running, files] = [await runningConfig(live), await filesConfig(live)];
      });
      stopAfter(() => live);

      it('finds the running CRI-O beside an installed containerd, and shows the plan without changing a byte', async () => {
        const checked = (await live.json(['check'])) as { ready: boolean; engine: Record<string, unknown> };
        const { stdout } = await live.kata(['install', live.bundle(live.first), '--dry-run']);

        assert.equal(checked.ready, true);
        assert.deepEqual(
          [checked.engine['name'], checked.engine['version'], checked.engine['unit'], checked.engine['handlers']],
          ['crio', CRIO_VERSION, crioUnit, ['runc']],
        );
        assert.match(stdout, /restart crio\.service/);
        assert.match(stdout, /node-agent\.service/);
        assert.match(stdout, /\+\[crio\.runtime\.runtimes\.kata-qemu-runtime-rs\]/);
        assert.deepEqual(differences(atStart, fingerprint(live.host.root, folders, leftOut)), []);
      });

      it('installs: one drop-in and nothing else in CRI-O’s folder at any time, one restart, the dependent active again', async () => {
        const { result: change, names } = await namesMade(live, () => live.json(['install', live.bundle(live.first)]));

        const was = runs;
        runs = await runsOf(live, units);
        assert.deepEqual(change['restarted'], [crioUnit]);
        assert.deepEqual(names, ['50-kata-sysext.conf']);
        assert.deepEqual(readdirSync(join(live.host.root, dropIns)).sort(), ['10-crio.conf', '50-kata-sysext.conf']);
        for (const unit of units) {
          assert.notEqual(runs[unit], was[unit]);
          assert.match(runs[unit]!, /ActiveState=active/);
        }
      });

      it('serves: CRI and daemon list the handler with our paths, and nothing else differs', async () => {
        const now = await runningConfig(live);

        assert.deepEqual(await crioHandlers(live), ['', handler, 'runc']);
        assert.deepEqual(said(now), wantedOn(suite));
        assert.deepEqual(withoutOurs(now), running);
        assert.deepEqual(said(await filesConfig(live)), wantedOn(suite));
        assert.deepEqual(withoutOurs(await filesConfig(live)), files);
        const { stdout } = await live.host.sh(`journalctl -u crio -o cat | grep 'being ignored' | grep ${handler}`, { allowFailure: true });
        assert.equal(stdout, '');
      });

      it('a second install of the same bundle changes nothing', async () => {
        const change = await live.json(['install', live.bundle(live.first)]);

        assert.equal(change['changed'], false);
        assert.deepEqual(await runsOf(live, units), runs);
      });

      it('upgrades and rolls back without a restart and without a failed call', async () => {
        const text = readFileSync(join(live.host.root, dropIn), 'utf8');

        const upgrade = await whileProbed(live, () => live.json(['install', live.bundle(live.second)]), CRIO_SOCKET);
        const version = (await live.json(['status']))['active'];
        const back = await whileProbed(live, () => live.json(['rollback']), CRIO_SOCKET);

        assert.deepEqual([upgrade.failed, back.failed], [0, 0], `${upgrade.first}${back.first}`);
        assert.ok(upgrade.calls > 50 && back.calls > 20, `${upgrade.calls} and ${back.calls} calls`);
        assert.deepEqual([version, (await live.json(['status']))['active']], [2, 1]);
        assert.deepEqual(await runsOf(live, units), runs);
        assert.equal(readFileSync(join(live.host.root, dropIn), 'utf8'), text);
        assert.deepEqual(await crioHandlers(live), ['', handler, 'runc']);
      });

      it('refuses another engine for what is installed', async () => {
        const refused = await live.json(['uninstall', '--engine', 'containerd'], 3);

        assert.equal(refused['code'], 'engine-unsupported');
        assert.match(String(refused['found']), /wired to crio/);
      });

      it('uninstalls: one restart, and every byte, mode, owner and xattr as before', async () => {
        const { result: change, names } = await namesMade(live, () => live.json(['uninstall', '--purge']));

        assert.deepEqual(change['restarted'], [crioUnit]);
        assert.deepEqual(names, ['50-kata-sysext.conf']);
        assert.deepEqual(await crioHandlers(live), ['', 'runc']);
        assert.deepEqual(await runningConfig(live), running);
        assert.match((await runsOf(live, units))[dependent]!, /ActiveState=active/);
        assert.deepEqual(differences(atStart, fingerprint(live.host.root, folders, leftOut)), []);
      });
    });
  }
});
