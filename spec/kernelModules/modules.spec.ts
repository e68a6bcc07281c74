import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { codes, KataError } from '../../cli/errors/index.ts';
import { type Host, openHost } from '../../cli/host/index.ts';
import { moduleFindings, modulesFile, moduleTable, planModules } from '../../cli/kernelModules/index.ts';
import { handlerTable } from '../../cli/layout/index.ts';
import type { ModulesStep, UndoStore } from '../../cli/steps/types.ts';
import { kindOf } from '../../cli/transaction/stepKinds.ts';
import { put } from '../support/trees/hostTrees.ts';
import { scratch } from '../support/trees/treeHost.ts';

const kernel = '6.12.9-test';
const lists = `usr/lib/modules/${kernel}`;
const qemu = { handlers: [{ name: 'kata-qemu', hypervisor: 'qemu' }] };
/** As depmod writes them: a module's file may have `-` where its name has `_`. */
const dep = [
  'kernel/arch/x86/kvm/kvm-intel.ko.xz: kernel/arch/x86/kvm/kvm.ko.xz',
  'kernel/drivers/vhost/vhost_vsock.ko.xz: kernel/drivers/vhost/vhost.ko.xz',
  'kernel/drivers/vhost/vhost_net.ko.xz:',
].join('\n');

