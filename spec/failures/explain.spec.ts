import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { parse } from '../../cli/commands/parsing/parser.ts';
import { explainText, failureTable, maxInputBytes } from '../../cli/failures/index.ts';

const [vm, id] = ['/run/vc/vm/5d1954fc3d679ef74121dd1928b6c663', '5d1954fc3d679ef74121dd1928b6c663'];
const event = (text: string) =>
  `  Warning  FailedCreatePodSandBox  22s (x627 over 135m)  kubelet  Failed to create pod sandbox: rpc error: code = Unknown desc = ${text}`;
const task = (text: string) => event(`failed to create containerd task: failed to create shim task: ${text}: unknown`);
const shim = (text: string, error: string) =>
  `Jul 29 13:29:17 node kata[2293]: time="2025-04-11T16:49:58.529831506+08:00" level=error msg="${text}" error="${error}" name=containerd-shim-v2 pid=2674 sandbox=${id} source=virtcontainers subsystem=qemu`;
const avc = (scontext: string, tcontext: string) =>
  `kernel: audit: type=1400 audit(1764420000.1:99): avc:  denied  { read write } for  pid=812 comm="containerd-shim" name="x" dev="devtmpfs" scontext=${scontext} tcontext=${tcontext} tclass=chr_file permissive=0`;

