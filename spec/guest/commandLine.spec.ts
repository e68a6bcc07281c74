import assert from 'node:assert/strict';
import fc from 'fast-check';
import { getStaticTOMLValue, parseTOML } from 'toml-eslint-parser';
import { KataError } from '../../cli/errors/index.ts';
import { guestCommand, guestFiles } from '../../cli/guest/commandLine.ts';
import { hypervisorTable } from '../../cli/guest/tables.ts';
import type { Accelerator, GuestConfiguration } from '../../cli/guest/types.ts';
import { handlerTable } from '../../cli/layout/index.ts';
import { releaseTomls } from '../lab/release/index.ts';

const x86 = { architecture: 'x86_64', imageBytes: 256 * 2 ** 20 };

/** Every configuration file of both archives that the specs have, as the release has it. */
function configurations(): { file: string; configuration: GuestConfiguration }[] {
  const { go, rust } = releaseTomls();
  const of = (family: 'go' | 'rust', files: Record<string, Buffer>) =>
    Object.entries(files).map(([file, bytes]) => {
      const whole = getStaticTOMLValue(parseTOML(bytes.toString())) as { hypervisor: Record<string, Record<string, unknown>> };
      const [table, values] = Object.entries(whole.hypervisor)[0]!;
      const handler = `kata-${file.replace(/^configuration-|\.toml$/g, '')}`;
      return { file: `${family}/${file}`, configuration: { handler, family, table, values } };
    });
  return [...of('go', go), ...of('rust', rust)];
}

function configurationOf(file: string, change: Record<string, unknown> = {}): GuestConfiguration {
  const { configuration } = configurations().find((each) => each.file === file)!;
  return { ...configuration, values: { ...configuration.values, ...change } };
}

function code(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof KataError) return error.code;
    throw error;
  }
  return 'none';
}

/** The value after an option, for each time it is given. */
function all(args: string[], option: string): string[] {
  return args.flatMap((word, index) => (word === option ? [args[index + 1] ?? ''] : []));
}

const qemuGo = 'go/configuration-qemu.toml';
const qemuRust = 'rust/configuration-qemu-runtime-rs.toml';

