import assert from 'node:assert/strict';
import { BUILT, builtFiles, containerdConfig } from '../lab/containerd.ts';
import { beginContainerd, builtContainerd, type ContainerdRelease, containerdAvailable } from '../lab/goPrograms.ts';
import { podOutput, removePod, runPod, SOCKET, waitForCri } from '../lab/pods.ts';
import { suiteAvailable } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { containerd, etcOf, handlersOf, type Live, liveHost, runsOf } from '../support/live/liveHost.ts';
import { guardEnded } from '../support/live/unitWork.ts';
import { sample } from '../support/sample.ts';

const handler = 'kata-qemu-runtime-rs';
const imports = 'imports = ["/etc/containerd/conf.d/*.toml"]\n';
const text = containerdConfig('forky').replace('version = 3\n', '');

/** What the main file says before the tables. */
const files: [what: string, head: string][] = [
  ['a folder of drop-ins', `version = 4\n${imports}`],
  ['no imports', 'version = 4\n'],
];
// The other release runs in rootFileReleases.spec.ts.
const rows = (['2.3.7', '2.4.2'] as const).flatMap((release: ContainerdRelease) => files.map((file) => ({ release, file })));

for (const { release, file } of sample(rows, 1, 'main file of schema 4')) {
  const [what, head] = file;
  beginContainerd(release);
  describe(`a live containerd ${release} whose own main file of schema 4 has ${what}`, function () {
    this.timeout(900_000);
    let live: Live;
    let atStart: string[];

    before(async function () {
      for (const each of [await suiteAvailable('trixie'), await containerdAvailable(release)])
        if (!each.ok) {
          console.log(`      left out: ${each.why}`);
          this.skip();
        }
      live = await liveHost({
        suite: 'trixie',
        containerdConfig: head + text,
        files: {
          ...builtFiles(),
          '/etc/systemd/system/containerd.service.d/10-built.conf': `[Service]\nExecStart=\nExecStart=${BUILT}/containerd\n`,
        },
        binds: { [await builtContainerd(release)]: BUILT },
      });
      atStart = etcOf(live);
    });
    stopAfter(() => live);

    async function bothRun(name: string): Promise<void> {
      assert.deepEqual(await handlersOf(live), [handler, 'runc']);
      for (const through of [handler, '']) {
        const pod = await runPod(live.host, through, `${name}${through === '' ? '-runc' : ''}`);
        assert.match(await podOutput(live.host, pod, 'echo printed'), /printed/);
        await removePod(live.host, pod);
      }
    }

    it('gets the handler by one restart, and pods of both handlers run', async () => {
      const done = await live.json(['install', live.bundle(live.first)]);

      assert.deepEqual(done['restarted'], [containerd]);
      await bothRun('first');
      assert.deepEqual((await live.json(['verify']))['drift'], []);
    });

    it('is upgraded and rolled back without a restart, and has both after a boot', async () => {
      const before = await runsOf(live);
      await live.json(['install', live.bundle(live.second)]);
      await bothRun('second');
      await live.json(['rollback']);
      const after = await runsOf(live);
      await live.host.reboot();
      await waitForCri(live.host, SOCKET);
      await guardEnded(live);

      assert.deepEqual(after, before);
      await bothRun('booted');
    });

    it('is as it was after the uninstall', async () => {
      await live.json(['uninstall', '--purge', '--wait', '120']);

      assert.deepEqual(await handlersOf(live), ['runc']);
      assert.deepEqual(differences(atStart, etcOf(live)), []);
    });
  });
}
