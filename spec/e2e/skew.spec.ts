import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { JUDGE } from '../lab/judge.ts';
import { execIn, type Pod, podOutput, removePod, runPod, startContainer, waitForCri } from '../lab/pods.ts';
import { type SampleRelease, sampleRelease } from '../lab/release/index.ts';
import { type Suite, suiteAvailable } from '../lab/roots.ts';
import { shimsOf } from '../lab/shims.ts';
import { endAfter } from '../support/endings.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { containerd, handlersOf, type Live, liveHost, runsOf } from '../support/live/liveHost.ts';

const handler = 'kata-qemu-runtime-rs';
const folders = ['etc', 'usr', 'opt', 'var', 'boot'];
// the engine's own store, the journal, timers, and who held our lock last
const leftOut = ['var/lib/containerd', 'var/log', 'var/lib/systemd', 'var/tmp', 'var/cache', 'var/lib/kata-sysext/lock'];
/** What containers of this spec run: found again by the number when they should be gone. */
const script = 'sleep 86421';

interface Skew {
  live: Live;
  /** Paths inside. */
  bundle(release: SampleRelease, which?: 'static' | 'go'): string;
}

/** A live host that also has these releases. */
async function skewHost(suite: Suite, releases: SampleRelease[]): Promise<Skew> {
  const place = (release: SampleRelease) => `/mnt/skew/${release.version}`;
  const live = await liveHost({ suite, binds: Object.fromEntries(releases.map((release) => [release.folder, place(release)])) });
  await removePod(live.host, await runPod(live.host, '', 'warm'));
  return { live, bundle: (release, which = 'static') => `${place(release)}/${basename(release[which])}` };
}

async function restartEngine({ live }: Skew): Promise<void> {
  await live.host.run(['systemctl', 'restart', containerd]);
  await waitForCri(live.host);
}

async function answers({ live }: Skew, containers: string[]): Promise<void> {
  for (const id of containers) assert.match(await execIn(live.host, id, ['echo', 'still here']), /still here/);
}

async function stateOf({ live }: Skew, container: string): Promise<string> {
  const { stdout } = await live.host.run([JUDGE, 'inspect', container]);
  return (JSON.parse(stdout) as { status: { state: string } }).status.state;
}

/** The releases' shims that run, and none of the runc shims behind them. */
async function standIns({ live }: Skew): Promise<{ pid: number; sha256: string }[]> {
  return (await shimsOf(live.host))
    .filter(({ command }) => /containerd-shim-kata/.test(command))
    .map(({ pid, sha256 }) => ({ pid, sha256 }));
}

/** Shims, container processes, mounts and folders that pods have while they live. */
async function leftovers({ live }: Skew): Promise<string[]> {
  const shims = (await shimsOf(live.host)).map(({ command }) => command);
  const rest = await live.host.sh(
    `pgrep -af '^${script}' || true
     grep -o ' /run/containerd/[^ ]*' /proc/self/mountinfo || true
     for folder in io.containerd.runtime.v2.task/k8s.io s io.containerd.grpc.v1.cri/sandboxes io.containerd.grpc.v1.cri/containers; do
       [ ! -d /run/containerd/$folder ] || find /run/containerd/$folder -mindepth 1 -maxdepth 1
     done`,
  );
  return [...shims, ...rest.stdout.split('\n').filter(Boolean)];
}

/** A shim needs a moment to end after its sandbox was removed. */
async function nothingLeft(skew: Skew): Promise<void> {
  let left = await leftovers(skew);
  for (let tries = 0; left.length > 0 && tries < 600; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    left = await leftovers(skew);
  }
  assert.deepEqual(left, []);
}

describe('containers in sandboxes of another generation: containerd 1.7, backend prefix, both shims speak version 2', function () {
  this.timeout(900_000);
  let skew: Skew;
  let [first, second, third]: SampleRelease[] = [];
  let older: Pod;
  let newer: Pod;
  const containers: string[] = [];

  booted('trixie', async () => {
    first = await sampleRelease('5.0.0-lab', 'trixie');
    second = await sampleRelease('5.1.0-lab', 'trixie');
    third = await sampleRelease('5.2.0-lab', 'forky');
    skew = await skewHost('trixie', [first, second, third]);
  });
  endAfter(
    () => skew,
    ({ live }) => live.host.stop(),
  );

  it('after an upgrade a second container starts in the old sandbox, by the shim that the sandbox has', async () => {
    const { live, bundle } = skew;
    await live.json(['install', bundle(first!), '--backend', 'prefix']);
    older = await runPod(live.host, handler, 'older');
    containers.push(await startContainer(live.host, older, script, 'one'));
    const before = await standIns(skew);

    await live.json(['install', bundle(second!)]);
    containers.push(await startContainer(live.host, older, script, 'two'));

    assert.equal(before.length, 1);
    assert.deepEqual(await standIns(skew), before);
    await answers(skew, containers);
    assert.match(await podOutput(live.host, older, 'echo to its end'), /to its end/);
    newer = await runPod(live.host, handler, 'newer');
    assert.equal(new Set((await standIns(skew)).map(({ sha256 }) => sha256)).size, 2);
  });

  it('after a restart of the engine all of them answer, and a third one starts', async () => {
    await restartEngine(skew);
    containers.push(await startContainer(skew.live.host, older, script, 'three'));

    await answers(skew, containers);
  });

  it('a release whose shim the engine does not speak with is refused while they run, and nothing is written', async () => {
    const { live, bundle } = skew;
    const before = fingerprint(live.host.root, folders, leftOut);
    const runs = await runsOf(live);

    const refused = await live.json(['install', bundle(third!)], 3);

    assert.equal(refused['code'], 'shim-protocol');
    assert.match(String(refused['found']), /5\.2\.0-lab speaks version 3 .* containerd 1\.7\.\d+ speaks version 2 at most/);
    assert.deepEqual(differences(before, fingerprint(live.host.root, folders, leftOut)), []);
    assert.deepEqual(await runsOf(live), runs);
    containers.push(await startContainer(live.host, older, script, 'four'));
    await answers(skew, containers);
  });

  it('after a rollback the same holds for a sandbox of the newer generation, over a restart too', async () => {
    const { live } = skew;
    await live.json(['rollback']);

    containers.push(await startContainer(live.host, newer, script, 'five'));
    containers.push(await startContainer(live.host, older, script, 'six'));
    await restartEngine(skew);
    containers.push(await startContainer(live.host, newer, script, 'seven'));

    await answers(skew, containers);
  });

  it('everything can be stopped and removed: no process, no mount, no folder stays', async () => {
    const { live } = skew;
    await live.host.run([JUDGE, 'stop', containers[1]!]);
    await live.host.run([JUDGE, 'rm', containers[1]!]);

    await removePod(live.host, older);
    await removePod(live.host, newer);

    await nothingLeft(skew);
    await live.json(['uninstall', '--purge']);
    assert.deepEqual(await handlersOf(live), ['runc']);
  });
});