describe('the kernel modules of handlers', () => {
  let root: string;
  let live: Host;
  /** What modprobe was called with; a stand-in, because no spec may load modules into the machine's kernel. */
  let called: string[];

  beforeEach(() => {
    root = scratch('modules');
    called = [];
    live = { ...openHost(root, {}), live: true, booted: true };
    put(root, 'proc/sys/kernel/osrelease', `${kernel}\n`);
    put(root, 'proc/cpuinfo', 'processor\t: 0\nflags\t\t: fpu vme vmx sse\n');
    put(root, 'proc/modules', 'vhost_net 36864 0 - Live 0x0000000000000000\n');
    put(root, `${lists}/modules.dep`, `${dep}\n`);
    put(root, `${lists}/modules.builtin`, 'kernel/drivers/net/tun.ko\n');
    mkdirSync(join(root, 'etc/modules-load.d'), { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const modprobeStandIn = (outcome: 'loads' | 'fails' | 'lies'): Host => ({
    ...live,
    run: async (program, args) => {
      called.push([program, ...args].join(' '));
      if (outcome === 'fails')
        throw new KataError('failed', { found: 'modprobe: ERROR: could not insert: Key was rejected', needed: '', next: '' });
      if (outcome === 'loads') put(root, `sys/module/${args.at(-1)}/initstate`, 'live\n');
      return { code: 0, stdout: '', stderr: '' };
    },
  });

  const apply = async (host: Host, step: ModulesStep) => {
    const told: { code: string; level: string; found: string; next: string }[] = [];
    const store = {} as UndoStore;
    await kindOf(step).apply(host, step, await kindOf(step).prepare(host, step, store), store, (finding) => told.push(finding));
    return told;
  };

  for (const [what, make] of [
    ['a link', (path: string) => symlinkSync('/dev/null', path)],
    ['no regular file', (path: string) => mkdirSync(path)],
  ] as const)
    it(`have a file that became ${what}: it stays, and an uninstall says so`, async () => {
      const path = modulesFile(live);
      make(join(root, path));

      const { keep, findings } = await planModules(live, undefined);

      assert.deepEqual(keep, []);
      assert.deepEqual(
        findings.map(({ found, next }) => [found, next]),
        [[`${path} is ${what}; it stays`, `ls -ld ${join(root, path)}`]],
      );
    });

  it('are loaded where they are not there, and kept where they are modules, in one plan', async () => {
    const { load, keep, diff, findings } = await planModules(live, qemu);

    const [step] = keep;
    assert.deepEqual(load, [{ kind: 'modules', names: ['kvm_intel', 'vhost_vsock'], deadlineMs: 30_000 }]);
    assert.equal(keep.length, 1);
    assert.ok(step?.kind === 'file' && step.path === '/etc/modules-load.d/kata-sysext.conf');
    assert.match(step.text ?? '', /^# kata-sysext: .*\nkvm_intel\nvhost_vsock\nvhost_net\n$/);
    assert.deepEqual(diff.get(step), ['+kvm_intel', '+vhost_vsock', '+vhost_net']);
    assert.deepEqual([findings, await moduleFindings(live, qemu.handlers)], [[], []]);
  });

  it('are those of the processor, the hypervisor, the backend and the format', async () => {
    const names = async (use: Parameters<typeof planModules>[1]) => (await planModules(openHost(root, {}), use)).keep;
    put(root, 'proc/cpuinfo', 'flags\t\t: fpu svm\n');
    put(
      root,
      `${lists}/modules.dep`,
      `${dep}\nkernel/arch/x86/kvm/kvm-amd.ko:\nkernel/fs/erofs/erofs.ko:\nkernel/fs/overlayfs/overlay.ko:\nkernel/drivers/block/loop.ko:\n`,
    );

    const amd = await planModules(live, qemu);
    const clh = await planModules(live, { handlers: [{ name: 'kata-clh', hypervisor: 'clh' }] });
    const image = await planModules(live, {
      handlers: [{ name: 'kata-remote', hypervisor: 'remote' }],
      backend: 'sysext',
      format: 'erofs',
    });
    const [offline] = await names(qemu);

    assert.deepEqual(
      amd.load.map((step) => step.kind === 'modules' && step.names),
      [['kvm_amd', 'vhost_vsock']],
    );
    assert.deepEqual(
      clh.load.map((step) => step.kind === 'modules' && step.names),
      [['kvm_amd']],
    );
    assert.deepEqual(
      image.load.map((step) => step.kind === 'modules' && step.names),
      [['overlay', 'loop', 'erofs']],
    );
    // Which processor will boot a tree is not known: udev loads its KVM.
    assert.match((offline?.kind === 'file' && offline.text) || '', /\.\nvhost_vsock\nvhost_net\n$|file\nvhost_vsock\nvhost_net\n$/);
  });

  it('are asked for again by nobody: what is loaded and kept gives no step', async () => {
    const [step] = (await planModules(live, qemu)).keep;
    put(root, 'etc/modules-load.d/kata-sysext.conf', (step?.kind === 'file' && step.text) || '');
    for (const name of ['kvm_intel', 'vhost_vsock']) put(root, `sys/module/${name}/initstate`, 'live\n');

    const again = await planModules(live, qemu);

    assert.deepEqual([again.load, again.keep, again.findings], [[], [], []]);
  });

  it('of a tree without a kernel are kept, and none is loaded; with a kernel only those that it has', async () => {
    const tree = openHost(root, {});
    const known = await planModules(tree, qemu);
    rmSync(join(root, 'usr'), { recursive: true });

    const unknown = await planModules(tree, qemu);

    const text = (plan: typeof known) =>
      plan.keep.flatMap((step) => (step.kind === 'file' ? (step.text ?? '').split('\n').slice(1, -1) : []));
    assert.deepEqual([known.load, unknown.load], [[], []]);
    assert.deepEqual(text(known), ['vhost_vsock', 'vhost_net']);
    assert.deepEqual(text(unknown), ['vhost_vsock', 'vhost_net', 'tun']);
  });

  it('of the tree of an image are kept below /usr', () => {
    assert.equal(modulesFile({ image: true }), '/usr/lib/modules-load.d/kata-sysext.conf');
    assert.equal(modulesFile({ image: false }), '/etc/modules-load.d/kata-sysext.conf');
  });

  for (const [what, path, text] of [
    ['a file that another program made', 'etc/modules-load.d/kata-sysext.conf', 'vhost_vsock\n'],
    ['an empty file, by which an administrator masks it', 'etc/modules-load.d/kata-sysext.conf', ''],
  ] as const)
    it(`leave ${what} as it is, at install and at uninstall, and say so`, async () => {
      put(root, path, text);

      const [coming, going] = [await planModules(live, qemu), await planModules(live, undefined)];

      assert.deepEqual([coming.keep, going.keep], [[], []]);
      assert.deepEqual(
        coming.findings.map(({ code, level }) => [code, level]),
        [['foreign-file', 'warning']],
      );
      assert.equal(coming.load.length, 1);
    });

  it('leave a link, and a file in the place of the folder, as they are', async () => {
    symlinkSync('/dev/null', join(root, 'etc/modules-load.d/kata-sysext.conf'));
    const link = await planModules(live, qemu);
    rmSync(join(root, 'etc/modules-load.d'), { recursive: true });
    put(root, 'etc/modules-load.d', 'no folder\n');

    const noFolder = await planModules(live, qemu);

    assert.deepEqual([link.keep, noFolder.keep], [[], []]);
    assert.deepEqual(
      [...link.findings, ...noFolder.findings].map(({ code }) => code),
      ['foreign-file', 'foreign-file'],
    );
  });

  it('fail no change where their folder is read-only, and say so', async () => {
    const readOnly = { ...live, canWrite: async (path: string) => path !== '/etc/modules-load.d' };

    const coming = await planModules(readOnly, qemu);
    put(root, 'etc/modules-load.d/kata-sysext.conf', '# kata-sysext: made by an earlier install\nvhost_vsock\n');
    const going = await planModules(readOnly, undefined);

    assert.deepEqual([coming.keep, going.keep, coming.load.length], [[], [], 1]);
    assert.deepEqual(
      [...coming.findings, ...going.findings].map(({ found }) => found.split(';')[0]),
      ['/etc/modules-load.d is read-only', '/etc/modules-load.d is read-only'],
    );
  });

  it('lose their file where nothing is wanted any more', async () => {
    const [made] = (await planModules(live, qemu)).keep;
    put(root, 'etc/modules-load.d/kata-sysext.conf', (made?.kind === 'file' && made.text) || '');

    const { keep, load } = await planModules(live, undefined);

    assert.deepEqual(
      keep.map((step) => [step.kind, step.kind === 'file' && step.after]),
      [['file', 'absent']],
    );
    assert.deepEqual(load, []);
  });

  for (const [what, files, found, next] of [
    [
      'denied by modprobe.d',
      { 'etc/modprobe.d/hard.conf': 'blacklist vhost-vsock\n' },
      /because \/etc\/modprobe\.d\/hard\.conf denies it: vhost_vsock$/,
      /take the line out of \/etc\/modprobe\.d\/hard\.conf/,
    ],
    [
      'replaced by /bin/false',
      { 'usr/lib/modprobe.d/cis.conf': 'install vhost_vsock /bin/false\n' },
      /cis\.conf denies it: vhost_vsock$/,
      /modprobe vhost_vsock/,
    ],
    [
      'denied on the kernel’s command line',
      { 'proc/cmdline': 'quiet module_blacklist=foo,vhost_vsock\n' },
      /command line denies it: vhost_vsock$/,
      /and boot$/,
    ],
    [
      'in no list of the kernel',
      { [`${lists}/modules.dep`]: 'kernel/drivers/vhost/vhost_net.ko:\nkernel/arch/x86/kvm/kvm-intel.ko:\n' },
      /not in the running kernel.*: vhost_vsock$/,
      /find \/usr\/lib\/modules -name 'vhost\[-_\]vsock\.ko\*'$/,
    ],
    [
      'of a kernel whose folder is gone',
      { 'proc/sys/kernel/osrelease': '6.12.8-gone\n' },
      /not in \/usr\/lib\/modules\/6\.12\.8-gone: kvm_intel, vhost_vsock, tun$/,
      /boot into it$/,
    ],
  ] as const)
    it(`are one warning and no step where they are ${what}`, async () => {
      for (const [path, text] of Object.entries(files)) put(root, path, text);

      const findings = await moduleFindings(live, qemu.handlers);
      const { load, keep } = await planModules(live, qemu);

      assert.deepEqual(
        findings.map(({ code, level, subject }) => [code, level, subject]),
        [['handler-needs-module', 'warning', 'kata-qemu']],
      );
      assert.match(findings[0]!.found, found);
      assert.match(findings[0]!.next, next);
      assert.ok(!JSON.stringify(load).includes('vhost_vsock'));
      if (!what.includes('gone')) assert.ok(!JSON.stringify(keep).includes('vhost_vsock'));
    });

  it('count as there by their device only where the kernel lists no modules', async () => {
    put(root, 'dev/vhost-vsock', '');
    const listed = await planModules(live, qemu);
    rmSync(join(root, 'usr'), { recursive: true });

    const findings = await moduleFindings(live, qemu.handlers);

    assert.ok(JSON.stringify(listed.load).includes('vhost_vsock'));
    assert.match(findings[0]!.found, /: kvm_intel, tun$/);
  });

  it('are loaded by modprobe, which heeds what an administrator denies', async () => {
    const [step] = (await planModules(live, qemu)).load as ModulesStep[];

    const told = await apply(modprobeStandIn('loads'), step!);

    assert.deepEqual(called, ['modprobe --use-blacklist kvm_intel', 'modprobe --use-blacklist vhost_vsock']);
    assert.deepEqual(told, []);
  });

  it('that modprobe cannot load, or does not, are warnings and no failure', async () => {
    const [step] = (await planModules(live, qemu)).load as ModulesStep[];

    const [failed, lied] = [await apply(modprobeStandIn('fails'), step!), await apply(modprobeStandIn('lies'), step!)];

    assert.deepEqual(
      [...failed, ...lied].map(({ code, level }) => `${code} ${level}`),
      Array(4).fill('handler-needs-module warning'),
    );
    assert.match(failed[0]!.found, /Key was rejected/);
    assert.match(lied[1]!.found, /modprobe vhost_vsock ended without an error/);
    assert.match(lied[1]!.next, /^modprobe -v vhost_vsock; /);
  });

  it('are known for each hypervisor of the handlers, with a code of their own', () => {
    const known = new Set(moduleTable.flatMap(({ hypervisors = [] }) => hypervisors));

    assert.deepEqual(
      [...new Set(handlerTable.handlers.map(({ hypervisor }) => hypervisor))].filter((name) => !known.has(name)),
      ['remote'],
    );
    assert.ok(Object.hasOwn(codes, 'handler-needs-module'));
    for (const { name, processor } of moduleTable)
      assert.ok(/^[a-z_]+$/.test(name) && (processor === undefined || new RegExp(processor, 'm')));
  });

  it('have a text for people in the plan and nothing that an undo takes out', async () => {
    const [step] = (await planModules(live, qemu)).load as ModulesStep[];
    const before = readFileSync(join(root, 'proc/modules'), 'utf8');

    await kindOf(step!).revert(live, step!, {}, {} as UndoStore);

    assert.equal(readFileSync(join(root, 'proc/modules'), 'utf8'), before);
    assert.equal(await kindOf(step!).look(live, step!, {}), 'before');
  });
});
