import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { containerd } from '../../cli/engines/containerd/index.ts';
import type { Instance } from '../../cli/engines/types.ts';
import { type Finding, KataError } from '../../cli/errors/index.ts';
import { type HostView, openView } from '../../cli/host/index.ts';
import { refuseDenied } from '../../cli/preflight/switch.ts';
import { askedHandlers, policyFindings } from '../../cli/selinux/index.ts';
import { kernelPolicy, parseAccess } from '../../cli/selinux/kernelPolicy.ts';
import { recordedPolicy } from '../support/policies/index.ts';

const home = '/usr/local/libexec/kata-sysext/tree/d/usr/share/kata';
const dump = { plugins: { 'io.containerd.grpc.v1.cri': { enable_selinux: true } } };
const instance: Instance = {
  engine: 'containerd',
  configPath: '/etc/containerd/config.toml',
  socket: '/run/containerd/containerd.sock',
  process: { pid: 77, startedMs: 0, binaryReplaced: false },
};

describe('SELinux’ policy on a host', () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-policy-'));
    put('/etc/selinux/config', 'SELINUX=enforcing\nSELINUXTYPE=default\n');
    put('/etc/selinux/default/contexts/lxc_contexts', 'process = "system_u:system_r:container_t:s0"\n');
    put('/proc/77/attr/current', 'system_u:system_r:dockerd_t:s0\0');
    put('/sys/fs/selinux/enforce', '1');
  });

  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function put(path: string, text: string): void {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }

  /** A running host in a folder: its device nodes have no labels, so that the stock ones count. */
  function host(): HostView {
    const run = async () => ({ code: 0, stdout: '', stderr: '' });
    return { ...openView(root, {}), live: true, booted: true, run };
  }

  function asked(dumpEffective: () => Promise<Record<string, unknown>>) {
    return { ...containerd, dump: { ...containerd.dump!, dumpEffective } };
  }

  async function findings(open: typeof kernelPolicy = async () => recordedPolicy('debian')) {
    const found = { engine: asked(async () => dump), instance };
    return await policyFindings(host(), { found, handlers: askedHandlers(['qemu']), home }, open);
  }

  it('enforcing: what is missing is a blocker, with the domain, the type, the class, the permission and the module', async () => {
    const all = await findings();

    assert.deepEqual(new Set(all.map(({ code, level }) => `${code} ${level}`)), new Set(['host-selinux-denies blocker']));
    assert.deepEqual(
      all.find(({ subject }) => subject === 'dockerd_t vhost_device_t:chr_file'),
      {
        code: 'host-selinux-denies',
        level: 'blocker',
        subject: 'dockerd_t vhost_device_t:chr_file',
        found:
          'SELinux’ policy denies dockerd_t { open read write ioctl } on vhost_device_t:chr_file (/dev/vhost-vsock, /dev/vhost-net); a pod needs it, because the shim opens it for the hypervisor',
        needed: 'allow dockerd_t vhost_device_t:chr_file { open read write ioctl };',
        next: 'load the module of examples/selinux/ as its README.md says (kata-sysext loads none), then: kata-sysext check',
      },
    );
  });

  it('with the module, and lxc_contexts naming container_kvm_t: nothing', async () => {
    put(
      '/etc/selinux/default/contexts/lxc_contexts',
      'process = "a:b:container_t:s0"\nkvm_process = "system_u:system_r:container_kvm_t:s0"\n',
    );

    const all = await findings(async () => recordedPolicy('debian-with-module'));

    assert.deepEqual(all, []);
  });

  it('what was allowed for the active generation is allowed for every later change of it', async () => {
    const denied: Finding = { code: 'host-selinux-denies', level: 'blocker', subject: 'x', found: 'x', needed: 'x', next: 'x' };
    const ends = (from: string[], allow: string[]) =>
      ({
        found: { instance },
        from: { record: { allowed: from } },
        to: { payloadFolder: '/x', handlers: [] },
        options: { allow },
      }) as never;
    const asked = (from: string[], allow: string[]) =>
      refuseDenied(host(), ends(from, allow), { payloadDir: () => '/x' } as never, { dump } as never, async () => [denied]);

    const kept = await Promise.all([asked([denied.code], []), asked([], [denied.code])]);

    assert.deepEqual(
      kept.flat().map(({ code }) => code),
      [denied.code, denied.code],
    );
    await assert.rejects(asked([], []), (error) => error instanceof KataError && error.code === denied.code);
  });

  it('an engine that sets no labels is a finding of its own where SELinux enforces, and nowhere else', async () => {
    const off = { plugins: { 'io.containerd.grpc.v1.cri': { enable_selinux: false } } };
    const found = { engine: asked(async () => off), instance };
    const ask = async () => {
      const all = await policyFindings(host(), { found, handlers: askedHandlers(['qemu']), home }, async () => recordedPolicy('debian'));
      return all.filter(({ code }) => code === 'engine-sets-no-labels').map(({ level, needed }) => [level, needed.split(' in ')[0]]);
    };

    const enforcing = await ask();
    put('/sys/fs/selinux/enforce', '0');
    const permissive = await ask();

    assert.deepEqual([enforcing, permissive], [[['warning', 'enable_selinux = true']], []]);
  });

  it('permissive: the same as warnings', async () => {
    const enforced = await findings();
    put('/sys/fs/selinux/enforce', '0');

    const all = await findings();

    assert.deepEqual(
      all.map(({ level, needed }) => [level, needed]),
      enforced.map(({ needed }) => ['warning', needed]),
    );
  });

  it('disabled, offline, or without selinuxfs: nothing is asked', async () => {
    const never = async (): Promise<never> => assert.fail('asked');
    rmSync(join(root, 'sys/fs/selinux/enforce'));
    const disabled = await findings(never);
    put('/sys/fs/selinux/enforce', '1');
    const found = { engine: asked(never), instance };
    const offline = await policyFindings(openView(root, {}), { found, handlers: askedHandlers(['qemu']), home }, never);

    assert.deepEqual([disabled, offline, await findings(async () => undefined)], [[], [], []]);
  });

  it('a kernel that does not answer, and an engine whose domain is not known, are said as what was not asked', async () => {
    const complaint = { subject: '/sys/fs/selinux/access', found: 'no answer', needed: 'one', next: 'none' };
    const silent = { ...recordedPolicy('debian'), access: async () => Promise.reject(new KataError('host-selinux-unasked', complaint)) };

    const unanswered = await findings(async () => silent);
    put('/proc/77/attr/current', 'unconfined\n"; rm');
    const unknown = await findings();

    for (const [finding, ...more] of [unanswered, unknown]) {
      assert.deepEqual([finding?.code, finding?.level, more], ['host-selinux-unasked', 'warning', []]);
    }
  });

  it('an engine whose domain is not known is started by the name of its unit, where that is known', async () => {
    put('/proc/77/attr/current', 'unconfined\n"; rm');
    const next = async (unit: string | undefined) => {
      const found = { engine: asked(async () => dump), instance: { ...instance, unit } };
      const [finding] = await policyFindings(host(), { found, handlers: askedHandlers(['qemu']), home }, async () =>
        recordedPolicy('debian'),
      );
      return finding?.next;
    };

    assert.equal(await next('rke2-server.service'), 'systemctl start rke2-server.service; then kata-sysext check');
    assert.equal(await next(undefined), 'start containerd; then kata-sysext check');
  });

  it('a folder that is not selinuxfs is not asked, whatever is in it', async () => {
    const here = process.getuid?.() === 0 && (await openView('/', {}).lstat('/sys/fs/selinux/enforce')) !== undefined;

    const policy = await kernelPolicy(host());

    // The kernel of a machine with SELinux answers for itself: the path is fixed.
    assert.equal(policy !== undefined, here);
  });
});

describe('the kernel’s answer to a question of access', () => {
  const permissions = new Map([
    ['ioctl', 1],
    ['read', 2],
    ['entrypoint', 32],
  ]);

  it('is read by bits: allowed, and whether the domain is permissive', () => {
    const answer = parseAccess('80000001 ffffffff 0 ffffffff 12 1', { index: 6, permissions });

    assert.deepEqual([...answer.allowed], ['ioctl', 'entrypoint']);
    assert.deepEqual([...answer.known], ['ioctl', 'read', 'entrypoint']);
    assert.equal(answer.permissive, true);
    assert.equal(parseAccess('2 ffffffff 0 ffffffff 12 0', { index: 6, permissions }).permissive, false);
  });

  for (const answer of ['', 'yes', '80000001', '123456789 0 0 0 0 0', '1 2 3 4 5 6 7', '1 ffffffff 0 ffffffff -1 0']) {
    it(`that is none is refused: ${JSON.stringify(answer)}`, () => {
      assert.throws(
        () => parseAccess(answer, { index: 6, permissions }),
        (error: { code?: string }) => error.code === 'host-selinux-unasked',
      );
    });
  }
});
