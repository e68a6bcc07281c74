import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { messageId } from '../../cli/runner/systemJournal.ts';
import { execIn, type Pod, podOutput, removePod, runPod, startContainer } from '../lab/pods.ts';
import { bootGuest } from '../lab/qemu.ts';
import { marker, type SampleRelease } from '../lab/release/index.ts';
import { type Suite, suiteAvailable } from '../lab/roots.ts';
import { shimsOf } from '../lab/shims.ts';
import { sha256 } from '../support/digests.ts';
import { stopAfter } from '../support/endings.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import {
  containerd,
  dependent,
  handlersOf,
  kataSysext,
  type Live,
  liveHost,
  runsOf,
  startsOf,
  whileProbed,
} from '../support/live/liveHost.ts';
import { suitesOf } from '../support/plan.ts';

const handler = 'kata-qemu-runtime-rs';
const shimMember = './opt/kata/runtime-rs/bin/containerd-shim-kata-v2';

/** What the engine and the lab itself write while they work; everything else below these folders is compared. */
const leftOut = [
  'var/lib/containerd', // the engine's own store: images, snapshots, sandboxes
  'var/log', // the journal and pods' logs
  'var/lib/systemd', // timers, random seed
  'var/tmp',
  'var/cache',
];
/** What `auto` takes on bookworm; on the others it takes sysext, whose round is in sysext.spec.ts. */
const prefixOf: Record<Suite, string[]> = { bookworm: [], trixie: ['--backend', 'prefix'], forky: ['--backend', 'prefix'] };
const folders = ['etc', 'usr', 'opt', 'var', 'boot'];

/** The digest of the shim as `tar` takes it out of the archive: no code of ours. */
function shimDigest(release: SampleRelease): string {
  return sha256(execFileSync('tar', ['--zstd', '-xOf', release.static, shimMember], { maxBuffer: 1 << 28 }));
}

