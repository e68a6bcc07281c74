import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { labFolder } from '../lab/cache.ts';
import { removePod, runPod, SOCKET, waitForCri } from '../lab/pods.ts';
import { FIRST, SECOND, tinyRelease } from '../lab/release/index.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { etcOf, handlersOf, kataSysext, type Live, liveHost } from '../support/live/liveHost.ts';
import { livePoints, stopped } from '../support/live/unitWork.ts';
import { planned } from '../support/plan.ts';
import { all, loopMs, sample } from '../support/sample.ts';
import { story } from '../support/trees/treeHost.ts';

/**
 * At every instant the disk can boot with our program deleted, and runc pods run. Each failpoint of a change is a death of the
 * whole host there: the disk as it is then boots without the program, and is judged by a pod and by the engine's own binary. Then the program
 * comes back, and after the next boot /etc and our own folder (payloads by their digests, manifests, records) are those before the change, or
 * both those after it. All failpoints of each backend with `npm run test:all`, else a few of one; a release of a few kilobytes, because what boots there is runc.
 */
describe('a death at a failpoint, then a boot with the program deleted', () => {
  for (const backend of planned(import.meta.url, ['prefix', 'sysext', 'overlay'], 1)) {
    it(`backend ${backend}: runc pods run, and the program settles the rest once it is back`, async function () {
      this.timeout(loopMs);
      const folder = mkdtempSync(join(labFolder(), 'boot-without-'));
      const [first, second] = [await tinyRelease(folder, { version: FIRST }), await tinyRelease(folder, { version: SECOND })];
      const live = await liveHost({ suite: 'trixie', binds: { [folder]: '/mnt/tiny' }, files: neverBlessed });
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
          points.push(...names.map((name) => ({ words, name })));
        }
        await live.host.reboot({ crash: true, between: () => save(live, join(folder, `disk-${changes.length}`)) });
        const chosen = new Set(sample(points, 4, `boot without ${backend}`));
        const tried: string[] = [];
        let boots = 0;

        for (const [index, words] of changes.entries()) {
          const some = points.filter((point) => point.words === words && chosen.has(point));
          if (some.length === 0) continue;
          await live.host.reboot({ crash: true, between: () => restore(live, join(folder, `disk-${index}`)) });
          const old = printOf(live.host.root);
          await waitForCri(live.host, SOCKET);
          const dead = await disksAt(live, words, some, folder);
          for (const { disk, names } of dead) {
            const title = `${words.join(' ')} at ${names.join(', ')}`;
            assert.deepEqual(await withoutProgram(live, disk), { dump: 0, pod: 'ran', runc: true }, title);
            await withProgram(live, title);
            await atEither(live, old, join(folder, `disk-${index + 1}`), title);
            rmSync(disk, { recursive: true });
            tried.push(title);
            boots += 2;
            if (all) console.log(`      ${title}`);
          }
        }
        console.log(`      ${chosen.size} of ${points.length} failpoints, ${boots} boots${all ? '' : `: ${tried.join('; ')}`}`);
      } finally {
        await live.host.stop();
        rmSync(folder, { recursive: true });
      }
    });
  }
});

/** A blessing comes some seconds after a boot, and with it files in /etc and a note in the folder: whether before a look or after it is chance. */
const neverBlessed = { '/etc/systemd/system/kata-sysext-confirm.service.d/never.conf': '[Unit]\nConditionPathExists=/nowhere\n' };

/** A change and one of its failpoints, 'name@N'. */
interface Point {
  words: string[];
  name: string;
}

/** What a death of the whole host leaves at failpoints between which nothing was written. */
interface Dead {
  disk: string;
  names: string[];
}

/**
 * Does a change that stands still at each of these failpoints, and copies the disk there: once for those that follow each other without a
 * write, by all bytes. The death is that of the host that boots from the copy: what had not reached its disk yet is the business of the
 * replayed power cuts.
 */
async function disksAt(live: Live, words: string[], points: Point[], folder: string): Promise<Dead[]> {
  const held = live.host.spawn([kataSysext, ...words, '--json', '--progress', 'none'], {
    env: { KATA_SYSEXT_FAILPOINT: points.map(({ name }) => name.replace('@', '=pause@')).join() },
  });
  const ended = new Promise<number | null>((resolve) => held.on('close', resolve));
  const found: Dead[] = [];
  let last: string | undefined;
  for (const [index, { name }] of points.entries()) {
    const pid = await stopped(live);
    const print = fingerprint(live.host.root, places).join('\n');
    if (print === last) found.at(-1)!.names.push(name);
    else {
      found.push({ disk: join(folder, `dead-${index}`), names: [name] });
      save(live, found.at(-1)!.disk);
    }
    last = print;
    await live.host.run(['kill', '-CONT', String(pid)]);
  }
  assert.equal(await ended, 0, words.join(' '));
  return found;
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
async function withoutProgram(live: Live, disk: string): Promise<{ dump: number; pod: string; runc: boolean }> {
  const between = () => {
    restore(live, disk);
    rmSync(join(live.host.root, kept), { recursive: true, force: true });
    move(live, programs, kept);
  };
  await live.host.reboot({ crash: true, between });
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
    const { stdout } = await live.host.sh(`systemctl list-dependencies --plain sysinit.target | grep kata-sysext-recover || true`);
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
/** Files in which the times of a run stand, or what a boot adds. */
const timed = /\.\/var\/lib\/kata-sysext\/generations\/\d+\/(manifest|record)\.json$/;

/** A disk by digests: /etc, and our folder without its story; of the two files of a generation what does not tell when they were written. */
function printOf(root: string): string[] {
  const etc = etcOf({ host: { root } });
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
