import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { podText } from '../../cli/commands/answer.ts';
import type { PodSandbox } from '../../cli/cri/index.ts';
import { networkReady } from '../../cli/cri/index.ts';
import { cri as containerd } from '../../cli/engines/containerd/cri.ts';
import { cri as crio } from '../../cli/engines/crio/cri.ts';
import { openHost, openView } from '../../cli/host/index.ts';
import { noImage, podFailed } from '../../cli/pod/findings.ts';
import { findHypervisor, podCgroup } from '../../cli/pod/hypervisor.ts';
import { isLeft, startOf, writeNote } from '../../cli/pod/notes.ts';
import { removeLeftPods } from '../../cli/pod/removing.ts';
import { runOf, sandboxConfig } from '../../cli/pod/sandbox.ts';
import { json } from '../support/program.ts';

const live = openView('/', {});
const run = '0123456789abcdef';

describe('a pod as proof', () => {
  it('the image of sandboxes is the daemon’s own word, else that of its configuration', () => {
    const schema3 = { plugins: { 'io.containerd.cri.v1.images': { pinned_images: { sandbox: 'three' } } } };
    const schema2 = { plugins: { 'io.containerd.grpc.v1.cri': { sandbox_image: 'two' } } };

    const images = [
      containerd.sandboxImage({ config: '{"sandboxImage":"one"}' }, schema2),
      containerd.sandboxImage({ config: '{}' }, schema3),
      containerd.sandboxImage({}, schema2),
      crio.sandboxImage({ config: 'no JSON' }, { crio: { image: { pause_image: 'four' } } }),
      containerd.sandboxImage({}, { plugins: { constructor: 1 } }),
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

  it('a note is written although another proof makes, or takes away, the folder at that moment', async () => {
    const root = mkdtempSync(join(tmpdir(), 'kata-sysext-notes-'));
    const host = { ...openHost(root, {}), live: true };
    mkdirSync(join(root, 'run'));
    let gone = 0;
    const busy = {
      ...host,
      writeFile: async (...args: Parameters<typeof host.writeFile>) => {
        gone += 1;
        if (gone <= 2) await host.rmdir('/run/kata-sysext/pods');
        return host.writeFile(...args);
      },
    };

    await writeNote(busy, { run, handler: 'x', socket: '/run/x.sock', owner: { pid: 1, started: '1' }, untilMs: 1 });

    assert.deepEqual([gone, readdirSync(join(root, 'run/kata-sysext/pods'))], [3, [`${run}.json`]]);
    rmSync(root, { recursive: true });
  });

  it('half a note, which a killed proof left, goes with the next command; one that is being written does not', async () => {
    const root = mkdtempSync(join(tmpdir(), 'kata-sysext-notes-'));
    const folder = join(root, 'run/kata-sysext/pods');
    mkdirSync(folder, { recursive: true });
    const [old, fresh] = [`.${run}.json.kata-sysext`, `.${run.replace('0', '1')}.json.kata-sysext`];
    for (const name of [old, fresh]) writeFileSync(join(folder, name), '{');
    utimesSync(join(folder, old), 0, 0);
    const host = { ...openHost(root, {}), live: true };

    await removeLeftPods(host);
    const busy = readdirSync(folder);
    rmSync(join(folder, fresh));
    writeFileSync(join(folder, old), '{');
    utimesSync(join(folder, old), 0, 0);
    await removeLeftPods(host);

    assert.deepEqual([busy, readdirSync(join(root, 'run/kata-sysext'))], [[fresh], []]);
    rmSync(root, { recursive: true });
  });

  it('the cgroup of a pod is the folder, or the slice, that the engine gave the shim', () => {
    const info = (cgroupsPath: unknown) => ({ info: JSON.stringify({ runtimeSpec: { linux: { cgroupsPath } } }) });

    const found = [info('/kubepods/pod1/abc'), info('kubepods-pod1.slice:cri-containerd:abc'), info(7), { info: '[' }, {}].map(podCgroup);

    assert.deepEqual(found, ['/kubepods/pod1', 'kubepods-pod1.slice', undefined, undefined, undefined]);
  });

  // What the engine answers, the row of overlays/failures.json, and the command that is named.
  const answers: [answer: string, cause: RegExp, next: string][] = [
    ['no runtime for "kata-qemu" is configured', /has no handler of the name/, 'kata-sysext status'],
    ['failed to find runtime handler kata-qemu from runtime list', /has no handler of the name/, 'kata-sysext status'],
    ['mkdir /run/vc: no space left on device', /is full/, 'df -h /run /dev/shm /var'],
    ['open /dev/vhost-vsock: no such file or directory', /vhost_vsock is not loaded/, 'modprobe vhost_vsock'],
    ['open /dev/vhost-vsock: permission denied', /may not open \/dev\/vhost-vsock/, 'ls -lZ /dev/vhost-vsock'],
    ['vhost-vsock: guest cid 3 is in use', /cannot use \/dev\/vhost-vsock/, 'ls -lZ /dev/vhost-vsock'],
    ['Could not access KVM kernel module: /dev/kvm: Permission denied', /may not open \/dev\/kvm/, 'ls -lZ /dev/kvm'],
    [
      'failed to launch virtiofsd: fork/exec /x/virtiofsd: permission denied',
      /may not execute virtiofsd/,
      "journalctl -b | grep 'avc:.*denied' | tail -n 20",
    ],
    ['virtiofsd: exit status 1', /virtiofsd.* did not start/, 'journalctl -b | grep -i virtiofsd | tail -n 20'],
    ['failed to setup network for sandbox "x": plugin type="bridge" failed (add)', /CNI/, 'ls -l /etc/cni/net.d /opt/cni/bin'],
    ['context deadline exceeded', /in time/, 'journalctl -t kata -n 100'],
    ['create_sandbox\n\nCaused by:\n    0: connection\n    1: timed out', /in time/, 'kata-sysext verify --boot-guest'],
    ['mkdir /run/vc: operation not permitted', /denies/, "journalctl -b | grep 'avc:.*denied' | tail -n 20"],
    ['exec: "/x/containerd-shim-kata-v2": stat: no such file or directory', /not there/, 'kata-sysext install BUNDLE'],
    ['stat /x: no such file or directory', /not there/, 'ls -R /etc/kata-containers'],
  ];
  for (const [answer, cause, next] of answers) {
    it(`explains: ${answer.split('\n')[0]}: ${next}`, () => {
      const finding = podFailed('kata-qemu', { engine: 'containerd' }, new Error(answer));

      assert.match(finding.found, cause);
      assert.ok(finding.found.endsWith(`containerd answered ${answer}`));
      assert.equal(finding.next, next);
    });
  }

  it('the hypervisor is one that root runs, and the words of no other user’s process are read', async () => {
    const root = mkdtempSync(join(tmpdir(), 'kata-sysext-hypervisor-'));
    const put = (path: string, text: string) => {
      mkdirSync(join(root, path, '..'), { recursive: true });
      writeFileSync(join(root, path), text);
    };
    const configure = (more: string) =>
      put(
        'var/lib/kata-sysext/generations/1/config/kata-qemu/configuration.toml',
        `[hypervisor.qemu]\npath = "/opt/kata/bin/qemu-system-x86_64"\n${more}`,
      );
    for (const [pid, uid] of [
      ['10', '1000'],
      ['20', '0'],
    ] as const) {
      put(`proc/${pid}/cmdline`, `qemu\0-name\0sandbox-${run}\0`);
      put(`proc/${pid}/status`, `Name:\tqemu\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\n`);
      symlinkSync('/opt/kata/bin/qemu-system-x86_64', join(root, `proc/${pid}/exe`));
    }
    const view = openView(root, {});
    const read: string[] = [];
    const noting = (path: string) => {
      read.push(path);
      return view.readText(path);
    };
    const host = { ...view, readText: noting };
    const find = () =>
      findHypervisor(
        host,
        { generation: 1, handler: { name: 'kata-qemu', family: 'go', hypervisor: 'qemu' } as never },
        { id: run, info: {} },
      );

    configure('');
    const roots = await find();
    const looked = read.includes('/proc/10/cmdline');
    configure('rootless = true\n');
    const any = await find();

    assert.deepEqual([roots?.hypervisor.pid, looked, any?.hypervisor.pid], [20, false, 10]);
    rmSync(root, { recursive: true });
  });

  it('of an answer that is not known it gives the answer, and where the engine’s log is', () => {
    const finding = podFailed('kata-qemu', { engine: 'containerd' }, new Error('something new'));

    assert.equal(finding.found, 'kata-qemu: its sandbox did not start: containerd answered something new');
    assert.match(finding.next, /^journalctl /);
  });

  it('an answer of the engine is cut where it is long, and its client’s own words are left out', () => {
    const error = new Error(`The CRI at /x answered RunPodSandbox with: ${'y'.repeat(5000)}`);

    const { found } = podFailed('kata-qemu', { engine: 'containerd' }, error);

    assert.match(found, /^kata-qemu: its sandbox did not start: containerd answered RunPodSandbox: y+$/);
    assert.ok(found.length < 1000);
  });

  it('a missing image is pulled by a program that the engine brings', () => {
    const at = { configPath: '/x', socket: '/run/k/c.sock' };

    const rows = Object.entries({ containerd, crio });
    const next = rows.map(([engine, cri]) => noImage({ ...at, engine }, cri, 'pause:1').next.split(';')[0]);

    assert.deepEqual(next, [
      'ctr --address /run/k/c.sock --namespace k8s.io images pull pause:1',
      'crictl --runtime-endpoint unix:///run/k/c.sock pull pause:1',
    ]);
  });

  it('says what it could not see', () => {
    const line = podText({ handler: 'kata-clh', ok: true, milliseconds: 840, container: 'removed', findings: [] });

    assert.deepEqual(line, [
      '✓ kata-clh: a pod ran, ready after 0.8 s; its kernel is not known; no hypervisor was seen; another program removed the pod before its container ran',
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
