import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import type { SetAsideStep, StopUnitStep } from '../../cli/steps/types.ts';
import { begin, commit, writeStep } from '../../cli/transaction/journal.ts';
import { recover } from '../../cli/transaction/recover.ts';
import { kindOf } from '../../cli/transaction/stepKinds.ts';
import { undo } from '../../cli/transaction/undo.ts';
import { scriptedSystemd } from '../support/scriptedSystemd.ts';
import { type ChangeTree, changeTree, here, intentOf } from '../support/trees/changeTree.ts';
import { put } from '../support/trees/hostTrees.ts';

const aside: SetAsideStep = { kind: 'set-aside', path: '/opt/kata', aside: '/opt/.kata-sysext-1-a0.tmp' };
const stop: StopUnitStep = { kind: 'stop-unit', unit: 'nydus-for-kata-tee.service', deadlineMs: 1000 };

const store = { save: async () => undefined, path: () => '' };

describe('what is set aside', () => {
  let tree: ChangeTree;
  beforeEach(() => {
    tree = changeTree();
    put(tree.root, 'opt/kata/bin/shim', 'x', 0o755);
    mkdirSync(join(tree.root, 'opt/kata/closed'), { mode: 0o000 });
    put(tree.root, 'srv/precious', 'x');
    symlinkSync('/srv', join(tree.root, 'opt/kata/link'));
    utimesSync(join(tree.root, 'opt'), 1000, 1000);
  });
  afterEach(() => rmSync(tree.root, { recursive: true, force: true }));

  async function taken(): Promise<void> {
    await begin(tree.host, intentOf([aside]));
    const kind = kindOf(aside);
    const found = await kind.prepare(tree.host, aside, store);
    await writeStep(tree.host, 1, 0, found);
    await kind.apply(tree.host, aside, found, store, () => undefined);
  }

  it('is back with its inode after an undo, and so is the time of its folder', async () => {
    const { ino } = lstatSync(join(tree.root, 'opt/kata'));
    await taken();
    const gone = !existsSync(join(tree.root, 'opt/kata'));

    const { leftovers } = await undo(tree.host, intentOf([aside]));

    assert.deepEqual([gone, leftovers], [true, []]);
    assert.equal(lstatSync(join(tree.root, 'opt/kata')).ino, ino);
    assert.equal(lstatSync(join(tree.root, 'opt')).mtimeMs, 1_000_000);
  });

  it('goes after the commit, by recover as well, and no link in it is followed', async () => {
    await taken();
    await commit(tree.host, 1, new Date());

    const [recovered] = await recover(tree.host, here);

    assert.equal(recovered?.result, 'finished');
    assert.deepEqual(
      [existsSync(join(tree.root, 'opt/.kata-sysext-1-a0.tmp')), existsSync(join(tree.root, 'srv/precious'))],
      [false, true],
    );
  });

  it('keeps the journal where another thing lies at its place at an undo, and nothing is replaced', async () => {
    await taken();
    put(tree.root, 'opt/kata/new', 'x');

    const { leftovers } = await undo(tree.host, intentOf([aside]));

    assert.deepEqual(
      leftovers.map(({ path }) => path),
      ['/opt/kata'],
    );
    assert.deepEqual(
      [existsSync(join(tree.root, 'opt/kata/new')), existsSync(join(tree.root, 'opt/.kata-sysext-1-a0.tmp/bin/shim'))],
      [true, true],
    );
  });
});

describe('a unit of another program that is stopped', () => {
  let tree: ChangeTree;
  beforeEach(() => {
    tree = changeTree();
  });
  afterEach(() => rmSync(tree.root, { recursive: true, force: true }));

  it('is started again by an undo, once PID 1 has read its files', async () => {
    const { systemd, calls } = scriptedSystemd(() => ({ activeState: 'active' }));
    const host = { ...tree.host, live: true, systemd: async () => systemd };
    const kind = kindOf(stop);
    await begin(host, intentOf([stop]));
    const found = await kind.prepare(host, stop, store);
    await writeStep(host, 1, 0, found);
    await kind.apply(host, stop, found, store, () => undefined);

    const { leftovers } = await undo(host, intentOf([stop]));

    assert.deepEqual(leftovers, []);
    assert.deepEqual(
      calls.filter((call) => /stop|start|eload/.test(call)).map((call) => (/eload/.test(call) ? 'reload' : call)),
      ['stop nydus-for-kata-tee.service', 'reload', 'start nydus-for-kata-tee.service'],
    );
  });
});
