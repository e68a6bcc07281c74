import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { labFolder } from '../lab/cache.ts';
import { removePod, runPod, SOCKET, waitForCri } from '../lab/pods.ts';
import { FIRST, SECOND, tinyRelease } from '../lab/release/index.ts';
import { differences, fingerprint } from '../support/fingerprint.ts';
import { etcOf, handlersOf, type Live, liveHost } from '../support/liveHost.ts';
import { all, loopMs, sample } from '../support/sample.ts';
import { story } from '../support/treeHost.ts';
import { livePoints } from '../support/unitWork.ts';

/**
 * At every instant the disk can boot with our program deleted, and runc pods run (promise 1). Each failpoint of a change is a death of the
 * whole host there; it boots without the program, and is judged by a pod and by the engine's own binary. Then the program comes back, and
 * after the next boot /etc and our own folder (payloads by their digests, manifests, records) are those before the change, or both those after
 * it. All failpoints of each backend with `npm run test:all`, else a few of one; a release of a few kilobytes, because what boots there is runc.
 */
describe('a death at a failpoint, then a boot with the program deleted', () => {
  for (const backend of sample(['prefix', 'sysext', 'overlay'], 1, 'boot without')) {
    it(`backend ${backend}: runc pods run, and the program settles the rest once it is back`, async function () {
      this.timeout(loopMs);
      const folder = mkdtempSync(join(labFolder(), 'boot-without-'));
      const [first, second] = [await tinyRelease(folder, { version: FIRST }), await tinyRelease(folder, { version: SECOND })];
      const live = await liveHost({ suite: 'trixie', binds: { [folder]: '/mnt/tiny' } });
      try {
        const bundle = (file: string) => `/mnt/tiny/${basename(file)}`;
        const changes = [
          ['install', bundle(first), '--backend', backend],
          ['install', bundle(second)],
          ['configure', '--set', 'default_memory=4096'],
          ['rollback'],
          ['activate', '3'],
          ['uninstall', '--purge'],
        ];
        const points: Point[] = [];
        for (const [index, words] of changes.entries()) {
          const disk = join(folder, `disk-${index}`);
          await live.host.reboot({ crash: true, between: () => save(live, disk) });
          const names = await livePoints(live, words);
          points.push(...names.map((name) => ({ words, name, disk, after: join(folder, `disk-${index + 1}`) })));
        }
        await live.host.reboot({ crash: true, between: () => save(live, join(folder, `disk-${changes.length}`)) });
        const told: string[] = [];

        for (const point of sample(points, 4, `boot without ${backend}`)) {
          await live.host.reboot({ crash: true, between: () => restore(live, point.disk) });
          const old = printOf(live.host.root);
          await waitForCri(live.host, SOCKET);
          await live.kata(point.words, { KATA_SYSEXT_FAILPOINT: point.name.replace('@', '=kill@') });
          const title = `${point.words.join(' ')} at ${point.name}`;
          assert.deepEqual(await withoutProgram(live), { dump: 0, pod: 'ran', runc: true }, title);
          await withProgram(live, title);
          await atEither(live, old, point.after, title);
          told.push(title);
        }
        console.log(`      ${points.length} failpoints, tried ${all ? told.length : told.join('; ')}`);
      } finally {
        await live.host.stop();
        rmSync(folder, { recursive: true });
      }
    });
  }
});

/** A change, the failpoint 'name@N' to die at, and copies of the disk before and after it. */
interface Point {
  words: string[];
  name: string;
  disk: string;
  after: string;
}

/** All places that a change of this host writes to. */
const places = ['etc', 'var/lib/kata-sysext'];

function save(live: Live, disk: string): void {
  for (const place of places) copy(join(live.host.root, place), join(disk, place));
}

function restore(live: Live, disk: string): void {
  for (const place of places) {
    rmSync(join(live.host.root, place), { recursive: true, force: true });
    copy(join(disk, place), join(live.host.root, place));
  }
}

function copy(from: string, onto: string): void {
  if (!existsSync(from)) return;
  mkdirSync(dirname(onto), { recursive: true });
  execFileSync('cp', ['-a', '--reflink=auto', from, onto]);
}

const kept = 'root/kept';
const programs = 'var/lib/kata-sysext/bin';

function move({ host }: Live, from: string, to: string): void {
  if (existsSync(join(host.root, from))) renameSync(join(host.root, from), join(host.root, to));
}

/** The host is dead, the program is gone: nothing is undone by anybody. */
async function withoutProgram(live: Live): Promise<{ dump: number; pod: string; runc: boolean }> {
  await live.host.reboot({ crash: true, between: () => move(live, programs, kept) });
  await waitForCri(live.host, SOCKET);
  const dump = await live.host.run(['containerd', '-c', '/etc/containerd/config.toml', 'config', 'dump'], { allowFailure: true });
  const pod = await runPod(live.host, '', 'plain');
  await removePod(live.host, pod);
  return { dump: dump.code, pod: 'ran', runc: (await handlersOf(live)).includes('runc') };
}

async function withProgram(live: Live, title: string): Promise<void> {
  await live.host.reboot({ crash: true, between: () => move(live, kept, programs) });
  await waitForCri(live.host, SOCKET);
  const left = (await live.host.sh('ls /var/lib/kata-sysext/journal 2>/dev/null || true')).stdout.trim();
  if (left !== '') {
    // The change that brings the guard, or takes it off, may have died when nothing wanted its first unit.
    const { stdout } = await live.host.sh(`systemctl list-dependencies --plain sysinit.target | grep kata-sysext-settle || true`);
    assert.equal(stdout.trim(), '', `${title}: the guard left ${left}`);
  }
  // What was unpacked before a change began has no journal, and goes with the next command.
  await live.json(['recover']);
}

async function atEither(live: Live, old: string[], disk: string, title: string): Promise<void> {
  const now = printOf(live.host.root);
  if (differences(old, now).length === 0) return;
  const wanted = printOf(disk);
  assert.deepEqual(differences(wanted, now), [], `${title}: neither old (${differences(old, now).join(', ')}) nor new`);
}

const state = 'var/lib/kata-sysext';
/** The blessing comes some seconds after a boot, whichever change it was. */
const blessings = /kata-sysext-(settle|guard)\.service\.d/;
/** Files in which the times of a run stand, or what a boot adds. */
const timed = /\.\/var\/lib\/kata-sysext\/generations\/\d+\/(manifest|record)\.json$/;

/** A disk by digests: /etc, and our folder without its story; of the two files of a generation what does not tell when they were written. */
function printOf(root: string): string[] {
  const etc = etcOf({ host: { root } }).filter((line) => !blessings.test(line));
  const own = fingerprint(root, [state], story);
  const generations = own.flatMap((line) => (line.startsWith('./') ? (timed.exec(line.split('|')[0]!)?.[0] ?? []) : []));
  // With the lock and the story left out, whether the folder itself is there says nothing.
  const lines = own.filter((line) => !timed.test(line) && !/^(# file: )?(\.\/)?var\/lib\/kata-sysext(\||\n|$)/.test(line));
  return [...etc, ...lines, ...generations.map((path) => `${path} ${timeless(readFileSync(join(root, path), 'utf8'))}`)].sort();
}

function timeless(text: string): string {
  const { created: _c, activated: _a, blessed: _b, tries: _t, ...rest } = JSON.parse(text) as Record<string, unknown>;
  return JSON.stringify({ ...rest, ...(rest['state'] === 'blessed' ? { state: 'active' } : {}) });
}