for (const suite of suitesOf('prefix')) {
  describe(`a whole round on a live ${suite} host`, function () {
    const prefix = prefixOf[suite];
    this.timeout(900_000);
    let live: Live;
    let before: string[];
    let atStart: Record<string, string>;
    let running: Pod;
    let container: string;

    before_(suite, async () => {
      live = await liveHost({ suite });
      // The first pod makes the engine write what it writes once.
      await removePod(live.host, await runPod(live.host, '', 'warm'));
      before = fingerprint(live.host.root, folders, leftOut);
      atStart = await runsOf(live);
    });
    stopAfter(() => live);

    it('has no Node: all that follows is done by the single file', async () => {
      const { stdout } = await live.host.sh('ls -L /usr/bin /usr/local/bin /usr/lib /mnt/program | grep -E "^(node|npm)" || true');

      assert.equal(stdout, '');
    });

    it('says that the host is ready, and shows the plan without changing a byte', async () => {
      const checked = await live.json(['check']);
      const { stdout } = await live.kata(['install', live.bundle(live.first), ...prefix, '--dry-run']);

      assert.equal(checked['ready'], true);
      assert.match(stdout, /restart containerd\.service/);
      assert.match(stdout, /node-agent\.service/);
      assert.match(stdout, /\+\[plugins\..*kata-qemu-runtime-rs/);
      assert.deepEqual(differences(before, fingerprint(live.host.root, folders, leftOut)), []);
    });

    it('installs: the CRI lists the handler and still runc; engine and dependent restart once', async () => {
      const change = await live.json(['install', live.bundle(live.first), ...prefix]);

      assert.equal(change['to'], 1);
      const [was, now] = [atStart, await runsOf(live)];
      atStart = now;
      assert.deepEqual(change['restarted'], [containerd]);
      assert.deepEqual(await handlersOf(live), [handler, 'runc']);
      assert.notEqual(now[containerd], was[containerd]);
      assert.notEqual(now[dependent], was[dependent]);
      assert.match(now[dependent]!, /ActiveState=active/);
    });

    it('keeps a copy of the very program that ran, and the copy runs', async () => {
      const [{ path }] = (await live.json(['status']))['programs'] as [{ path: string }];

      const digests = await live.host.run(['sha256sum', path, kataSysext]);
      const { stdout } = await live.host.run([path, 'status', '--json']);

      assert.equal(new Set(digests.stdout.match(/^[0-9a-f]{64}/gm)).size, 1);
      assert.equal((JSON.parse(stdout) as Record<string, unknown>)['active'], 1);
    });

    it('runs a pod and a container through the handler, by the shim of the generation', async () => {
      const pod = await runPod(live.host, handler, 'first');

      assert.match(await podOutput(live.host, pod, 'echo printed in the pod'), /printed in the pod/);
      const shims = await shimsOf(live.host);
      assert.equal(shims.filter((shim) => shim.sha256 === shimDigest(live.first)).length, 1);
      await removePod(live.host, pod);
    });

    it('boots the installed hypervisor, kernel and initramfs to the marker, opening nothing outside the generation', async () => {
      const configuration = (await live.host.run(['cat', `/etc/kata-sysext/current/config/${handler}/configuration.toml`])).stdout;
      const tree = (await live.host.run(['realpath', '/etc/kata-sysext/current/payload'])).stdout.trim();
      const value = (key: string) => new RegExp(`^${key} = "(.+)"$`, 'm').exec(configuration)?.[1] ?? '';

      const guest = await bootGuest(live.host, tree, { path: value('path'), kernel: value('kernel'), initrd: value('initrd') });

      assert.ok(guest.console.includes(marker(live.first.version)), guest.console.slice(-500));
      assert.deepEqual(guest.foreign, []);
      assert.ok(guest.opened > 0);
      for (const [key, path] of [...configuration.matchAll(/^(path|kernel|image|initrd|virtio_fs_daemon) = "(.+)"$/gm)].map(
        (match) => [match[1], match[2]!] as const,
      )) {
        assert.ok(path.startsWith(`${tree}/`), `${key} = ${path}`);
        assert.equal((await live.host.run(['test', '-s', path], { allowFailure: true })).code, 0, `${key} = ${path} is there`);
      }
    });

    it('a second install of the same bundle writes nothing and restarts nothing', async () => {
      const state = () =>
        execFileSync('find', ['etc', 'var/lib/kata-sysext', '-not', '-name', 'lock', '-printf', '%p %i %T@ %C@\\n'], {
          cwd: live.host.root,
        }).toString();
      const files = state();

      const change = await live.json(['install', live.bundle(live.first)]);

      assert.equal(change['changed'], false);
      assert.equal(state(), files);
      assert.deepEqual(await runsOf(live), atStart);
    });

    it('upgrades and rolls back under a running pod: no restart, no failed call, new pods get the new shim', async () => {
      running = await runPod(live.host, handler, 'stays');
      container = await startContainer(live.host, running, 'sleep 600', 'main');

      const upgrade = await whileProbed(live, () => live.json(['install', live.bundle(live.second)]));
      const pod = await runPod(live.host, handler, 'second');
      const shims = await shimsOf(live.host);
      await removePod(live.host, pod);
      const back = await whileProbed(live, () => live.json(['rollback']));

      assert.equal(upgrade.failed, 0, upgrade.first);
      assert.equal(back.failed, 0, back.first);
      assert.ok(upgrade.calls > 50 && back.calls > 20, `${upgrade.calls} and ${back.calls} calls`);
      assert.equal(shims.filter((shim) => shim.sha256 === shimDigest(live.second)).length, 1);
      assert.equal(shims.filter((shim) => shim.sha256 === shimDigest(live.first)).length, 1);
      assert.deepEqual(await runsOf(live), atStart);
      assert.match(await execIn(live.host, container, ['echo', 'still here']), /still here/);
      const { active, generations } = (await live.json(['status'])) as { active: number; generations: { sandboxes: number }[] };
      assert.deepEqual([active, generations.map(({ sandboxes }) => sandboxes)], [1, [1, 0]]);
      assert.equal((await live.json(['verify']))['generation'], 1);
    });

    it('keeps the payload of a running pod through gc, and names the pod when it refuses to uninstall', async () => {
      await live.json(['gc', '--keep', '0']);

      const refused = await live.json(['uninstall'], 3);

      assert.equal(refused['code'], 'handler-in-use');
      assert.match(String(refused['found']), /default\/stays/);
      assert.match(await execIn(live.host, container, ['echo', 'still here']), /still here/);
    });

    it('uninstalls: one restart, and every byte, mode, owner and xattr as before', async () => {
      await removePod(live.host, running);

      const change = await live.json(['uninstall', '--purge']);

      assert.deepEqual(change['restarted'], [containerd]);
      assert.deepEqual(await handlersOf(live), ['runc']);
      const now = await runsOf(live);
      assert.notEqual(now[containerd], atStart[containerd]);
      assert.match(now[dependent]!, /ActiveState=active/);
      assert.equal(await startsOf(live, containerd), 3, 'at boot, at install, at uninstall');
      assert.equal(await startsOf(live, dependent), 3);
      assert.deepEqual(differences(before, fingerprint(live.host.root, folders, leftOut)), []);
      const listed = await live.host.run(['systemctl', 'list-units', '--all', '--plain', '--no-legend', 'kata-sysext*']);
      assert.deepEqual(listed.stdout, '');
    });

    it('each change left one entry with fields in the journal of systemd', async () => {
      const { stdout } = await live.host.run(['journalctl', '-o', 'json', `MESSAGE_ID=${messageId}`]);

      const entries = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, string>);
      const fields = ['VERB', 'FROM', 'TO', 'RELEASE', 'RESULT'].map((name) => `KATA_SYSEXT_${name}`);
      assert.deepEqual(
        entries.map((entry) => fields.map((name) => entry[name])),
        [
          ['install', undefined, '1', live.first.version, 'done'],
          ['install', '1', '2', live.second.version, 'done'],
          ['rollback', '2', '1', live.first.version, 'done'],
          ['uninstall', '1', undefined, undefined, 'done'],
        ],
      );
      assert.ok(entries.every((entry) => Number(entry['KATA_SYSEXT_SECONDS']) >= 0 && entry['SYSLOG_IDENTIFIER'] === 'kata-sysext'));
    });
  });
}

/** A suite that cannot be installed today is left out by name, never a red gate. */
function before_(suite: Suite, work: () => Promise<void>): void {
  before(async function () {
    const available = await suiteAvailable(suite);
    if (available.ok) return work();
    console.log(`      ${suite} cannot be installed today: ${available.why}`);
    return this.skip();
  });
}
