import assert from 'node:assert/strict';
import { existsSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { KataError } from '../../cli/errors/index.ts';
import { provePods } from '../../cli/pod/index.ts';
import { refusal } from '../support/fakeCri.ts';
import { put } from '../support/trees/hostTrees.ts';
import { configFolder, type PodTree, podTree } from '../support/trees/podTree.ts';

const removal = ['StopPodSandbox 1', 'RemovePodSandbox 1'];

describe('a pod of a handler', () => {
  let tree: PodTree;
  beforeEach(async () => {
    tree = await podTree();
  });
  afterEach(() => tree.remove());

  const prove = () => provePods(tree.session(), tree.generation, false);
  const only = async () => (await prove()).pods[0]!;
  const notes = () => (existsSync(tree.path('run/kata-sysext/pods')) ? readdirSync(tree.path('run/kata-sysext/pods')) : []);

  it('runs, shows its kernel, and leaves neither a sandbox nor a note', async () => {
    const { handler, ok, image, container, kernel, findings } = await only();

    assert.deepEqual([handler, ok, image, container, kernel, findings], ['kata-qemu', true, 'pause:1', 'ran', '6.12.47', []]);
    assert.deepEqual(tree.cri.calls, ['RunPodSandbox kata-qemu', 'CreateContainer 1', 'StartContainer in 1', 'ExecSync in 1', ...removal]);
    assert.deepEqual([tree.cri.sandboxes.size, notes()], [0, []]);
  });

  it('has its note and its watcher before the engine is asked for it', async () => {
    let seen: unknown[] = [];
    tree.cri.answers['RunPodSandbox'] = () => {
      seen = [notes().length, tree.systemd.calls.length];
      throw refusal('no');
    };

    await prove();

    assert.deepEqual(seen, [1, 1]);
    assert.match(tree.systemd.calls[0]!, /^start-transient kata-sysext-pod-[0-9a-f]{16}\.service$/);
  });

  it('on the kernel of the host, without a hypervisor, is a warning', async () => {
    tree.cri.answers['ExecSync'] = () => ({ stdout: Buffer.from('6.1.0-host\n'), exit_code: 0 });

    const { ok, findings } = await only();

    assert.deepEqual([ok, findings.map(({ code, level }) => `${code} ${level}`)], [true, ['pod-on-host-kernel warning']]);
  });

  for (const [what, stdout, code] of [
    ['that fails', '6.12.47', 127],
    ['that says an escape sequence', '\u001b[31m6.12.47', 0],
    ['that says several words', '6.12.47 $(reboot)', 0],
    ['that says too much', '6'.repeat(65), 0],
  ] as const)
    it(`a program in it ${what} tells no kernel`, async () => {
      tree.cri.answers['ExecSync'] = () => ({ stdout: Buffer.from(stdout), exit_code: code });

      const { ok, kernel } = await only();

      assert.deepEqual([ok, kernel], [true, undefined]);
    });

  it('that the engine refuses has the engine’s words, and nothing is left', async () => {
    tree.cri.answers['RunPodSandbox'] = () => {
      throw refusal('no runtime for "kata-qemu" is configured');
    };

    const { ok, milliseconds, findings } = await only();

    assert.deepEqual([ok, milliseconds, findings.map(({ code }) => code)], [false, undefined, ['pod-failed']]);
    assert.match(findings[0]!.found, /its sandbox did not start: .*no runtime for "kata-qemu" is configured\.?$/);
    assert.deepEqual(notes(), []);
  });

  it('whose start is not decided keeps its note: it may still come up', async () => {
    tree.cri.answers['RunPodSandbox'] = () => {
      throw refusal('context deadline exceeded', 4);
    };

    await prove();

    assert.equal(notes().length, 1);
  });

  it('whose program ends with an error has failed, with its status', async () => {
    tree.cri.answers['ContainerStatus'] = () => ({
      status: { state: 'CONTAINER_EXITED', exit_code: 3, reason: 'Error', message: 'no such file' },
    });

    const { ok, container, milliseconds, findings } = await only();

    assert.deepEqual([ok, container, milliseconds !== undefined], [false, 'failed', true]);
    assert.match(findings[0]!.found, /the container in its pod did not run: .*its program ended with 3 \(Error\): no such file/);
    assert.equal(tree.cri.sandboxes.size, 0);
  });

  it('whose program ended well ran', async () => {
    tree.cri.answers['ContainerStatus'] = () => ({ status: { state: 'CONTAINER_EXITED', exit_code: 0 } });

    assert.equal((await only()).container, 'ran');
  });

  it('that another program stops meanwhile is no failure of the handler', async () => {
    tree.cri.answers['CreateContainer'] = () => {
      tree.cri.sandboxes.get('1')!.state = 'SANDBOX_NOTREADY';
      throw refusal('sandbox is stopping');
    };

    const { ok, container, findings } = await only();

    assert.deepEqual([ok, container, findings], [true, 'removed', []]);
  });

  it('that cannot be removed is a finding, and its note stays for a later command', async () => {
    tree.cri.answers['StopPodSandbox'] = () => {
      throw refusal('shim is stuck');
    };

    const { ok, container, findings } = await only();

    assert.deepEqual([ok, container], [false, 'ran']);
    assert.deepEqual(
      findings.map(({ code, next }) => [code, next]),
      [['pod-left', 'kata-sysext recover']],
    );
    assert.match(findings[0]!.found, /shim is stuck/);
    assert.equal(notes().length, 1);
  });

  it('is not asked for where no note can be written', async () => {
    writeFileSync(tree.path('run/kata-sysext'), 'no folder');

    const { ok, findings } = await only();

    assert.equal(ok, false);
    assert.match(findings[0]!.found, /its pod could not be noted in \/run/);
    assert.deepEqual(tree.cri.calls, []);
  });

  it('after a signal is removed, and the command ends as interrupted', async () => {
    const stop = new AbortController();
    tree.cri.answers['CreateContainer'] = () => {
      stop.abort();
      return { container_id: 'c' };
    };

    const error = await provePods(tree.session({ signal: stop.signal }), tree.generation, false).catch((reason: unknown) => reason);

    assert.ok(error instanceof KataError);
    assert.equal(error.code, 'interrupted');
    assert.deepEqual([tree.cri.sandboxes.size, notes()], [0, []]);
  });

  it('has the hypervisor of its sandbox, where it runs, and its kernel', async () => {
    put(tree.root, `${configFolder}/kata-qemu/configuration.toml`, '[hypervisor.qemu]\npath = "/opt/qemu"\n');
    put(tree.root, 'proc/77/status', 'Uid:\t0\t0\t0\t0\n');
    put(tree.root, 'proc/77/cmdline', 'qemu\0-name\0sandbox-1\0-kernel\0/opt/vmlinux\0');
    put(tree.root, 'proc/77/cgroup', '0::/kubepods/pod1/kata_1\n');
    put(tree.root, 'sys/fs/cgroup/kubepods/pod1/kata_1/memory.current', '1048576\n');
    symlinkSync('/opt/qemu (deleted)', tree.path('proc/77/exe'));
    const cgroupsPath = '/kubepods/pod1/1';
    tree.cri.answers['PodSandboxStatus'] = () => ({ info: { info: JSON.stringify({ runtimeSpec: { linux: { cgroupsPath } } }) } });

    const { hypervisor, kernelFile } = await only();

    assert.deepEqual(hypervisor, { name: 'qemu', pid: 77, cgroup: '/kubepods/pod1/kata_1', inPodCgroup: true, memoryBytes: 1048576 });
    assert.equal(kernelFile, '/opt/vmlinux');
  });
});
