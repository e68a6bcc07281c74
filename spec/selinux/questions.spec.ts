import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { engines, setsLabels } from '../../cli/engines/index.ts';
import { vmContextIn } from '../../cli/selinux/contexts.ts';
import { filesToWrite } from '../../cli/selinux/files.ts';
import { denialFinding } from '../../cli/selinux/findings.ts';
import { ask } from '../../cli/selinux/questions.ts';
import type { AskedHandler, Domains, PolicyFile } from '../../cli/selinux/types.ts';
import { missingForGo, missingOnDebian } from '../support/policies/debian13.ts';
import { type RecordedPolicy, recordedPolicy } from '../support/policies/index.ts';
import { repo } from '../support/program.ts';

const home = '/usr/local/libexec/kata-sysext/tree/d/usr/share/kata';
const go: AskedHandler = { name: 'kata-qemu', family: 'go', hypervisor: 'qemu' };
const rust: AskedHandler = { name: 'kata-qemu-runtime-rs', family: 'rust', hypervisor: 'qemu' };

const everything = new Set(
  'open read write ioctl getattr map execute execute_no_trans entrypoint search setexec transition use accept connectto create connect'.split(
    ' ',
  ),
);

function context(type: string, range = 's0'): string {
  return `system_u:system_r:${type}:${range}`;
}

function domains(engine: string, vm: string): Domains {
  return { engine: context(engine), shim: context(engine), vm: context(vm, 's0:c1,c2'), labelled: true };
}

/** The rules that are missing, in byte order. */
async function missing(
  name: RecordedPolicy,
  of: Domains,
  { handlers = [go], files, permissive = [] }: { handlers?: AskedHandler[]; files?: PolicyFile[]; permissive?: string[] } = {},
): Promise<string[]> {
  const written = filesToWrite(home, name === 'fedora' ? 'targeted' : 'default');
  const denials = await ask(recordedPolicy(name, permissive), {
    domains: of,
    handlers,
    files: files ?? written,
    devices: new Map(),
  });
  return denials
    .map((denial) => denialFinding(denial, { enforcing: true, isReference: true }))
    .map(({ level, needed }) => `${level} ${needed}`)
    .sort();
}