/** As Kata, engines, QEMU, kernels and kubelets print them: from public issues (the table names them) and from sources. */
const said: [id: string, line: string][] = [
  ['engine-no-handler', event('failed to get sandbox runtime: no runtime for "kata-qemu" is configured')],
  [
    'engine-no-handler',
    String.raw`kubelet[6890]: E0422 "RunPodSandbox from runtime service failed" err="rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for \\\"kata\\\" is configured"`,
  ],
  ['engine-no-handler', event('failed to find runtime handler kata from runtime list map[runc:0xc000]')],
  [
    'runtimeclass-missing',
    'Error from server (Forbidden): error when creating "nginx.yaml": pods "nginx" is forbidden: pod rejected: RuntimeClass "kata" not found',
  ],
  ['runtimeclass-missing', 'kubelet  runtimeclass.node.k8s.io "kata" not found'],
  [
    'shim-not-found',
    'ctr: failed to start shim: failed to resolve runtime path: runtime "io.containerd.kata.v2" binary not installed "containerd-shim-kata-v2": file does not exist: unknown',
  ],
  [
    'shim-denied',
    event('failed to start shim: start failed: fork/exec /etc/kata-sysext/current/payload/bin/containerd-shim-kata-v2: permission denied'),
  ],
  ['shim-gone', event('failed to start shim: start failed: fork/exec /opt/kata/bin/containerd-shim-kata-v2: no such file or directory')],
  ['shim-protocol', event('failed to create shim task: unsupported shim version (3): not implemented')],
  ['selinux-devices', avc('system_u:system_r:dockerd_t:s0', 'system_u:object_r:vhost_device_t:s0')],
  ['selinux-denied', avc('system_u:system_r:container_kvm_t:s0:c1,c2', 'system_u:object_r:var_lib_t:s0')],
  ['vsock-missing', task('open /dev/vhost-vsock: no such file or directory')],
  ['vsock-denied', task('open /dev/vhost-vsock: permission denied')],
  ['vhost-net', 'qemu-system-x86_64: -netdev tap,id=network-0,vhost=on,vhostfds=4,fds=5: vhost-net requested but could not be initialized'],
  ['tun', task('open /dev/net/tun: no such file or directory')],
  ['kvm-busy', 'qemu-system-x86_64: ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy'],
  ['kvm-denied', 'Could not access KVM kernel module: Permission denied'],
  [
    'kvm-missing',
    task(
      'failed to launch qemu: exit status 1, error messages from qemu log: Could not access KVM kernel module: No such file or directory',
    ),
  ],
  ['kvm-fails', 'qemu-system-x86_64: failed to initialize KVM: Function not implemented'],
  [
    'dax',
    shim(
      "failed to launch qemu: qemu-system-x86_64: -device vhost-user-fs-pci,chardev=char-1,tag=kataShared,cache-size=2M: Property 'vhost-user-fs-pci.cache-size' not found",
      'exit status 1',
    ),
  ],
  ['virtiofsd-denied', task('fork/exec /etc/kata-sysext/current/payload/libexec/virtiofsd: permission denied')],
  ['virtiofsd-missing', task('fork/exec /opt/kata/libexec/virtiofsd: no such file or directory')],
  [
    'virtiofsd-ended',
    `qemu-system-x86_64: -chardev socket,id=char-1,path=${vm}/vhost-fs.sock: Failed to connect to '${vm}/vhost-fs.sock': Connection refused`,
  ],
  [
    'virtiofsd-ended',
    'qemu-system-x86_64: -device vhost-user-fs-pci,chardev=char-1f52,tag=kataShared: Failed to read msg header. Read 0 instead of 12. Original request 1.',
  ],
  ['hypervisor-oom', 'kernel: Memory cgroup out of memory: Killed process 4711 (qemu-system-x86) total-vm:2599904kB, anon-rss:351472kB'],
  ['hypervisor-oom', shim('Unable to launch qemu', 'signal: killed')],
  ['guest-memory', "qemu-system-x86_64: cannot set up guest memory 'dimm1': Cannot allocate memory"],
  ['hugepages', "qemu-system-x86_64: can't open backing store /dev/hugepages for guest RAM: Permission denied"],
  [
    'agent-timeout',
    event(
      'CreateContainer failed: Failed to check if grpc server is working: rpc error: code = DeadlineExceeded desc = timed out connecting to vsock 1217660058:1024: unknown',
    ),
  ],
  ['agent-timeout', '    3: cannot connect vsock to agent ttrpc server ConnectConfig { dial_timeout_ms: 30, reconnect_timeout_ms: 3000 }'],
  ['agent-closed', task('Failed to Check if grpc server is working: ttrpc: closed')],
  ['agent-closed', shim('Wait for process failed', 'ttrpc: closed')],
  ['agent-bus', '    0: Establishing a D-Bus connection'],
  [
    'annotation-off',
    event('CreateContainer failed: annotation io.katacontainers.config.hypervisor.virtio_fs_extra_args is not enabled: unknown'),
  ],
  ['annotation-off', 'kata[2293724]: Annotation io.katacontainers.config.hypervisor.default_memory not enabled'],
  ['image-and-initrd', task('cannot specify an image and an initrd in configuration file')],
  ['guest-files', task('file /opt/kata/share/kata-containers/vmlinux.container does not exist')],
  ['hypervisor-missing', task('failed to launch qemu: fork/exec /opt/kata/bin/qemu-system-x86_64: no such file or directory')],
  ['configuration-missing', task('Cannot find usable config file (config file "/etc/kata-containers/configuration.toml" unresolvable)')],
  ['configuration-wrong', task('Others("load toml config: TOML parse error at line 12, column 1")')],
  [
    'api-socket',
    task(
      `failed to launch cloud-hypervisor: "Failed to connect to API (timeout 10s): error: Get \\"http://localhost/api/v1/vmm.ping\\": dial unix ${vm}/clh-api.sock: connect: no such file or directory"`,
    ),
  ],
  ['qmp', shim('Cannot start VM', 'Failed to connect to QEMU instance (timeout 10s): canceled by caller')],
  ['qmp', 'kata[2293724]: QMP not ready yet: qmp handshake failed'],
  ['seccomp', shim('failed to launch qemu', 'signal: bad system call (core dumped)')],
  [
    'cni',
    'kubelet[1]: E0101 "Container runtime network not ready" networkReady="NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized"',
  ],
  [
    'cni-failed',
    event('failed to setup network for sandbox "5d1954fc": plugin type="bridge" failed (add): failed to set bridge addr: already in use'),
  ],
  ['snapshotter', event('failed to create containerd container: snapshotter nydus was not found')],
  ['guest-pull', task('failed to mount "image_guest_pull" to "/run/kata-containers/1/rootfs"')],
  ['nydusd', task(`fork/exec /opt/kata/bin/nydusd: no such file or directory`)],
  ['sandbox-image', event('failed to get sandbox image "registry.k8s.io/pause:3.10": failed to pull image: dial tcp: i/o timeout')],
  ['disk-full', task('mkdir /run/kata-containers/shared/sandboxes/1: no space left on device')],
  ['cgroup', task('Could not create the sandbox cgroup: open /sys/fs/cgroup/kata_overhead: no such file or directory')],
  [
    'guest-selinux',
    task('rpc error: code = Unknown desc = selinux label is specified in config, but selinux is disabled or not supported'),
  ],
  [
    'kubelet-deadline',
    '"RunPodSandbox from runtime service failed" err="rpc error: code = DeadlineExceeded desc = context deadline exceeded"',
  ],
];

