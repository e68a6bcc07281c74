import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { removeLeftPods, watchPod } from '../../cli/pod/index.ts';
import { readNotes } from '../../cli/pod/notes.ts';
import { removeForgotten } from '../../cli/pod/removing.ts';
import { sandboxConfig } from '../../cli/pod/sandbox.ts';
import { type FakeCri, fakeCri, refusal } from '../support/fakeCri.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type PodTree, podTree, processIn, socket } from '../support/trees/podTree.ts';

const runs = ['0123456789abcdef', 'fedcba9876543210'] as const;
const [run, otherRun] = runs;
const hour = 3_600_000;

/** As an engine lists a pod of this program. */
function addPod({ sandboxes }: FakeCri, id: string, of: string, namespace = 'kata-sysext'): void {
  const { metadata, labels } = sandboxConfig('kata-qemu', of);
  sandboxes.set(id, { id, metadata: { name: 'x', uid: 'y', attempt: 0, ...metadata, namespace }, labels: labels!, state: 'SANDBOX_READY' });
}

let tree: PodTree;
async function begin(): Promise<void> {
  tree = await podTree();
}
function end(): void {
  tree.remove();
}
const folder = () => tree.path('run/kata-sysext/pods');
const notes = () => (existsSync(folder()) ? readdirSync(folder()).sort() : []);
function note(of: string, more: object = {}): void {
  const owner = { pid: process.pid, started: 'earlier' };
  put(
    tree.root,
    `run/kata-sysext/pods/${of}.json`,
    JSON.stringify({ handler: 'kata-qemu', socket, owner, untilMs: Date.now() + hour, ...more }),
  );
}
const living = { owner: { pid: process.pid, started: '4242' } };

describe('pods that a killed command left', () => {
  beforeEach(begin);
  afterEach(end);

  it('are removed by their notes; pods of others and of a proof that runs are not', async () => {
    note(run);
    note(otherRun, living);
    addPod(tree.cri, 'left', run);
    addPod(tree.cri, 'running', otherRun);
    addPod(tree.cri, 'theirs', run, 'default');

    const outcome = await removeLeftPods(tree.live);

    assert.deepEqual(outcome, { removed: 1, failures: [] });
    assert.deepEqual([[...tree.cri.sandboxes.keys()], notes()], [['running', 'theirs'], [`${otherRun}.json`]]);
    assert.deepEqual(tree.cri.calls, ['StopPodSandbox left', 'RemovePodSandbox left']);
  });

  it('are removed where the number of the process belongs to another by now, whatever that is called', async () => {
    processIn(tree, 99, '7', ') R 4242');
    note(run, { owner: { pid: 99, started: '4242' } });
    addPod(tree.cri, 'left', run);

    assert.equal((await removeLeftPods(tree.live)).removed, 1);
  });

  it('are removed too where another program removes them at the same time', async () => {
    note(run);
    addPod(tree.cri, 'left', run);
    tree.cri.answers['StopPodSandbox'] = ({ pod_sandbox_id: id }) => {
      tree.cri.sandboxes.delete(id);
      throw refusal('not found', 5);
    };

    const outcome = await removeLeftPods(tree.live);

    assert.deepEqual([outcome.failures, notes()], [[], []]);
  });

  it('that the engine has not begun keep their note, and get a watcher', async () => {
    note(run);

    const outcome = await removeLeftPods(tree.live);

    assert.deepEqual(
      [outcome.removed, notes(), tree.systemd.calls],
      [0, [`${run}.json`], [`start-transient kata-sysext-pod-${run}.service`]],
    );
  });

  it('whose time is over have no note afterwards', async () => {
    note(run, { untilMs: Date.now() - 1 });

    await removeLeftPods(tree.live);

    assert.deepEqual([notes(), tree.systemd.calls], [[], []]);
  });

  it('that the engine does not remove are told, and their note stays; the next is removed all the same', async () => {
    note(run);
    note(otherRun);
    addPod(tree.cri, 'stuck', run);
    addPod(tree.cri, 'left', otherRun);
    tree.cri.answers['RemovePodSandbox'] = ({ pod_sandbox_id: id }) => {
      if (id === 'stuck') throw refusal('device busy');
      tree.cri.sandboxes.delete(id);
      return {};
    };

    const { removed, failures } = await removeLeftPods(tree.live);

    assert.equal(removed, 1);
    assert.match(failures.join('\n'), new RegExp(`^the pod of kata-qemu that run ${run} left: .*device busy`));
    assert.deepEqual(notes(), [`${run}.json`]);
  });

  it('without a socket are told, one by one', async () => {
    note(run, { socket: '/run/gone.sock' });

    const { failures } = await removeLeftPods(tree.live);

    assert.match(failures.join('\n'), /There is no socket \/run\/gone\.sock/);
  });

  it('of a tree that does not run are none', async () => {
    note(run);
    addPod(tree.cri, 'left', run);

    assert.deepEqual(await removeLeftPods(tree.host), { removed: 0, failures: [] });
    assert.deepEqual(tree.cri.calls, []);
  });

  const hostile: [what: string, name: string, text: string][] = [
    ['half a text', `${run}.json`, '{"handler":'],
    ['a list', `${run}.json`, '[]'],
    ['a socket that is no absolute path', `${run}.json`, JSON.stringify({ handler: 'x', socket: '../x', ...living, untilMs: 1 })],
    ['a word too many', `${run}.json`, JSON.stringify({ handler: 'x', socket, ...living, untilMs: 1, more: true })],
    ['a text that is too long', `${run}.json`, JSON.stringify({ handler: 'x'.repeat(5000), socket, ...living, untilMs: 1 })],
    ['a name that is no run', 'x.json', JSON.stringify({ handler: 'x', socket, ...living, untilMs: 1 })],
    ['a name with more than a run', `${run}0.json`, JSON.stringify({ handler: 'x', socket, ...living, untilMs: 1 })],
  ];
  for (const [what, name, text] of hostile)
    it(`a note with ${what} is none`, async () => {
      put(tree.root, `run/kata-sysext/pods/${name}`, text);

      assert.deepEqual([await readNotes(tree.live), await removeLeftPods(tree.live)], [[], { removed: 0, failures: [] }]);
    });

  it('a folder in place of a note is none', async () => {
    mkdirSync(`${folder()}/${run}.json`, { recursive: true });

    assert.deepEqual(await readNotes(tree.live), []);
  });
});