describe('containers in sandboxes of another generation: containerd 2, backend sysext, shims of version 2 and 3', function () {
  this.timeout(900_000);
  let skew: Skew;
  let [first, second]: SampleRelease[] = [];
  let older: Pod;
  let newer: Pod;
  const containers: string[] = [];
  let ofNewer: string[] = [];

  booted('forky', async () => {
    first = await sampleRelease('5.0.0-lab', 'trixie');
    second = await sampleRelease('5.2.0-lab', 'forky');
    skew = await skewHost('forky', [first, second]);
  });
  endAfter(
    () => skew,
    ({ live }) => live.host.stop(),
  );

  it('after an upgrade from 2 to 3 a second container starts in the old sandbox, and lives through a restart of the engine', async () => {
    const { live, bundle } = skew;
    await live.json(['install', bundle(first!), '--backend', 'sysext']);
    older = await runPod(live.host, handler, 'older');
    containers.push(await startContainer(live.host, older, script, 'one'));
    const before = await standIns(skew);

    const upgrade = await live.json(['install', bundle(second!)]);
    containers.push(await startContainer(live.host, older, script, 'two'));
    const after = await standIns(skew);
    await restartEngine(skew);
    containers.push(await startContainer(live.host, older, script, 'three'));

    assert.deepEqual(upgrade['restarted'], []);
    assert.ok((upgrade['findings'] as { code: string }[]).some(({ code }) => code === 'engine-forgets-containers'));
    assert.deepEqual(after, before);
    await answers(skew, containers);
  });

  it('after the rollback from 3 to 2 the same holds for a sandbox of version 3, as long as the engine runs', async () => {
    const { live } = skew;
    newer = await runPod(live.host, handler, 'newer');
    ofNewer = [await startContainer(live.host, newer, script, 'four')];

    await live.json(['rollback']);
    ofNewer.push(await startContainer(live.host, newer, script, 'five'));
    containers.push(await startContainer(live.host, older, script, 'six'));

    await answers(skew, [...containers, ...ofNewer]);
  });

  it('a change that would restart the engine is refused, names the sandbox, and writes nothing', async () => {
    const { live, bundle } = skew;
    const before = fingerprint(live.host.root, folders, leftOut);
    const runs = await runsOf(live);

    const refused = await live.json([...twoHandlers(bundle(first!), bundle(first!, 'go'))], 3);

    assert.equal(refused['code'], 'engine-forgets-containers');
    assert.match(String(refused['found']), /in 1 running sandbox \(default\/newer/);
    assert.match(String(refused['next']), /--allow engine-forgets-containers/);
    assert.deepEqual(differences(before, fingerprint(live.host.root, folders, leftOut)), []);
    assert.deepEqual(await runsOf(live), runs);
  });

  it('allowed, it costs just what was said: the containers of version 3 count as ended, all others run on', async () => {
    const { live, bundle } = skew;

    const change = await live.json([...twoHandlers(bundle(first!), bundle(first!, 'go')), '--allow', 'engine-forgets-containers']);

    assert.deepEqual(change['restarted'], [containerd]);
    await answers(skew, containers);
    for (const id of ofNewer) assert.equal(await stateOf(skew, id), 'CONTAINER_EXITED');
    assert.match(await podOutput(live.host, newer, 'echo the sandbox is whole'), /the sandbox is whole/);
  });

  it('everything can be stopped and removed: no process, no mount, no folder stays', async () => {
    const { live } = skew;

    await removePod(live.host, older);
    await removePod(live.host, newer);

    await nothingLeft(skew);
  });
});

function twoHandlers(...bundles: string[]): string[] {
  return ['install', ...bundles, '--handler', 'qemu', '--handler', 'qemu-runtime-rs'];
}

/** A suite that cannot be installed today is left out by name, never a red gate. */
function booted(suite: Suite, work: () => Promise<void>): void {
  before(async function () {
    const available = await suiteAvailable(suite);
    if (available.ok) return work();
    console.log(`      ${suite} cannot be installed today: ${available.why}`);
    return this.skip();
  });
}