describe('the command line that boots a handler’s guest', () => {
  it('exists for every configuration of both archives, or says why not', () => {
    const results = Object.fromEntries(
      configurations().map(({ file, configuration }) => [file, code(() => guestCommand(configuration, 'kvm', x86))]),
    );

    assert.deepEqual(results, {
      'go/configuration-clh.toml': 'none',
      'go/configuration-fc.toml': 'none',
      [qemuGo]: 'none',
      'go/configuration-remote.toml': 'guest-not-drivable',
      'rust/configuration-dragonball.toml': 'guest-not-drivable',
      [qemuRust]: 'none',
    });
  });

  it('has a row for every hypervisor of the handler table, each with a command line or a reason', () => {
    const rows = new Map(hypervisorTable.hypervisors.map((row) => [row.table, row]));

    for (const { name, hypervisor } of handlerTable.handlers) {
      const row = rows.get(hypervisor);
      assert.ok(row !== undefined, `${name}: ${hypervisor}`);
      assert.notEqual(row.why === undefined, row.arguments === undefined, `${hypervisor}: one of both`);
    }
  });

  it('starts QEMU with the files, machine and parameters of the configuration', () => {
    const { program, args, files } = guestCommand(configurationOf(qemuGo), 'kvm', x86);

    assert.equal(program, '/opt/kata/bin/qemu-system-x86_64');
    assert.deepEqual(all(args, '-kernel'), ['/opt/kata/share/kata-containers/vmlinux.container']);
    assert.deepEqual(all(args, '-machine'), ['q35,accel=kvm,nvdimm=on']);
    assert.deepEqual(all(args, '-cpu'), ['host,pmu=off']);
    assert.deepEqual(all(args, '-m'), ['512M,slots=2,maxmem=1792M']);
    assert.deepEqual(all(args, '-object'), [
      'memory-backend-file,id=mem0,mem-path=/opt/kata/share/kata-containers/kata-containers.img,size=268435456,readonly=on,share=off',
    ]);
    const [parameters] = all(args, '-append');
    assert.match(parameters!, /^root=\/dev\/pmem0p1 rootflags=data=ordered,errors=remount-ro ro rootfstype=ext4 /);
    assert.match(parameters!, / cgroup_no_v1=all systemd\.unified_cgroup_hierarchy=1 console=ttyS0 .*ignore_loglevel/);
    assert.deepEqual(files, {});
  });

  it('gives no guest a network, a folder of the host, or a file to write', () => {
    for (const { configuration } of configurations().filter(
      (each) => hypervisorTable.hypervisors.find((row) => row.table === each.configuration.table)?.arguments,
    )) {
      for (const change of [{}, { image: '', initrd: '/i' }, { pflashes: ['/a', '/b'], firmware: '/f' }]) {
        const changed = { ...configuration, values: { ...configuration.values, ...change } };
        const { args, files } = guestCommand(changed, 'kvm', x86);

        const text = [...args, ...Object.values(files)].join(' ');
        assert.doesNotMatch(text, /netdev|-nic|--net|vsock|virtiofs|9p|fsdev|chardev socket|-daemonize|-monitor|-qmp/);
        for (const drive of all(args, '-drive')) assert.match(drive, /readonly=on/);
        for (const object of all(args, '-object')) assert.match(object, /readonly=on,share=off/);
        for (const disk of all(args, '--disk')) assert.match(disk, /,readonly=on$/);
        assert.doesNotMatch(text, /"is_read_only":false/);
      }
    }
  });

  it('uses a disk where the configuration or the machine wants one, and an initrd where it names one', () => {
    const disk = guestCommand(configurationOf(qemuGo, { disable_image_nvdimm: true }), 'tcg', x86).args;
    const rust = guestCommand(configurationOf(qemuRust, { vm_rootfs_driver: 'virtio-blk-pci' }), 'tcg', x86).args;
    const microvm = guestCommand(configurationOf(qemuGo, { machine_type: 'microvm' }), 'tcg', x86).args;
    const initrd = guestCommand(configurationOf(qemuGo, { image: '', initrd: '/i' }), 'tcg', x86).args;

    for (const args of [disk, rust, microvm]) assert.match(all(args, '-append')[0]!, /^root=\/dev\/vda1 /);
    assert.deepEqual(all(disk, '-device'), ['virtio-blk-pci,drive=image']);
    assert.deepEqual(all(microvm, '-device'), ['virtio-blk-device,drive=image']);
    assert.deepEqual(
      [all(initrd, '-initrd'), all(initrd, '-drive'), all(initrd, '-object'), all(initrd, '-m')],
      [['/i'], [], [], ['512M']],
    );
    assert.doesNotMatch(all(initrd, '-append')[0]!, /root=|systemd\.unit/);
  });

  it('passes firmware, flash and the sandbox on', () => {
    const { args } = guestCommand(configurationOf(qemuGo, { firmware: '/f', pflashes: ['/a,b', '/c'], seccompsandbox: 'on' }), 'kvm', x86);

    assert.deepEqual(all(args, '-bios'), ['/f']);
    assert.deepEqual(
      all(args, '-drive').filter((word) => word.startsWith('if=pflash')),
      ['if=pflash,format=raw,readonly=on,file=/a,,b', 'if=pflash,format=raw,readonly=on,file=/c'],
    );
    assert.deepEqual(all(args, '-sandbox'), ['on']);
  });

  it('knows the machine of each architecture', () => {
    const machine = (architecture: string, accelerator: Accelerator, machine_type: string) =>
      all(
        guestCommand(configurationOf(qemuGo, { machine_type, image: '', initrd: '/i' }), accelerator, { architecture }).args,
        '-machine',
      )[0];

    assert.equal(machine('aarch64', 'kvm', 'virt'), 'virt,usb=off,accel=kvm,gic-version=host');
    assert.equal(machine('aarch64', 'tcg', ''), 'virt,usb=off,accel=tcg,gic-version=3');
    assert.equal(machine('x86_64', 'tcg', ''), 'q35,accel=tcg');
    assert.equal(
      code(() => machine('x86_64', 'kvm', 'virt')),
      'guest-not-drivable',
    );
    assert.equal(
      code(() => machine('x86_64', 'kvm', 'isapc')),
      'guest-not-drivable',
    );
  });

  it('Firecracker gets its file, Cloud Hypervisor its words; neither can emulate', () => {
    const fc_ = guestCommand(configurationOf('go/configuration-fc.toml'), 'kvm', x86);
    const clh = guestCommand(configurationOf('go/configuration-clh.toml'), 'kvm', x86);

    const content = JSON.parse(fc_.files['vm.json']!) as Record<string, Record<string, unknown>>;
    assert.equal(content['boot-source']!['kernel_image_path'], '/opt/kata/share/kata-containers/vmlinux.container');
    assert.equal('initrd_path' in content['boot-source']!, false);
    assert.deepEqual(all(clh.args, '--disk'), ['path=/opt/kata/share/kata-containers/kata-containers.img,readonly=on']);
    for (const file of ['go/configuration-fc.toml', 'go/configuration-clh.toml'])
      assert.equal(
        code(() => guestCommand(configurationOf(file), 'tcg', x86)),
        'guest-not-drivable',
      );
  });

  it('does not pretend to boot a confidential guest, nor one that the shim would refuse', () => {
    const of = (change: Record<string, unknown>) => code(() => guestFiles(configurationOf(qemuGo, change)));

    assert.deepEqual(
      [
        of({ confidential_guest: true }),
        of({ sev_snp_guest: true }),
        of({ initrd: '/i' }),
        of({ image: '' }),
        of({ kernel: '' }),
        of({ path: 5 }),
      ],
      ['guest-not-drivable', 'guest-not-drivable', 'guest-failed', 'guest-failed', 'guest-failed', 'guest-failed'],
    );
  });

  it('keeps every path of a configuration one value of one option', () => {
    const path = fc.string({ minLength: 1 }).map((tail) => `/${tail}`);
    fc.assert(
      fc.property(path, path, path, (kernel, image, flash) => {
        const change = { kernel, image, pflashes: [flash], disable_image_nvdimm: true };
        const { args } = guestCommand(configurationOf(qemuGo, change), 'kvm', x86);

        assert.deepEqual(all(args, '-kernel').slice(0, 1), [kernel]);
        const drives = args.filter((word) => /^(id=image|if=pflash)/.test(word)).map((word) => word.replaceAll(',,', '\0').split(','));
        assert.deepEqual(
          drives.map((parts) => parts.length),
          [4, 5],
        );
        assert.ok(drives.every((parts) => parts.includes('readonly=on') && parts.includes('format=raw')));
      }),
    );
  });
});
