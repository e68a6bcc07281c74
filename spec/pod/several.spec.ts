import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import type { Engine } from '../../cli/engines/index.ts';
import type { KataError } from '../../cli/errors/index.ts';
import { provePods } from '../../cli/pod/index.ts';
import { refusal } from '../support/fakeCri.ts';
import { type PodTree, podTree } from '../support/trees/podTree.ts';

describe('pods of several handlers', () => {
  let tree: PodTree;
  beforeEach(async () => {
    tree = await podTree(['kata-qemu', 'kata-clh', 'kata-fc']);
  });
  afterEach(() => tree.remove());

  const prove = (handlers: string[] = []) => provePods(tree.session({ request: { handlers, timeoutSeconds: 60 } }), tree.generation, false);
  const said = ({ pods }: Awaited<ReturnType<typeof prove>>) =>
    pods.map(({ handler, ok, container }) => `${handler} ${ok ? 'ok' : 'failed'} ${container ?? '-'}`);

  it('are started one after the other; one that fails keeps no other from it', async () => {
    let running = 0;
    tree.cri.answers['ExecSync'] = () => {
      running = Math.max(running, tree.cri.sandboxes.size);
      return { stdout: Buffer.from('6.12.47'), exit_code: 0 };
    };
    tree.cri.answers['CreateContainer'] = ({ pod_sandbox_id: id }) => {
      if (tree.cri.sandboxes.get(id)!.runtime_handler === 'kata-clh') throw refusal('no image');
      return { container_id: 'c' };
    };

    const seen = await prove();

    assert.deepEqual(said(seen), ['kata-qemu ok ran', 'kata-clh failed failed', 'kata-fc ok ran']);
    assert.equal(running, 1);
  });

  it('an engine that goes down in the middle: what was seen until then is kept', async () => {
    tree.cri.answers['CreateContainer'] = ({ pod_sandbox_id: id }) => {
      if (tree.cri.sandboxes.get(id)!.runtime_handler === 'kata-clh') tree.cri.stop();
      return { container_id: 'c' };
    };

    const seen = await prove();

    assert.deepEqual(said(seen), ['kata-qemu ok ran', 'kata-clh failed failed', 'kata-fc failed -']);
    const [first, second, third] = seen.pods;
    assert.deepEqual([first!.kernel, first!.findings], ['6.12.47', []]);
    assert.ok(second!.milliseconds !== undefined);
    assert.deepEqual(
      second!.findings.map(({ code }) => code),
      ['pod-failed', 'pod-left'],
    );
    assert.match(second!.findings[0]!.found, /the container in its pod did not run/);
    assert.deepEqual(
      third!.findings.map(({ code }) => code),
      ['pod-failed'],
    );
  });

  it('an engine that goes down while it starts one: the earlier ones are kept, and the note of this one', async () => {
    tree.cri.answers['RunPodSandbox'] = ({ runtime_handler: handler }) => {
      tree.cri.stop();
      throw refusal(`${handler} never comes`);
    };

    const { pods } = await prove();

    assert.deepEqual(
      pods.map(({ ok }) => ok),
      [false, false, false],
    );
    assert.equal(readdirSync(tree.path('run/kata-sysext/pods')).length >= 1, true);
  });

  it('the named ones are started, by the name of the release too, and each once', async () => {
    const seen = await prove(['kata-fc', 'kata-clh', 'kata-fc']);
    const unknown = await prove(['kata-x']).catch((error: KataError) => error.code);

    assert.deepEqual(said(seen), ['kata-fc ok ran', 'kata-clh ok ran']);
    assert.equal(unknown, 'handler-unknown');
  });

  it('none is started where files differ from what was installed', async () => {
    const { pods } = await provePods(tree.session(), tree.generation, true);

    assert.deepEqual(
      pods.map(({ ok, findings }) => [ok, findings[0]!.next]),
      Array(3).fill([false, 'kata-sysext verify']),
    );
    assert.deepEqual(tree.cri.calls, []);
  });

  it('none is started where the node lacks the image of sandboxes', async () => {
    tree.cri.answers['ImageStatus'] = () => ({});

    const { pods } = await prove();

    assert.deepEqual(
      pods.map(({ findings }) => findings.map(({ code }) => code)),
      Array(3).fill(['pod-image-missing']),
    );
    assert.deepEqual(tree.cri.calls, []);
  });

  it('an engine that does not answer at all fails each of them', async () => {
    tree.cri.stop();
    rmSync(tree.path('run/c.sock'), { force: true });

    const { pods } = await prove();

    assert.deepEqual(said({ pods }), ['kata-qemu failed -', 'kata-clh failed -', 'kata-fc failed -']);
    assert.match(pods[0]!.findings[0]!.found, /no pod was asked for/);
  });

  it('an engine without a CRI fails each of them, and the way that is left is named', async () => {
    const { pods } = await provePods(tree.session({ engine: { name: 'docker' } as Engine }), tree.generation, false);

    assert.deepEqual(said({ pods }), ['kata-qemu failed -', 'kata-clh failed -', 'kata-fc failed -']);
    assert.match(pods[0]!.findings[0]!.found, /docker serves no CRI/);
    assert.deepEqual(tree.cri.calls, []);
  });

  it('without a network for pods the guests are booted instead', async () => {
    const condition = { type: 'NetworkReady', status: false, message: 'cni plugin not initialized' };
    tree.cri.answers['Status'] = () => ({ status: { conditions: [condition] } });
    mkdirSync(tree.path('dev'), { recursive: true });

    const { pods, guests } = await prove();

    assert.deepEqual(
      pods.map(({ findings }) => findings.map(({ code, level }) => `${code} ${level}`)),
      Array(3).fill(['pod-no-network warning']),
    );
    assert.match(pods[0]!.findings[0]!.found, /\(cni plugin not initialized\); the guest was booted instead/);
    assert.deepEqual(
      guests!.map(({ handler, ok }) => [handler, ok]),
      [
        ['kata-qemu', false],
        ['kata-clh', false],
        ['kata-fc', false],
      ],
    );
    assert.deepEqual(tree.cri.calls, []);
  });
});
