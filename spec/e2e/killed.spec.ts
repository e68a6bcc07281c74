import assert from 'node:assert/strict';
import { stopAfter } from '../support/endings.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { handlersOf, type Live, liveHost } from '../support/live/liveHost.ts';
import { heldAt, livePoints, unitsActive, until } from '../support/live/unitWork.ts';
import { loopMs, sample } from '../support/sample.ts';

const ours = 'kata-qemu-runtime-rs';
const purge = ['uninstall', '--purge'];

/** The command and its unit are killed at failpoints of the unit: all of them with `npm run test:all`, else a sample. */
describe('SIGKILL at the failpoints of a live change', function () {
  this.timeout(loopMs);
  let live: Live;
  let install: string[];
  let points: { install: string[]; uninstall: string[] };
  let trees: { old: string[]; new: string[] };

  before(async () => {
    live = await liveHost({ suite: 'trixie' });
    install = ['install', live.bundle(live.first)];
    const old = etc();
    const installing = await livePoints(live, install);
    trees = { old, new: etc() };
    points = { install: installing, uninstall: await livePoints(live, purge) };
    assert.deepEqual(differences(old, etc()), []);
  });
  stopAfter(() => live);

  it('of the command that follows: the unit finishes', async () => {
    const rounds = Math.max(points.install.length, points.uninstall.length);
    const chosen = sample([...Array(rounds).keys()], 1, 'follower');

    for (const number of chosen) {
      const [into, out] = [points.install[number % points.install.length]!, points.uninstall[number % points.uninstall.length]!];
      await orphaned(install, into);
      assert.deepEqual(await differs('new'), [], into);
      await orphaned(purge, out);
      assert.deepEqual(await differs('old'), [], out);
    }
  });

  it('of the unit: recover ends in the old or the new state', async () => {
    const left = { install: sample(points.install, 2, 'unit install'), uninstall: sample(points.uninstall, 1, 'unit uninstall') };
    const outcomes: string[] = [];

    while (left.install.length + left.uninstall.length > 0) {
      const verb = (await differs('old')).length === 0 ? 'install' : 'uninstall';
      const words = verb === 'install' ? install : purge;
      const point = left[verb].shift();
      if (point === undefined) await live.json(words);
      else {
        await live.kata(words, { KATA_SYSEXT_FAILPOINT: point.replace('@', '=kill@') });
        await live.json(['recover']);
        const [fromOld, fromNew] = [await differs('old'), await differs('new')];
        assert.ok(fromOld.length === 0 || fromNew.length === 0, `${verb} at ${point}: ${[...fromOld, '|', ...fromNew].join('\n')}`);
        outcomes.push(`${verb} ${point}: ${fromOld.length === 0 ? 'old' : 'new'}`);
        // Numbers go on after an undo, and with them what the pointer says.
        if (fromOld.length === 0) await live.json(purge);
      }
    }
    console.log(`      ${outcomes.join('; ')}`);
    if ((await differs('old')).length > 0) await live.json(purge);
    assert.deepEqual(await differs('old'), []);
  });

  async function orphaned(words: string[], point: string): Promise<void> {
    const held = await heldAt(live, words, point);
    await held.killFollower();
    await held.go();
    await until(async () => !(await unitsActive(live)), `the unit has ended that stood at ${point}`);
  }

  function etc(): string[] {
    return fingerprint(live.host.root, ['etc']);
  }

  /** By bytes and by the CRI. */
  async function differs(from: 'old' | 'new'): Promise<string[]> {
    const handlers = (await handlersOf(live)).join();
    const wanted = from === 'old' ? 'runc' : `${ours},runc`;
    return [...differences(trees[from], etc()), ...(handlers === wanted ? [] : [`the CRI lists ${handlers}`])];
  }
});
