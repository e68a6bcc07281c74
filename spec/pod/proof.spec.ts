import assert from 'node:assert/strict';
import { podText } from '../../cli/commands/podText.ts';
import type { PodSandbox } from '../../cli/engines/cri/index.ts';
import { networkReady, sandboxImageOf } from '../../cli/engines/cri/index.ts';
import { openView } from '../../cli/host/index.ts';
import { causeOf } from '../../cli/pod/causes.ts';
import { noImage, podFailed } from '../../cli/pod/findings.ts';
import { podCgroup } from '../../cli/pod/hypervisor.ts';
import { isLeft, startOf } from '../../cli/pod/notes.ts';
import { runOf, sandboxConfig } from '../../cli/pod/sandbox.ts';
import { json } from '../support/program.ts';

const live = openView('/', {});
const run = '0123456789abcdef';

describe('a pod as proof', () => {
  it('the image of sandboxes is the daemon’s own word, else that of its configuration', () => {
    const schema3 = { plugins: { 'io.containerd.cri.v1.images': { pinned_images: { sandbox: 'three' } } } };
    const schema2 = { plugins: { 'io.containerd.grpc.v1.cri': { sandbox_image: 'two' } } };

    const images = [
      sandboxImageOf({ config: '{"sandboxImage":"one"}' }, schema2),
      sandboxImageOf({ config: '{}' }, schema3),
      sandboxImageOf({}, schema2),
      sandboxImageOf({ config: 'no JSON' }, { crio: { image: { pause_image: 'four' } } }),
      sandboxImageOf({}, { plugins: { constructor: 1 } }),
    ];

    assert.deepEqual(images, ['one', 'three', 'two', 'four', undefined]);
  });

  it('an engine without a CNI configuration says why', () => {
    const condition = { type: 'NetworkReady', status: false, reason: 'NetworkPluginNotReady', message: 'cni plugin not initialized' };

    const seen = networkReady({ status: { conditions: [condition] }, info: {}, runtime_handlers: [] });

    assert.deepEqual(seen, { ready: false, why: 'cni plugin not initialized' });
  });

  it('only a sandbox of the program’s namespace and uid is one of its own, whatever labels a pod has', () => {
    const config = sandboxConfig('kata-qemu', run);
    const own = { id: 'a', metadata: config.metadata, labels: config.labels, state: 'SANDBOX_READY' } as unknown as PodSandbox;
    const others = [
      { ...own, metadata: { ...own.metadata!, namespace: 'default' } },
      { ...own, metadata: { ...own.metadata!, uid: 'b6f1' } },
      { ...own, labels: {} },
      { ...own, labels: { 'kata-sysext.run': '../x' } },
      { ...own, metadata: null },
    ];

    const runs = [own, ...others].map(runOf);

    assert.deepEqual(runs, [run, undefined, undefined, undefined, undefined, undefined]);
  });

  it('a pod has a network of its own and no right beyond that', () => {
    const { linux } = sandboxConfig('kata-qemu', run);

    assert.deepEqual(linux, { security_context: { namespace_options: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } } });
  });

  it('a note counts as long as its very process lives and its time is not over', async () => {
    const owner = { pid: process.pid, started: (await startOf(live, process.pid))! };
    const note = { run, handler: 'kata-qemu', socket: '/run/x.sock', owner, untilMs: Date.now() + 3_600_000 };

    const left = [
      await isLeft(live, note),
      await isLeft(live, { ...note, untilMs: Date.now() - 1 }),
      await isLeft(live, { ...note, owner: { ...owner, started: '1' } }),
      await isLeft(live, { ...note, owner: { pid: 2 ** 30, started: owner.started } }),
    ];

    assert.deepEqual(left, [false, true, true, true]);
  });

  it('the cgroup of a pod is the folder, or the slice, that the engine gave the shim', () => {
    const info = (cgroupsPath: unknown) => ({ info: JSON.stringify({ runtimeSpec: { linux: { cgroupsPath } } }) });

    const found = [info('/kubepods/pod1/abc'), info('kubepods-pod1.slice:cri-containerd:abc'), info(7), { info: '[' }, {}].map(podCgroup);

    assert.deepEqual(found, ['/kubepods/pod1', 'kubepods-pod1.slice', undefined, undefined, undefined]);
  });

  const answers: [answer: string, cause: RegExp | undefined][] = [
    ['no runtime for "kata-qemu" is configured', /no such handler/],
    ['failed to find runtime handler kata-qemu from runtime list', /no such handler/],
    ['mkdir /run/vc: no space left on device', /full/],
    ['open /dev/vhost-vsock: permission denied', /vhost-vsock/],
    ['Could not access KVM kernel module: /dev/kvm: Permission denied', /\/dev\/kvm/],
    ['failed to launch virtiofsd: fork/exec /x/virtiofsd: permission denied', /virtiofsd/],
    ['failed to setup network for sandbox "x": plugin type="bridge" failed (add)', /CNI/],
    ['context deadline exceeded', /in time/],
    ['fork/exec /x/containerd-shim-kata-v2: permission denied', /denied/],
    ['exec: "/x/containerd-shim-kata-v2": stat: no such file or directory', /not there/],
    ['something new', undefined],
  ];
  for (const [answer, cause] of answers) {
    it(`explains: ${answer}`, () => {
      const told = causeOf(answer);

      if (cause === undefined) assert.equal(told.cause, undefined);
      else assert.match(told.cause!, cause);
      assert.match(told.next, /^[a-z-]+ /);
    });
  }

  it('an answer of the engine is cut where it is long, and its client’s own words are left out', () => {
    const error = new Error(`The CRI at /x answered RunPodSandbox with: ${'y'.repeat(5000)}`);

    const { found } = podFailed('kata-qemu', { engine: 'containerd' }, error);

    assert.match(found, /^kata-qemu: its sandbox did not start: containerd answered RunPodSandbox: y+$/);
    assert.ok(found.length < 1000);
  });

  it('a missing image is pulled by a program that the engine brings', () => {
    const at = { configPath: '/x', socket: '/run/k/c.sock' };

    const next = ['containerd', 'crio'].map((engine) => noImage({ ...at, engine }, 'pause:1').next.split(';')[0]);

    assert.deepEqual(next, [
      'ctr --address /run/k/c.sock --namespace k8s.io images pull pause:1',
      'crictl --runtime-endpoint unix:///run/k/c.sock pull pause:1',
    ]);
  });

  it('says what it could not see', () => {
    const line = podText({ handler: 'kata-clh', ok: true, milliseconds: 840, container: 'removed', findings: [] });

    assert.deepEqual(line, [
      '✓ kata-clh: a pod ran, ready after 0.8 s; its kernel was not told; no hypervisor was seen; another program removed the pod before its container ran',
    ]);
  });

  const at = { name: 'qemu-system-x86_64', pid: 4711, cgroup: '/x/kata_1' };
  for (const [hypervisor, where] of [
    [{ ...at, inPodCgroup: true, memoryBytes: 182_000_000 }, ' in the pod’s cgroup, which counts 182 MB'],
    [{ ...at, inPodCgroup: true }, ' in the pod’s cgroup'],
    [{ ...at, inPodCgroup: false, memoryBytes: 182_000_000 }, ' outside the pod’s cgroup, in /x/kata_1'],
    [at, ''],
  ] as const) {
    it(`says where the hypervisor is:${where || ' nothing without the word of the engine'}`, () => {
      const [line] = podText({ handler: 'kata-qemu', ok: true, milliseconds: 840, kernelFile: '/k/vmlinuz', hypervisor, findings: [] });

      assert.equal(
        line,
        `✓ kata-qemu: a pod ran, ready after 0.8 s; the kernel of /k/vmlinuz; hypervisor qemu-system-x86_64 (process 4711)${where}`,
      );
    });
  }

  for (const [words, found] of [
    [['verify', '--pod', '--boot-guest'], /--pod together with --boot-guest/],
    [['verify', '--pod', '--tcg'], /--tcg with --pod/],
    [['verify', '--pod', '--timeout', '0'], /--timeout 0/],
    [['verify', '--handler', 'x'], /--handler without --pod or --boot-guest/],
    [['install', 'x.tar', '--prove', 'pod', '--root', '/tmp'], /--prove together with --root/],
    [['verify', '--pod', '--root', '/tmp'], /--pod with --root \/tmp/],
  ] as [string[], RegExp][]) {
    it(`refuses: ${words.join(' ')}`, async () => {
      const error = await json(words, 2);

      assert.match(String(error['found']), found);
    });
  }
});