describe('pods of this program that no note names', () => {
  beforeEach(begin);
  afterEach(end);

  it('are removed; those that have a note and those of others stay', async () => {
    note(otherRun, living);
    addPod(tree.cri, 'forgotten', run);
    addPod(tree.cri, 'noted', otherRun);
    addPod(tree.cri, 'theirs', run, 'kube-system');

    await removeForgotten(tree.live, socket);

    assert.deepEqual([...tree.cri.sandboxes.keys()], ['noted', 'theirs']);
  });

  it('no proof depends on it: neither where the engine refuses nor where it is down', async () => {
    addPod(tree.cri, 'forgotten', run);
    tree.cri.answers['StopPodSandbox'] = () => {
      throw refusal('device busy');
    };

    await removeForgotten(tree.live, socket);
    tree.cri.stop();
    await removeForgotten(tree.live, socket);

    assert.equal(tree.cri.sandboxes.size, 1);
  });
});

describe('the watcher of a pod', () => {
  beforeEach(begin);
  afterEach(end);
  const never = new AbortController().signal;

  it('ends when the note is gone, and asks no engine', async () => {
    addPod(tree.cri, 'a', run);

    await watchPod(tree.live, run, never);

    assert.deepEqual(tree.cri.calls, []);
  });

  it('leaves the pod alone as long as its owner lives', async () => {
    note(run, living);
    addPod(tree.cri, 'a', run);
    const watching = watchPod(tree.live, run, never);

    rmSync(folder(), { recursive: true });
    await watching;

    assert.deepEqual(tree.cri.calls, []);
  });

  it('removes the pod and the note once its owner is gone, also where the engine is on its way up', async () => {
    note(run);
    tree.cri.stop();
    const watching = watchPod(tree.live, run, never);
    const cri = await fakeCri(tree.path('run/c.sock'));
    addPod(cri, 'a', run);

    await watching;
    const left = cri.sandboxes.size;
    cri.stop();

    assert.deepEqual([left, notes()], [0, []]);
  });

  it('ends at a signal, and long after the time of the pod; the note stays for the next command', async () => {
    note(run, living);
    await watchPod(tree.live, run, AbortSignal.abort());
    note(run, { untilMs: Date.now() - hour });
    await watchPod(tree.live, run, never);

    assert.deepEqual([notes(), tree.cri.calls], [[`${run}.json`], []]);
  });
});
