import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import {
  dropGeneration,
  dropHistory,
  dropPayload,
  foreignFiles,
  gcStaging,
  generationBytes,
  isVacant,
  payloadBytes,
  removeEmptyDirs,
} from '../../cli/store/index.ts';
import { losingPower } from '../support/faults/faultyHost.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { listing } from '../support/judges/listing.ts';
import { type GenerationTree, generationTree, hex } from '../support/trees/generationTree.ts';

const state = 'var/lib/kata-sysext';

describe('what is removed from the store', () => {
  let tree: GenerationTree;
  beforeEach(() => {
    tree = generationTree();
  });
  afterEach(() => rmSync(tree.root, { recursive: true, force: true }));
  const put = (path: string, text = '') => writeFileSync(tree.path(path), text);
  const there = (path: string) => existsSync(tree.path(path));

  it('a generation goes whole, and nothing of another one', async () => {
    tree.add(1);
    tree.add(2);
    const before = listing(tree.root).filter((line) => !line.startsWith(`${state}/generations/1`));

    await dropGeneration(tree.host, 1);
    await dropGeneration(tree.host, 1);

    assert.deepEqual(differences(before, listing(tree.root)), []);
  });

  it("a generation or payload with another program's file in it loses all but that file", async () => {
    const { payload, payloadFolder } = tree.add(1);
    put(`${state}/generations/1/config/theirs.toml`, 'theirs');
    put(`${payloadFolder}/bin/theirs`, 'theirs');

    await dropGeneration(tree.host, 1);
    await dropPayload(tree.host, payload);

    assert.deepEqual(readdirSync(tree.path(`${state}/generations/1/config`)), ['theirs.toml']);
    assert.deepEqual(readdirSync(tree.path(`${payloadFolder}/bin`)), ['theirs']);
    assert.ok(!there(`${state}/payloads/${hex(payload)}.json`));
    assert.ok(!there(`${payloadFolder.slice(1)}/usr/lib`));
  });

  it('a link in its place is not followed', async () => {
    const { payload, payloadFolder } = tree.add(1);
    mkdirSync(tree.path('home/bin'), { recursive: true });
    put('home/bin/shim', 'theirs');
    rmSync(tree.path(`${payloadFolder}/bin`), { recursive: true });
    symlinkSync('/home/bin', tree.path(`${payloadFolder}/bin`));

    await dropPayload(tree.host, payload);

    assert.ok(there('home/bin/shim'));
  });

  it('counts as many bytes as find does', async () => {
    const { payload, payloadFolder } = tree.add(1);
    // du -sb of newer coreutils leaves out folders.
    const sum = (path: string) =>
      execFileSync('find', [tree.path(path), '-printf', '%s '], { encoding: 'utf8' })
        .split(' ')
        .reduce((bytes, size) => bytes + Number(size), 0);
    mkdirSync(tree.path(`${payloadFolder}/../../lib/extension-release.d`), { recursive: true });
    const parents = sum(`${state}/tree/${hex(payload)}`);
    const manifest = sum(`${state}/payloads/${hex(payload)}.json`);

    const [generation, files] = [await generationBytes(tree.host, 1), await payloadBytes(tree.host, payload)];

    assert.equal(generation, sum(`${state}/generations/1`));
    // The release file of the extension was not written here.
    assert.equal(files, parents + manifest);
  });

  it('what interrupted work left goes; what is active, whole or named stays', async () => {
    const active = tree.add(1, { record: { state: 'preparing' } });
    tree.activate(1);
    const staged = tree.add(2, { record: { state: 'staged' } });
    const half = tree.add(3, { record: { state: 'preparing' } });
    for (const folder of ['staging/tree', 'scratch', 'journal/7.ended']) mkdirSync(tree.path(`${state}/${folder}`), { recursive: true });
    put(`${state}/generations/.x.kata-sysext`);

    await gcStaging(tree.host);

    assert.deepEqual(readdirSync(tree.path(`${state}/generations`)).sort(), ['1', '2']);
    assert.deepEqual(
      readdirSync(tree.path(`${state}/payloads`)).sort(),
      [active, staged].map(({ payload }) => `${hex(payload)}.json`).sort(),
    );
    assert.ok(!there(`${state}/tree/${hex(half.payload)}`));
    assert.deepEqual(
      ['staging', 'scratch', 'journal/7.ended'].filter((name) => there(`${state}/${name}`)),
      [],
    );
  });

  it('a damaged payload that stepped aside comes back where no new one is there, and goes where one is', async () => {
    const [alone, replaced] = [tree.add(1), tree.add(2)];
    const folder = ({ payload }: typeof alone) => `${state}/tree/${hex(payload)}`;
    for (const each of [alone, replaced]) {
      mkdirSync(tree.path(`${folder(each)}.damaged`));
      put(`${folder(each)}.damaged/mark`);
    }
    rmSync(tree.path(folder(alone)), { recursive: true });

    await gcStaging(tree.host);

    assert.ok(there(`${folder(alone)}/mark`));
    assert.ok(there(`${folder(replaced)}/usr`) && !there(`${folder(replaced)}.damaged`));
  });

  it('a removal that is cut off anywhere is finished by the next one', async () => {
    for (let at = 1; at < 14; at++) {
      const own = generationTree();
      own.add(1, { record: { state: 'preparing' } });
      await gcStaging(losingPower(own.host, at).host).catch(() => undefined);

      await gcStaging(own.host);

      const left = ['generations', 'payloads', 'tree'].flatMap((name) => readdirSync(own.path(`${state}/${name}`)));
      rmSync(own.root, { recursive: true });
      assert.deepEqual(left, [], `cut at ${at}`);
    }
  });

  it('without any generation the folders go that kata-sysext made, and none with a file of another program', async () => {
    tree.add(1);
    const vacant = [await isVacant(tree.host), await isVacant(tree.host, [1])];
    await removeEmptyDirs(tree.host);
    const kept = there(`${state}/folders.json`);
    await dropGeneration(tree.host, 1);
    await gcStaging(tree.host);
    put('etc/kata-sysext/theirs');

    await removeEmptyDirs(tree.host);
    await removeEmptyDirs(tree.host);

    assert.deepEqual([...vacant, kept], [false, true, true]);
    assert.ok(!there(state));
    assert.deepEqual(readdirSync(tree.path('etc/kata-sysext')), ['theirs']);
  });

  it('an open change keeps the folders', async () => {
    mkdirSync(tree.path(`${state}/journal/3`), { recursive: true });

    assert.equal(await isVacant(tree.host), false);
  });

  it("the history goes by its own names, and another program's file in it stays", async () => {
    for (const name of ['000001.json', 'sequence', 'theirs.txt', '1.json.bak']) put(`${state}/history/${name}`, '{}');

    await dropHistory(tree.host);

    assert.deepEqual(readdirSync(tree.path(`${state}/history`)).sort(), ['1.json.bak', 'theirs.txt']);
  });

  it('names the files of others: none of a manifest, of the history or of the lock', async () => {
    tree.add(1);
    for (const name of ['history/000001.json', 'lock', 'theirs', 'tree/theirs', 'history/theirs']) put(`${state}/${name}`);
    put('etc/kata-sysext/theirs');

    const found = await foreignFiles(tree.host, ['/etc/kata-sysext']);

    assert.deepEqual(found.sort(), [
      '/etc/kata-sysext/theirs',
      ...['history/theirs', 'theirs', 'tree/theirs'].map((name) => `/${state}/${name}`),
    ]);
  });
});
