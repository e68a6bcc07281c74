import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { planDocker } from '../../cli/engines/docker/plan.ts';
import { bootOf } from '../../cli/facts/index.ts';
import type { Host } from '../../cli/host/index.ts';
import type { RestartStep } from '../../cli/steps/types.ts';
import type { Step } from '../../cli/transaction/index.ts';
import { begin, undoStore, writeStep } from '../../cli/transaction/journal.ts';
import { kindOf } from '../../cli/transaction/stepKinds.ts';
import { undo } from '../../cli/transaction/undo.ts';
import { scriptedSystemd } from '../support/scriptedSystemd.ts';
import { type ChangeTree, changeTree, fileStep, intentOf } from '../support/trees/changeTree.ts';
import { handler } from '../support/trees/engineTree.ts';

const path = '/etc/daemon.json';
const [bare, empty, wired] = ['{}\n', '{"runtimes":{}}\n', '{"runtimes":{"k":{}}}\n'];
const reload: RestartStep = { kind: 'restart', unit: 'a.service', by: 'reload', asked: 'a.service', dependents: [], deadlineMs: 1000 };

describe('two changes of one file, between which the engine reads it', () => {
  let tree: ChangeTree;
  beforeEach(() => {
    tree = changeTree();
  });
  afterEach(() => rmSync(tree.root, { recursive: true, force: true }));

  /** A live host whose engine notes what it reads. */
  function live(): { host: Host; read: string[] } {
    const read: string[] = [];
    const { systemd } = scriptedSystemd(() => ({ activeEnterMs: 1 }));
    const reading = {
      ...systemd,
      reload: async () => {
        read.push(readFileSync(join(tree.root, path), 'utf8'));
        return 'done' as const;
      },
    };
    return { host: { ...tree.host, live: true, systemd: async () => reading }, read };
  }

  /** Does the first steps of a change, with their undo in the journal. */
  async function taken(host: Host, steps: Step[], count: number): Promise<ReturnType<typeof intentOf>> {
    const intent = intentOf(steps, { boot: await bootOf(host) });
    await begin(host, intent);
    for (const [index, step] of steps.slice(0, count).entries()) {
      const store = undoStore(host, intent.id, index);
      const found = await kindOf(step).prepare(host, step, store);
      await writeStep(host, intent.id, index, found);
      await kindOf(step).apply(host, step, found, store, () => undefined);
    }
    return intent;
  }

  const coming: Step[] = [fileStep(path, bare, empty, { settles: 'first' }), fileStep(path, empty, wired), reload];
  const going: Step[] = [fileStep(path, wired, empty), reload, fileStep(path, empty, bare, { settles: 'last' })];

  it('an undo of what came lets the engine read the file without it, and then puts the bytes of before back', async () => {
    writeFileSync(join(tree.root, path), bare);
    const { host, read } = live();
    const intent = await taken(host, coming, 3);

    const { restarted, leftovers } = await undo(host, intent);

    assert.deepEqual(read, [wired, empty]);
    assert.equal(readFileSync(join(tree.root, path), 'utf8'), bare);
    assert.deepEqual([restarted, leftovers], [[], []]);
  });

  it('an undo that is repeated, because it was interrupted at its end, finds nothing left to do', async () => {
    writeFileSync(join(tree.root, path), bare);
    const { host } = live();
    const intent = await taken(host, coming, 3);
    await undo(host, intent);

    const { leftovers } = await undo(host, intent);

    assert.deepEqual(leftovers, []);
    assert.equal(readFileSync(join(tree.root, path), 'utf8'), bare);
  });

  it('an undo before the reload lets the engine read it as well: another program may have made it read the files', async () => {
    writeFileSync(join(tree.root, path), bare);
    const { host, read } = live();
    const intent = await taken(host, coming, 2);

    const { restarted, leftovers } = await undo(host, intent);

    assert.deepEqual(read, [empty]);
    assert.equal(readFileSync(join(tree.root, path), 'utf8'), bare);
    assert.deepEqual([restarted, leftovers], [[], []]);
  });

  it('an undo before the reload lets an engine with one change read the bytes of before', async () => {
    writeFileSync(join(tree.root, path), empty);
    const { host, read } = live();
    const intent = await taken(host, [fileStep(path, empty, wired), reload], 1);

    await undo(host, intent);

    assert.deepEqual(read, [empty]);
  });

  it('an engine that cannot be reached keeps the file that it has to read, until recover reaches it', async () => {
    writeFileSync(join(tree.root, path), bare);
    const { host, read } = live();
    const intent = await taken(host, coming, 3);
    const silent: Host = { ...host, systemd: async () => undefined };

    const first = await undo(silent, intent);
    const between = readFileSync(join(tree.root, path), 'utf8');
    const second = await undo(host, intent);

    assert.deepEqual(
      first.leftovers.map(({ path: unit, retry }) => [unit, retry]),
      [['a.service', true]],
    );
    assert.equal(between, empty);
    assert.deepEqual(read, [wired, empty]);
    assert.deepEqual(second.leftovers, []);
    assert.equal(readFileSync(join(tree.root, path), 'utf8'), bare);
  });

  const first = (now: string) => now.replace('{\n', '{\n  "b": 1,\n');
  const twice = (now: string) => `{"a": ${now}, ${now.slice(1)}`;
  for (const [what, count, edit, left, reported] of [
    ['of handlers goes from a file that others edited before it', 2, first, '{\n  "b": 1\n}\n', 0],
    ['of no handlers goes from a file that others edited before it', 1, first, '{\n  "b": 1\n}\n', 0],
    ['of handlers that is there twice stays and is reported', 2, twice, undefined, 1],
    ['of no handlers that is there twice stays and is reported', 1, twice, undefined, 1],
  ] as const)
    it(`at an undo, the text ${what}`, async () => {
      const instance = { engine: 'docker', version: '28.0.0', configPath: path, unit: reload.unit };
      const handlers = [handler('kata-qemu')];
      writeFileSync(join(tree.root, path), '{\n}\n');
      const { host } = live();
      const plan = await planDocker(host, { ...instance, process: { pid: 999_999, startedMs: 0, binaryReplaced: false } }, handlers);
      const steps = plan.changes.map(({ before, after, ...more }, index): Step => {
        assert.ok(after !== 'absent');
        return { ...fileStep(path, undefined, after.text), ...more, before, temporary: `/etc/t${index}` };
      });
      const intent = await taken(host, [...steps, reload], count);
      const edited = edit(readFileSync(join(tree.root, path), 'utf8'));
      writeFileSync(join(tree.root, path), edited);

      const { leftovers } = await undo(host, intent);

      assert.equal(readFileSync(join(tree.root, path), 'utf8'), left ?? edited);
      assert.equal(leftovers.length, reported);
    });

  it('what goes is read as gone before the bytes of others are back, and they look no newer than that', async () => {
    writeFileSync(join(tree.root, path), wired);
    utimesSync(join(tree.root, path), 1, 1_000);
    const { host, read } = live();

    await taken(host, going.slice(0, 2), 2);
    utimesSync(join(tree.root, path), 1, 2_000);
    const last = going[2]!;
    const store = undoStore(host, 1, 2);
    await kindOf(last).apply(host, last, await kindOf(last).prepare(host, last, store), store, () => undefined);

    assert.deepEqual(read, [empty]);
    assert.equal(readFileSync(join(tree.root, path), 'utf8'), bare);
    assert.equal(statSync(join(tree.root, path)).mtimeMs, 2_000_000);
  });

  it('an undo of what went brings it back and lets the engine read it', async () => {
    writeFileSync(join(tree.root, path), wired);
    const { host, read } = live();
    const intent = await taken(host, going, 3);

    const { leftovers } = await undo(host, intent);

    assert.deepEqual(read, [empty, wired]);
    assert.deepEqual(leftovers, []);
    assert.equal(readFileSync(join(tree.root, path), 'utf8'), wired);
  });
});