describe('known failures of pods', () => {
  for (const [known, line] of said)
    it(`${known}: ${line.trim().slice(0, 100)}`, () => {
      const { failures, lines } = explainText(`Events:\n${line}\n`);

      assert.deepEqual(
        failures.map((each) => each.id),
        [known],
      );
      assert.equal(lines, 2);
      assert.ok(failures[0]!.cause.length > 0 && failures[0]!.next.length > 0);
    });

  it('has a real line for every row, about 30 rows and more, and each row says where it is from', () => {
    const rows = failureTable();

    const ofLogs = rows.filter(({ answerOnly }) => answerOnly !== true);
    const without = ofLogs.filter(({ id: name }) => !said.some(([known]) => known === name)).map(({ id: name }) => name);

    assert.deepEqual(without, []);
    assert.ok(ofLogs.length >= 30);
    assert.equal(new Set(rows.map((row) => row.id)).size, rows.length);
    for (const row of rows) {
      assert.ok(row.source !== '', row.id);
      assert.ok(
        row.any.every((words) => words.length > 0 && words.every((word) => word === word.toLowerCase() && word.length > 2)),
        row.id,
      );
    }
  });

  it('takes a name into the next command only where it can be one', () => {
    const next = (name: string) => explainText(`no runtime for "${name}" is configured`).failures[0]!.next.join('\n');

    const [good, ...bad] = ['kata-clh', 'x; rm -rf /', '$(id)', '--allow', 'a'.repeat(64), 'Kata', '\u202ekata', ''].map(next);

    assert.match(good!, /--add-handler kata-clh .*\n.*--alias kata-clh=HANDLER /);
    for (const each of bad) assert.match(each, /--add-handler NAME /);
  });

  it('tells each failure once, in the order of the input, with the number of its lines', () => {
    const text = [said[0]![1], 'Normal  Scheduled  default-scheduler', said[20]![1], said[0]![1]].join('\r\n');

    const { failures } = explainText(text);

    assert.deepEqual(
      failures.map((each) => [each.id, each.lines]),
      [
        ['engine-no-handler', 2],
        [said[20]![0], 1],
      ],
    );
    assert.ok(failures.every(({ first }) => first.length <= 202 && !first.includes('\r')));
  });

  it('says nothing of lines that are none, of ordinary ones, or of healthy pods', () => {
    const quiet = [
      '',
      'systemd[1]: start operation timed out; stat /x: not found; mkdir /y: permission denied',
      'Normal  Pulled  kubelet  Container image "nginx" already present',
      'kata[1]: level=info msg="VM started"',
      'kata[1]: Annotation io.kubernetes.cri.sandbox-id not enabled',
    ];

    assert.deepEqual(explainText(quiet.join('\n')).failures, []);
  });

  it('reads a bounded part of whatever it gets', () => {
    const line = 'timed out connecting to vsock 1:1024\n';

    const many = explainText(line.repeat(30_000));
    const long = explainText(`${'x'.repeat(10_000)}${line}`);
    const huge = explainText(`${'\0'.repeat(maxInputBytes)}${line}`);

    assert.deepEqual([many.lines, many.cut, many.failures[0]?.lines], [10_000, true, 10_000]);
    assert.deepEqual(long.failures, []);
    assert.deepEqual([huge.cut, huge.failures], [true, []]);
  });

  it('comes to an end soon whatever a line has: a run of backslashes is no quotation', function () {
    this.timeout(5_000);
    const hostile = `${'\\'.repeat(8_000)}x\n`.repeat(130);
    const quoted = String.raw`no runtime for \\\"kata-clh\\\" is configured`;

    const { failures, lines } = explainText(`${quoted}\n${hostile}`);

    assert.deepEqual([failures.map(({ first }) => first), lines], [['no runtime for "kata-clh" is configured'], 131]);
  });

  it('names commands that work: those of this program parse, and the others are programs of nodes and clusters', async () => {
    const programs = [
      'kubectl',
      'journalctl',
      'modprobe',
      'dmesg',
      'ls',
      'grep',
      'free',
      'df',
      'lsmod',
      'crictl',
      'ctr',
      'containerd',
      'tail',
    ];
    const rows = failureTable();

    const commands = rows.flatMap((row) => [...row.next, ...(row.nextNamed ?? [])].map((each) => each.replaceAll('{name}', 'kata-clh')));
    const wrong: string[] = [];
    for (const command of new Set(commands)) {
      const [words = '', ...piped] = command.replace(/ {2}#.*$/, '').split(/ \|\|? /);
      if (spawnSync('/bin/sh', ['-n', '-c', command]).status !== 0) wrong.push(command);
      const own = words.startsWith('kata-sysext ') ? words.split(' ').slice(1) : undefined;
      if (own !== undefined) await parse(own, 'x').catch((error: unknown) => wrong.push(`${command}: ${String(error)}`));
      const foreign = own === undefined ? [words, ...piped] : piped;
      wrong.push(...foreign.filter((each) => !programs.includes(each.split(' ')[0]!)));
    }

    assert.ok(commands.length > 80);
    assert.deepEqual(wrong, []);
  });
});
