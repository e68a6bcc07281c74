import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { labFolder } from '../lab/cache.ts';
import { execIn, podOutput, removePod, runPod, startContainer } from '../lab/pods.ts';
import { debianRoot, suiteAvailable } from '../lab/roots.ts';
import { run } from '../lab/run.ts';
import { removeAfter, stopAfter } from '../support/endings.ts';
import { containerd, handlersOf, type Live, liveHost } from '../support/live/liveHost.ts';
import { merged, service, shimDigest, shimSeen } from '../support/live/sysextHost.ts';

const handler = 'kata-qemu-runtime-rs';
const allow = ['--allow', 'sysext-foreign-merged'];
const programs = ['bin/containerd', 'bin/containerd-shim-runc-v2', 'bin/ctr', 'sbin/runc'];

describe('a host whose runc and containerd are themselves an extension', function () {
  this.timeout(900_000);
  let live: Live;
  let folder: string | undefined;

  before(async function () {
    const available = await suiteAvailable('trixie');
    if (!available.ok) {
      console.log(`      trixie cannot be installed today: ${available.why}`);
      return this.skip();
    }
    const made = await withoutEngine(join(await debianRoot('trixie'), 'usr'));
    folder = made;
    live = await liveHost({
      suite: 'trixie',
      usr: join(made, 'usr'),
      files: {
        ...Object.fromEntries(programs.map((path) => [`/var/lib/extensions/engine/usr/${path}`, { copy: join(made, path) }])),
        '/var/lib/extensions/engine/usr/lib/extension-release.d/extension-release.engine': 'ID=_any\n',
        [`/etc/systemd/system/sysinit.target.wants/${service}`]: { link: `/usr/lib/systemd/system/${service}` },
      },
    });
    await removePod(live.host, await runPod(live.host, '', 'warm'));
  });
  stopAfter(() => live);
  removeAfter(() => folder);

  it('gets prefix by auto, and a pod through it', async () => {
    const done = await live.json(['install', live.bundle(live.first)]);
    const pod = await runPod(live.host, handler, 'prefix');
    const said = await podOutput(live.host, pod, 'echo by prefix');
    await removePod(live.host, pod);

    const { generations } = (await live.json(['status'])) as { generations: { backend: string }[] };
    assert.equal(done['changed'], true);
    assert.deepEqual(
      generations.map(({ backend }) => backend),
      ['prefix'],
    );
    assert.match(said, /by prefix/);
    assert.match(await merged(live), /"\/usr","extensions":\["engine"\]/);
  });

  it('--backend sysext says whose programs would be away, and is refused', async () => {
    const refused = await live.json(['install', live.bundle(live.first), '--backend', 'sysext'], 3);

    assert.equal(refused['code'], 'sysext-foreign-merged');
    assert.match(String(refused['found']), /engine/);
    assert.match(String(refused['next']), /--allow sysext-foreign-merged/);
  });

  it('with --allow it moves and upgrades; a running pod goes on, and the starts of runc that failed are counted', async () => {
    const pod = await runPod(live.host, '', 'stays');
    const container = await startContainer(live.host, pod, 'sleep 600', 'main');
    const loop = live.host.spawn(
      [
        '/bin/bash',
        '-c',
        'n=0; f=0; while [ ! -e /run/enough ]; do n=$((n+1)); runc --version >/dev/null 2>&1 || f=$((f+1)); done; echo $n $f',
      ],
      {},
    );
    let out = '';
    loop.stdout?.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    const closed = new Promise((resolve) => loop.on('close', resolve));

    const moved = await live.json(['install', live.bundle(live.first), '--backend', 'sysext', ...allow]);
    const upgraded = await live.json(['install', live.bundle(live.second), ...allow]);
    await live.host.run(['touch', '/run/enough']);
    await closed;

    const [runs, failures] = out.trim().split(' ').map(Number) as [number, number];
    console.log(`      ${failures} of ${runs} starts of runc failed during a move to sysext and an upgrade`);
    assert.ok(runs > 50 && failures < runs / 4, out);
    assert.deepEqual([moved['restarted'], upgraded['restarted']], [[containerd], []]);
    assert.match(await merged(live), /"\/usr","extensions":\["engine","kata"\]/);
    assert.deepEqual(await shimSeen(live), [shimDigest(live.second), shimDigest(live.second)]);
    assert.match(await execIn(live.host, container, ['echo', 'alive']), /alive/);
    await removePod(live.host, pod);
  });

  it('the engine, whose program lies in an overlay that is detached, is not taken for one with a new binary', async () => {
    const checked = await live.json(['check', '--backend', 'sysext'], 3);
    const pod = await runPod(live.host, handler, 'after');
    const said = await podOutput(live.host, pod, 'echo by sysext');
    await removePod(live.host, pod);

    const codes = (checked['findings'] as { code: string }[]).map(({ code }) => code);
    assert.ok(!codes.includes('engine-pending-edits'), codes.join());
    assert.match(said, /by sysext/);
  });

  it('uninstall takes ours alone', async () => {
    await live.json(['uninstall', '--purge', ...allow]);

    assert.deepEqual(await handlersOf(live), ['runc']);
    assert.match(await merged(live), /"\/usr","extensions":\["engine"\].*active$/);
    await removePod(live.host, await runPod(live.host, '', 'last'));
  });
});

/** As on Flatcar: /usr of the base system has no engine. Its programs lie beside; the rest are hard links. */
async function withoutEngine(usr: string): Promise<string> {
  const made = await mkdtemp(join(labFolder(), 'usr-'));
  await run(['cp', '-al', usr, made]);
  for (const path of programs) {
    await mkdir(dirname(join(made, path)), { recursive: true });
    await rename(join(made, 'usr', path), join(made, path));
  }
  return made;
}