describe('what a policy has against pods', () => {
  it('Debian’s policy as it is: each rule that is missing is named', async () => {
    const found = await missing('debian', domains('dockerd_t', 'container_t'));

    assert.deepEqual(
      found,
      [...missingOnDebian, missingForGo].sort().map((rule) => `blocker ${rule}`),
    );
  });

  it('docs/reference/selinux.md has these rules', () => {
    const shown = readFileSync(join(repo, 'docs/reference/selinux.md'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('allow '));

    assert.deepEqual(shown, [...missingOnDebian, missingForGo].sort());
  });

  it('Debian’s policy with the module of examples/selinux/: nothing, under containerd and CRI-O', async () => {
    const found = await Promise.all(
      ['dockerd_t', 'crio_t'].map((engine) => missing('debian-with-module', domains(engine, 'container_kvm_t'))),
    );

    assert.deepEqual(found.flat(), []);
  });

  it('the module gives nothing to ordinary containers', async () => {
    const [before, after] = await Promise.all(
      (['debian', 'debian-with-module'] as const).map((name) => missing(name, domains('dockerd_t', 'container_t'))),
    );

    assert.deepEqual(
      after!,
      before!.filter((line) => line.includes(' container_t ')),
    );
  });

  it('Fedora’s policy: nothing', async () => {
    const found = await missing('fedora', domains('container_runtime_t', 'container_kvm_t'), { handlers: [go, rust] });

    assert.deepEqual(found, []);
  });

  it('an engine that sets no labels is asked about its own domain alone', async () => {
    const of = { ...domains('dockerd_t', 'dockerd_t'), vm: context('dockerd_t'), labelled: false };

    const found = await missing('debian', of);

    assert.deepEqual(found, [
      'blocker allow dockerd_t kvm_device_t:chr_file { open read write ioctl };',
      'blocker allow dockerd_t self:tun_socket create;',
      'blocker allow dockerd_t self:vsock_socket { create connect read write };',
      'blocker allow dockerd_t usr_t:file map;',
      'blocker allow dockerd_t vhost_device_t:chr_file { open read write ioctl };',
    ]);
  });

  it('an engine that sets no labels lacks nothing with the module', async () => {
    const of = { ...domains('dockerd_t', 'dockerd_t'), vm: context('dockerd_t'), labelled: false };

    const found = await missing('debian-with-module', of, { handlers: [go, rust] });

    assert.deepEqual(found, []);
  });

  it('a permissive domain warns', async () => {
    const found = await missing('debian', domains('dockerd_t', 'container_t'), { permissive: ['dockerd_t'] });

    assert.deepEqual(
      found.filter((line) => line.startsWith('warning')),
      [
        'warning allow dockerd_t kvm_device_t:chr_file { open read write ioctl };',
        'warning allow dockerd_t self:tun_socket create;',
        'warning allow dockerd_t self:vsock_socket { create connect read write };',
        'warning allow dockerd_t vhost_device_t:chr_file { open read write ioctl };',
      ],
    );
    assert.ok(found.some((line) => line.startsWith('blocker allow container_t')));
  });

  it('an executable, a guest kernel and a link with the labels of /var/lib: each is named, with the stock label as remedy', async () => {
    const wrong = (path: string, role: PolicyFile['role'], stock: string): PolicyFile => ({
      path: `${home}/${path}`,
      role,
      context: 'system_u:object_r:var_lib_t:s0',
      stock,
    });
    const files = [
      wrong('bin/virtiofsd', 'executable', 'bin_t'),
      wrong('share/vmlinux', 'data', 'usr_t'),
      wrong('share/link', 'link', 'usr_t'),
    ];

    const found = await missing('fedora', domains('container_runtime_t', 'container_kvm_t'), { files });

    assert.deepEqual(found, [
      `blocker the stock label for ${home}/bin/virtiofsd, ${home}/share/vmlinux`,
      `blocker the stock label for ${home}/share/link`,
    ]);
  });

  it('Dragonball is a part of its shim: its domain has to open KVM, and nothing is asked of a label', async () => {
    const handlers = [{ name: 'kata-dragonball', family: 'rust', hypervisor: 'dragonball' }];

    const found = await missing('debian', domains('dockerd_t', 'container_t'), { handlers });

    assert.deepEqual(found, [
      'blocker allow dockerd_t kvm_device_t:chr_file { open read write ioctl };',
      'blocker allow dockerd_t self:tun_socket create;',
      'blocker allow dockerd_t usr_t:file map;',
      'blocker allow dockerd_t vhost_device_t:chr_file { open read write ioctl };',
    ]);
  });

  it('a remote hypervisor needs nothing of this host', async () => {
    const handlers = [{ name: 'kata-remote', family: 'go', hypervisor: 'remote' }];

    const found = await missing('debian', domains('dockerd_t', 'container_t'), { handlers });

    assert.deepEqual(found, []);
  });

  it('a shim that changes its domain needs a transition and an entry point, one that does not may be executed in place', async () => {
    const silent = {
      ...recordedPolicy('fedora'),
      access: async () => ({ allowed: new Set<string>(), known: everything, permissive: false }),
    };
    const asked = { handlers: [go], files: filesToWrite(home, 'targeted'), devices: new Map() };
    const of = domains('container_runtime_t', 'container_kvm_t');

    const same = await ask(silent, { ...asked, domains: of });
    const other = await ask(silent, { ...asked, domains: { ...of, shim: context('shim_t') } });

    const rules = (denials: typeof same) =>
      denials.map(({ source, target, className, permissions }) => [source, target, className, permissions.join(' ')].join(' '));
    const bin = 'system_u:object_r:bin_t:s0 file';
    assert.ok(rules(same).some((rule) => rule.startsWith(`${of.engine} ${bin}`) && rule.includes('execute_no_trans')));
    assert.ok(!rules(same).some((rule) => rule.startsWith(`${of.engine} ${of.engine} process`) && rule.includes('transition')));
    assert.ok(rules(other).includes(`${of.engine} ${context('shim_t')} process transition`));
    assert.ok(rules(other).some((rule) => rule.startsWith(`${context('shim_t')} ${bin}`) && rule.includes('entrypoint')));
    assert.ok(!rules(other).some((rule) => rule.includes('execute_no_trans')));
  });

  it('a class that the policy does not know counts where the kernel denies what it does not know', async () => {
    const policy = { ...recordedPolicy('fedora'), access: async () => undefined, deniesUnknown: async () => true };
    const of = domains('container_runtime_t', 'container_kvm_t');

    const denied = await ask(policy, { domains: of, handlers: [go], files: [], devices: new Map() });
    const handled = await ask(
      { ...policy, deniesUnknown: async () => false },
      { domains: of, handlers: [go], files: [], devices: new Map() },
    );

    assert.ok(denied.some(({ className }) => className === 'vsock_socket'));
    assert.deepEqual(handled, []);
  });
});

describe('the label of a virtual machine', () => {
  it('is that of kvm_process, else of process, with two categories', () => {
    const both = 'process = "system_u:system_r:container_t:s0"\nkvm_process = "system_u:system_r:container_kvm_t:s0"\n';

    assert.equal(vmContextIn(both), 'system_u:system_r:container_kvm_t:s0:c1,c2');
    assert.equal(vmContextIn(both.split('\n')[0]!), 'system_u:system_r:container_t:s0:c1,c2');
    assert.equal(vmContextIn('process = system_u:system_r:lxc_t'), 'system_u:system_r:lxc_t');
  });

  it('is none where the file has no context, whatever else is in it', () => {
    assert.equal(
      vmContextIn('# process = "system_u:system_r:container_t:s0"\nfile = "system_u:object_r:container_file_t:s0"\n'),
      undefined,
    );
    assert.equal(vmContextIn('process = "a b c"\nkvm_process = "system_u:system_r:x y:s0"\n__proto__ = "a:b:c"\n'), undefined);
  });

  it('is set by engines that say so, and by CRI-O unless it says otherwise', () => {
    const containerd = (plugin: string, value: boolean) => ({ plugins: { [plugin]: { enable_selinux: value } } });

    assert.equal(setsLabels(engines()[0]!, containerd('io.containerd.cri.v1.runtime', true)), true);
    assert.equal(setsLabels(engines()[0]!, containerd('io.containerd.grpc.v1.cri', true)), true);
    assert.equal(setsLabels(engines()[0]!, containerd('io.containerd.grpc.v1.cri', false)), false);
    assert.equal(setsLabels(engines()[0]!, {}), false);
    assert.equal(setsLabels(engines()[1]!, {}), true);
    assert.equal(setsLabels(engines()[1]!, { crio: { runtime: { selinux: false } } }), false);
  });
});
