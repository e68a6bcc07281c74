import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { CRIO_VERSION } from '../lab/crio.ts';
import { JUDGE } from '../lab/judge.ts';
import { execIn, type Pod, removePod, runPod, startContainer } from '../lab/pods.ts';
import { bootGuest } from '../lab/qemu.ts';
import { marker, type SampleRelease } from '../lab/release/index.ts';
import { type Suite, suiteAvailable } from '../lab/roots.ts';
import { shimsOf } from '../lab/shims.ts';
import { sha256 } from '../support/digests.ts';
import { stopAfter } from '../support/endings.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { crioHandlers, crioHost, crioUnit, filesConfig, needCrio } from '../support/live/crioHost.ts';
import { containerd, dependent, handlersOf, type Live, liveHost, runsOf } from '../support/live/liveHost.ts';
import { sample } from '../support/sample.ts';

const rust = 'kata-qemu-runtime-rs';
const go = 'kata-qemu';

/** What the engine and the lab itself write while they work; everything else below these folders is compared. */
const leftOut = [
  'var/lib/containerd', // the engine's own store: images, snapshots, sandboxes
  'var/log', // the journal and pods' logs
  'var/lib/systemd', // timers, random seed
  'var/tmp',
  'var/cache',
];
const folders = ['etc', 'usr', 'opt', 'var', 'boot'];

/** The digest of an archive's shim as `tar` takes it out: no code of ours. */
function shimDigest(release: SampleRelease, which: 'static' | 'go'): string {
  const member = which === 'go' ? './opt/kata/bin/containerd-shim-kata-v2' : './opt/kata/runtime-rs/bin/containerd-shim-kata-v2';
  return sha256(execFileSync('tar', ['--zstd', '-xOf', release[which], member], { maxBuffer: 1 << 28 }));
}

for (const suite of sample<Suite>(['trixie', 'forky'], 1, 'handler suites')) {
  describe(`several handlers and an alias on a live ${suite} host`, function () {
    this.timeout(900_000);
    let live: Live;
    let before: string[];
    const pods: Record<string, Pod> = {};
    let container: string;

    const both = (release: SampleRelease) => [live.bundle(release), live.bundle(release, 'go')];
    const stillRuns = async () => {
      assert.match(await execIn(live.host, container, ['echo', 'still here']), /still here/);
      const { items } = JSON.parse((await live.host.run([JUDGE, 'pods'])).stdout) as { items: { id: string; state: string }[] };
      assert.equal(items.find(({ id }) => id === pods['by-rust']!.id)?.state, 'SANDBOX_READY');
    };
    const shims = async (digest: string) => (await shimsOf(live.host)).filter((shim) => shim.sha256 === digest).map(({ pid }) => pid);

    before_(suite, async () => {
      live = await liveHost({ suite });
      // The first pod makes the engine write what it writes once.
      await removePod(live.host, await runPod(live.host, '', 'warm'));
      before = fingerprint(live.host.root, folders, leftOut);
      await live.json(['install', live.bundle(live.first)]);
    });
    stopAfter(() => live);

    it('adds a Go handler and an alias of it in one change with one restart, which the plan says before', async () => {
      const args = ['install', ...both(live.first), '--add-handler', 'qemu', '--alias', 'kata=qemu'];
      const plan = await live.json([...args, '--dry-run']);

      const change = await live.json(args);

      assert.deepEqual([plan['restarts'], change['restarted']], [[containerd], [containerd]]);
      assert.deepEqual(await handlersOf(live), ['kata', go, rust, 'runc']);
    });

    it('runs pods through each name by the shim of its family, and still through runc', async () => {
      await removePod(live.host, await runPod(live.host, '', 'plain'));
      for (const [handler, name] of [
        [rust, 'by-rust'],
        [go, 'by-go'],
        ['kata', 'by-alias'],
      ] as const) {
        pods[name] = await runPod(live.host, handler, name);
      }
      container = await startContainer(live.host, pods['by-rust']!, 'sleep 900', 'main');

      assert.equal((await shims(shimDigest(live.first, 'go'))).length, 2);
      assert.equal((await shims(shimDigest(live.first, 'static'))).length, 1);
      assert.match(await execIn(live.host, container, ['echo', 'here']), /here/);
    });

    for (const handler of [rust, go]) {
      it(`starts the QEMU that the installed TOML of ${handler} names, and boots its kernel and initramfs to the marker`, async () => {
        const configuration = (await live.host.run(['cat', `/etc/kata-sysext/current/config/${handler}/configuration.toml`])).stdout;
        const stored = (await live.host.run(['realpath', '/etc/kata-sysext/current/payload'])).stdout.trim();
        const value = (key: string) => new RegExp(`^${key} = "(.+)"$`, 'm').exec(configuration)?.[1] ?? '';
        // Where it is merged, which `auto` does on a host that has nothing against it.
        const tree = value('path').startsWith('/usr/share/kata/') ? '/usr/share/kata' : stored;

        const version = await live.host.run([value('path'), '--version']);
        const guest = await bootGuest(live.host, tree, { path: value('path'), kernel: value('kernel'), initrd: value('initrd') });

        assert.match(version.stdout, /^QEMU emulator version \d/);
        assert.ok(value('path').startsWith(`${tree}/`));
        assert.ok(guest.console.includes(marker(live.first.version)), guest.console.slice(-500));
        assert.deepEqual(guest.foreign, []);
      });
    }

    it('keeps handlers and alias through an upgrade under running pods, without a restart', async () => {
      const runs = await runsOf(live);

      const upgrade = await live.json(['install', ...both(live.second)]);
      const back = await live.json(['rollback']);

      assert.deepEqual([upgrade['handlers'], upgrade['restarted'], back['restarted']], [['kata', go, rust], [], []]);
      assert.deepEqual(await runsOf(live), runs);
    });

    it('refuses whatever takes a handler or an alias away from a running pod, and names the pod', async () => {
      const runs = await runsOf(live);
      const rows: [args: string[], pod: string][] = [
        [['uninstall', '--handler', 'kata'], 'default/by-alias'],
        [['uninstall', '--handler', 'qemu', '--handler', 'kata'], 'default/by-go'],
        [['install', ...both(live.first), '--alias', `kata=${rust}`], 'default/by-alias'],
        [['install', ...both(live.first), '--alias', 'kata='], 'default/by-alias'],
        [['install', live.bundle(live.first), '--remove-handler', 'qemu', '--alias', `kata=${rust}`], 'default/by-go'],
        [['rollback', '--to', '1'], 'default/by-go'],
        [['uninstall'], 'default/by-rust'],
      ];

      for (const [args, pod] of rows) {
        const refused = await live.json(args, 3);
        assert.equal(refused['code'], 'handler-in-use', args.join(' '));
        assert.ok(String(refused['found']).includes(pod), `${args.join(' ')}: ${String(refused['found'])}`);
      }

      assert.deepEqual(await handlersOf(live), ['kata', go, rust, 'runc']);
      assert.deepEqual(await runsOf(live), runs);
    });

    it('removes a handler and its alias while the pod of another one runs untouched', async () => {
      const [alive] = await shims(shimDigest(live.first, 'static'));
      await removePod(live.host, pods['by-go']!);
      await removePod(live.host, pods['by-alias']!);

      const change = await live.json(['uninstall', '--handler', 'qemu', '--handler', 'kata']);

      assert.deepEqual([change['restarted'], Number(change['bytesWritten']) < 1_000_000], [[containerd], true]);
      assert.deepEqual(await handlersOf(live), [rust, 'runc']);
      assert.deepEqual(await shims(shimDigest(live.first, 'static')), [alive]);
      await stillRuns();
      assert.match((await runsOf(live))[dependent]!, /ActiveState=active/);
      assert.deepEqual((await live.json(['verify']))['drift'], []);
    });

    it('rolls back to the larger set under the same pod, and pods run through the alias again', async () => {
      await live.json(['rollback']);

      assert.deepEqual(await handlersOf(live), ['kata', go, rust, 'runc']);
      await stillRuns();
      await removePod(live.host, await runPod(live.host, 'kata', 'again'));
      const { stdout } = await live.kata(['status']);
      assert.match(stdout, /^● [^●◦]*kata → kata-qemu/m);
    });

    it('uninstalls all of it: every byte as before', async () => {
      await removePod(live.host, pods['by-rust']!);

      await live.json(['uninstall', '--purge']);

      assert.deepEqual(await handlersOf(live), ['runc']);
      assert.deepEqual(differences(before, fingerprint(live.host.root, folders, leftOut)), []);
    });
  });
}

