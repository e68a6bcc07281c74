import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  deploymentWith,
  ensureFolder,
  ensureStore,
  hasDeployment,
  nextId,
  pointedElsewhere,
  pointersElsewhere,
  readFolders,
  readHistory,
  releaseReservedSpace,
  reservedRoom,
  reserveSpace,
  stagingOf,
  writeHistory,
} from '../../cli/store/index.ts';
import { type ChangeTree, changeTree, state } from '../support/trees/changeTree.ts';

describe('places of the store', () => {
  let tree: ChangeTree;
  beforeEach(() => {
    tree = changeTree();
  });
  afterEach(() => rmSync(tree.root, { recursive: true, force: true }));
  const at = (path: string) => join(tree.root, path);
  const put = (path: string, text = '') => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), text);
  };

  describe('folders', () => {
    it('that kata-sysext makes outside its own are noted, parents first; those that were there are not', async () => {
      mkdirSync(at('usr/local'), { recursive: true });

      await ensureStore(tree.host, '/usr/local/libexec/kata-sysext');
      await ensureFolder(tree.host, '/usr/local/libexec/kata-sysext/tree');

      const { made, roots } = await readFolders(tree.host);
      assert.deepEqual(made, ['/usr/local/libexec', '/usr/local/libexec/kata-sysext', '/usr/local/libexec/kata-sysext/tree']);
      assert.deepEqual(roots, ['/usr/local/libexec/kata-sysext']);
      assert.equal(statSync(at('usr/local/libexec/kata-sysext/tree')).mode & 0o777, 0o755);
    });

    it('are made through a link that leads inside the root', async () => {
      mkdirSync(at('var/usrlocal'), { recursive: true });
      mkdirSync(at('usr'));
      symlinkSync('../var/usrlocal', at('usr/local'));

      await ensureFolder(tree.host, '/usr/local/libexec');

      assert.ok(existsSync(at('var/usrlocal/libexec')));
    });
  });

  describe('deployments beside this one', () => {
    /** Each with its own /etc and a pointer of its own. */
    const places: [os: string, etc: string, name: string][] = [
      ['ostree', 'ostree/deploy/fedora/deploy/abc.0/etc', 'abc.0'],
      ['composefs', `sysroot/state/deploy/${'d'.repeat(128)}/etc`, 'd'.repeat(128)],
      ['snapper', '.snapshots/7/snapshot/etc', 'snapshot-7'],
      ["snapper, with an overlay's upper folder", 'var/lib/overlay/7/etc', 'snapshot-7'],
    ];
    for (const [os, etc, name] of places)
      it(`${os}: ${name} is known by its name, its pointer and its files`, async () => {
        mkdirSync(at('.snapshots/7'), { recursive: true });
        mkdirSync(at(`${etc}/kata-sysext`), { recursive: true });
        symlinkSync('/var/lib/kata-sysext/generations/3', at(`${etc}/kata-sysext/current`));
        put(`${etc}/mark`, 'text');

        const [pointers, numbers] = [await pointersElsewhere(tree.host), await pointedElsewhere(tree.host)];

        assert.deepEqual(pointers, [{ deployment: name, generation: 3 }]);
        assert.deepEqual([...numbers], [3]);
        assert.deepEqual([await hasDeployment(tree.host, name), await hasDeployment(tree.host, 'other')], [true, false]);
        assert.deepEqual(
          [await deploymentWith(tree.host, '/etc/mark', 'text'), await deploymentWith(tree.host, '/etc/mark', 'x')],
          [name, undefined],
        );
      });

    it('are none where their /etc is this one, or their pointer leads elsewhere', async () => {
      mkdirSync(at('ostree/deploy/fedora/deploy/this.0'), { recursive: true });
      symlinkSync('../../../../../etc', at('ostree/deploy/fedora/deploy/this.0/etc'));
      mkdirSync(at('etc/kata-sysext'));
      symlinkSync('/var/lib/kata-sysext/generations/3', at('etc/kata-sysext/current'));
      mkdirSync(at('ostree/deploy/fedora/deploy/that.0/etc/kata-sysext'), { recursive: true });
      symlinkSync('/opt/theirs', at('ostree/deploy/fedora/deploy/that.0/etc/kata-sysext/current'));

      assert.deepEqual(await pointersElsewhere(tree.host), []);
    });
  });

  describe('the history', () => {
    const entry = (id: number) => ({
      schema: 1,
      id,
      verb: 'install',
      at: '2026-01-01T00:00:00Z',
      cause: 'administrator',
      result: 'done' as const,
      restarted: [],
      seconds: 1,
      evidence: [],
      leftovers: [],
    });

    it('is read in the order of its changes, whatever the names sort like, and nothing else of its folder', async () => {
      for (const id of [10, 9, 1_000_001]) await writeHistory(tree.host, entry(id));
      put(`${state}/history/notes.txt`, 'theirs');

      const all = await readHistory(tree.host);

      assert.deepEqual(
        all.map(({ id }) => id),
        [9, 10, 1_000_001],
      );
      assert.equal(await nextId(tree.host, [1_000_005]), 1_000_006);
    });

    it('is not written where its folder is gone', async () => {
      rmSync(at(`${state}/history`), { recursive: true });

      await writeHistory(tree.host, entry(1));

      assert.ok(!existsSync(at(`${state}/history`)));
    });
  });

  describe('reserved space', () => {
    const file = () => readdirSync(at(state)).find((name) => /ballast|reserved/.test(name));

    it('is none where it is there already or where others need the room more', () => {
      const rooms = [
        reservedRoom({ there: false, freeBytes: 1 << 30 }),
        reservedRoom({ there: true, freeBytes: 1 << 30 }),
        reservedRoom({ there: false, freeBytes: 1 << 20 }),
      ];

      assert.deepEqual(rooms, [512 * 1024, 0, 0]);
    });

    it('is a file for root alone, written once, and goes only where the disk is full', async () => {
      await reserveSpace(tree.host);
      const stat = statSync(at(`${state}/${file()}`));
      await reserveSpace(tree.host);
      await releaseReservedSpace(tree.host);
      const kept = file();

      await releaseReservedSpace({ ...tree.host, freeBytes: async () => 1000 });

      assert.deepEqual([stat.size, stat.mode & 0o777], [512 * 1024, 0o600]);
      assert.ok(kept !== undefined);
      assert.equal(file(), undefined);
    });

    it('is done without where it cannot be written', async () => {
      await reserveSpace({ ...tree.host, writeFile: () => Promise.reject(new Error('full')) });

      assert.equal(file(), undefined);
    });
  });

  describe('staging', () => {
    it('is told with its size, also of folders in it; of one that may not be read only the folder', async () => {
      await ensureStore(tree.host, '/var/lib/kata-sysext');
      const nothing = await stagingOf(tree.host);
      put(`${state}/staging/tree/bin/shim`, '12345');
      put(`${state}/staging/VERSION`, '1');
      const denied = Object.assign(new Error('denied'), { code: 'EACCES' });
      const readdir = (path: string) => (path.includes('staging') ? Promise.reject(denied) : tree.host.readdir(path));

      const [open, closed] = [await stagingOf(tree.host), await stagingOf({ ...tree.host, readdir })];

      const folders = ['/var/lib/kata-sysext/staging'];
      assert.deepEqual([nothing, open, closed], [undefined, { folders, sizeBytes: 6 }, { folders }]);
    });
  });
});
