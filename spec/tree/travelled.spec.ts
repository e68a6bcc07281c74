import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { failAt } from '../support/faults/crash.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { loopMs } from '../support/sample.ts';
import { singleFile } from '../support/singleFile.ts';
import { releases, story, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const journal = 'var/lib/kata-sysext/journal';
const mark = 'etc/.kata-sysext-unfinished';
/** Where the /etc of a deployment lies that is not the one that runs. */
const etcOf = (name: string) => `ostree/deploy/fedora-coreos/deploy/${name}/etc`;

/** A change dies in deployment a.0, and an OS update makes b.0 of its half-done /etc, before anybody has settled it. */
describe('a half-done change that travelled into another deployment', function () {
  this.timeout(loopMs);
  let host: TreeHost;
  let untouched: string[];

  beforeEach(async () => {
    // With the guard's units, as every installation of the single file.
    host = treeHost('fcos', undefined, { file: await singleFile() });
    untouched = outside();
  });
  afterEach(() => host.remove());

  for (const point of ['step/file/after@1', 'step/pointer/after@4', 'commit/before@1']) {
    it(`killed at ${point}: the other one puts its own /etc back and keeps the entry, which the first one needs`, async () => {
      await die(point);
      await update('a.0');

      await host.json(['recover', '--boot', 'recover']);
      const inOther = [outside(), ownerOfEntry()];
      boot('a.0', 'b.0');
      await host.json(['recover']);

      assert.deepEqual(differences(untouched, inOther[0] as string[]), []);
      assert.equal(inOther[1], 'a.0');
      assert.deepEqual(differences(untouched, outside()), []);
      assert.deepEqual(left(), []);
    });
  }

  it('the first one settles it first: the entry goes on to the other one, and then nothing is left', async () => {
    await die('commit/before@1');
    mkdirSync(host.path(etcOf('b.0')), { recursive: true });
    cpSync(host.path('etc'), host.path(etcOf('b.0')), { recursive: true, verbatimSymlinks: true });

    await host.json(['recover']);
    const inFirst = [outside(), ownerOfEntry()];
    boot('b.0', 'a.0');
    await host.json(['recover', '--boot', 'recover']);

    assert.deepEqual(differences(untouched, inFirst[0] as string[]), []);
    assert.equal(inFirst[1], 'b.0');
    assert.deepEqual(differences(untouched, outside()), []);
    assert.deepEqual(left(), []);
  });

  it('a death while the mark was made: the next settling leaves nothing of it', async () => {
    await die('step/file/after@1');
    renameSync(host.path(mark), host.path('etc/..kata-sysext-unfinished.kata-sysext'));

    await host.json(['recover']);

    assert.deepEqual(differences(untouched, outside()), []);
    assert.deepEqual(left(), []);
  });

  it('an /etc without the mark: what the change made is given up, and the entry stays', async () => {
    await die('commit/before@1');
    await update('a.0');
    for (const path of [mark, `${etcOf('a.0')}/${mark.slice('etc/'.length)}`]) rmSync(host.path(path), { force: true });

    const guarded = await host.json(['recover', '--boot', 'recover']);

    assert.equal(guarded['to'], undefined);
    assert.match(String(guarded['notes']), /never finished/);
    assert.deepEqual(differences(untouched, outside()), []);
    assert.equal(ownerOfEntry(), 'a.0');
  });

  async function die(point: string): Promise<void> {
    const { first } = await releases();
    const ran = await host.run(['install', first, '--backend', 'prefix'], { env: { KATA_SYSEXT_FAILPOINT: failAt(point, 'kill') } });
    assert.equal(ran.status, 137);
    assert.notDeepEqual(outside(), untouched);
  }

  /** The change was of `from`, whose /etc stays beside ours, which was made of it. */
  async function update(from: string): Promise<void> {
    mkdirSync(host.path(etcOf(from)), { recursive: true });
    cpSync(host.path('etc'), host.path(etcOf(from)), { recursive: true, verbatimSymlinks: true });
    own(from);
  }

  /** From now on the /etc of `name` is ours; the one that was ours is that of `earlier`. */
  function boot(name: string, earlier: string): void {
    mkdirSync(host.path(etcOf(earlier)), { recursive: true });
    rmSync(host.path(etcOf(earlier)), { recursive: true });
    renameSync(host.path('etc'), host.path(etcOf(earlier)));
    renameSync(host.path(etcOf(name)), host.path('etc'));
    // A tree that does not run is no deployment: whatever it has to settle is of an offline change.
    own('offline');
  }

  function own(deployment: string): void {
    const intent = host.path(`${journal}/1/intent.json`);
    writeFileSync(intent, JSON.stringify({ ...JSON.parse(readFileSync(intent, 'utf8')), deployment }));
  }

  function ownerOfEntry(): string {
    return JSON.parse(readFileSync(host.path(`${journal}/1/intent.json`), 'utf8')).deployment;
  }

  /** What the engine and systemd read. */
  function outside(): string[] {
    return host.fingerprint(['ostree', 'var', ...story]).filter((line) => !line.includes('.kata-sysext-unfinished'));
  }

  function left(): string[] {
    const entries = existsSync(host.path(journal)) ? readdirSync(host.path(journal)) : [];
    return [...entries, ...(existsSync(host.path(mark)) ? [mark] : [])];
  }
});