describe(`several handlers and an alias on a live host with CRI-O ${CRIO_VERSION}`, function () {
  this.timeout(900_000);
  let live: Live;

  before(async function () {
    await needCrio(this);
    live = await crioHost();
  });
  stopAfter(() => live);

  it('lists them, leads the alias to the handler’s files, and takes both away', async () => {
    const both = [live.bundle(live.first), live.bundle(live.first, 'go')];
    const installed = await live.json(['install', ...both, '--handler', 'qemu', '--handler', 'qemu-runtime-rs', '--alias', 'kata=qemu']);
    const listed = await crioHandlers(live);
    const said = (await filesConfig(live)) as { crio: { runtime: { runtimes: Record<string, Record<string, unknown>> } } };
    const fewer = await live.json(['uninstall', '--handler', 'kata', '--handler', 'qemu']);

    assert.deepEqual([installed['restarted'], fewer['restarted']], [[crioUnit], [crioUnit]]);
    assert.deepEqual(listed, ['', 'kata', go, rust, 'runc']);
    assert.deepEqual(said.crio.runtime.runtimes['kata'], said.crio.runtime.runtimes[go]);
    assert.equal(said.crio.runtime.runtimes['kata']!['runtime_path'], '/usr/share/kata/bin/containerd-shim-kata-v2');
    assert.deepEqual(await crioHandlers(live), ['', rust, 'runc']);
    await live.json(['uninstall', '--purge']);
    assert.deepEqual(await crioHandlers(live), ['', 'runc']);
  });
});

/** A suite that cannot be installed today is left out by name, never a red gate. */
function before_(suite: Suite, work: () => Promise<void>): void {
  before(async function () {
    const available = await suiteAvailable(suite);
    if (available.ok) return work();
    console.log(`      ${suite} cannot be installed today: ${available.why}`);
    return this.skip();
  });
}
