import assert from 'node:assert/strict';
import { removePod, runPod, SOCKET, waitForCri } from '../lab/pods.ts';
import { differences } from '../support/fingerprint.ts';
import { etcOf, handlersOf, type Live, liveHost } from '../support/liveHost.ts';
import { loopMs, sample } from '../support/sample.ts';
import { livePoints } from '../support/unitWork.ts';

/**
 * At every instant the disk can boot with our program deleted, and runc pods run (promise 1). Each failpoint of a change is a death of the
 * whole host there; it boots without the program, and is judged by a pod and by the engine's own binary. Then the program comes back, and
 * the next boot settles what was left. All of them with `npm run test:all`, else a sample.
 */
describe('a death at a failpoint, then a boot with the program deleted', () => {
  for (const backend of ['prefix', 'sysext', 'overlay']) {
    it(`backend ${backend}: runc pods run, and the program settles the rest once it is back`, async function () {
      this.timeout(loopMs);
      const live = await liveHost({ suite: 'trixie' });
      try {
        const old = etcOf(live);
        const changes: [name: string, words: string[]][] = [
          ['install', ['install', live.bundle(live.first), '--backend', backend]],
          ['upgrade', ['install', live.bundle(live.second)]],
          ['uninstall', ['uninstall', '--purge']],
        ];
        const points: { name: string; point: string }[] = [];
        for (const [name, words] of changes) for (const point of await livePoints(live, words)) points.push({ name, point });
        const told: string[] = [];

        for (const { name, point } of sample(points, 2, `boot without ${backend}`)) {
          const earlier = changes.findIndex(([each]) => each === name);
          for (const [, words] of changes.slice(0, earlier)) await live.json(words);
          await die(live, changes[earlier]![1], point);
          const parts = await bootWithout(live);
          assert.deepEqual(parts, { dump: 0, pod: 'ran', runc: true }, `${name} at ${point}`);
          await bootWith(live);
          told.push(`${name} ${point}`);
          if ((await live.json(['status']))['installed'] === true) await live.json(['uninstall', '--purge']);
          await live.kata(['uninstall', '--purge']);
          assert.deepEqual(differences(old, etcOf(live)), [], `${name} at ${point}`);
        }
        console.log(`      ${points.length} failpoints, tried: ${told.join('; ')}`);
      } finally {
        await live.host.stop();
      }
    });
  }
});

/** The change and then the host die: nothing is undone by anybody. */
async function die(live: Live, words: string[], point: string): Promise<void> {
  await live.kata(words, { KATA_SYSEXT_FAILPOINT: point.replace('@', '=kill@') });
  await live.host.sh('for f in /var/lib/kata-sysext/bin /usr/local/libexec/kata-sysext/bin; do [ ! -e $f ] || mv $f /root/kept; done');
  await live.host.reboot({ crash: true });
}

async function bootWithout(live: Live): Promise<{ dump: number; pod: string; runc: boolean }> {
  await waitForCri(live.host, SOCKET);
  const dump = await live.host.run(['containerd', '-c', '/etc/containerd/config.toml', 'config', 'dump'], { allowFailure: true });
  const pod = await runPod(live.host, '', 'plain');
  await removePod(live.host, pod);
  return { dump: dump.code ?? -1, pod: 'ran', runc: (await handlersOf(live)).includes('runc') };
}

async function bootWith(live: Live): Promise<void> {
  await live.host.sh('[ ! -e /root/kept ] || mv /root/kept /var/lib/kata-sysext/bin');
  await live.host.reboot();
  await waitForCri(live.host, SOCKET);
  const left = (await live.host.sh('ls /var/lib/kata-sysext/journal 2>/dev/null || true')).stdout.trim();
  // Before the guard's own units are in place the next command settles it.
  if (left !== '') await live.json(['recover']);
}
