import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { killGroup } from '../lab/run.ts';
import { stopAfter } from '../support/endings.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { bootGuests, type Guest, hypervisors, withFragment } from '../support/live/guestHost.ts';
import { kataSysext, type Live, liveHost } from '../support/live/liveHost.ts';
import { until } from '../support/live/unitWork.ts';

const [rust, go, remote] = ['kata-qemu-runtime-rs', 'kata-qemu', 'kata-remote'];
const folders = ['etc', 'usr', 'opt', 'var', 'boot', 'run'];
/** What the engine, systemd and the specs themselves write meanwhile. */
const leftOut = ['var/lib/containerd', 'var/log', 'var/lib/systemd', 'var/tmp', 'var/cache', 'run/containerd', 'run/systemd', 'run/udev'];

describe('verify --boot-guest on a live host whose /dev/kvm runs no guest', function () {
  this.timeout(900_000);
  let live: Live;
  let release: string;

  before(async () => {
    live = await liveHost({ suite: 'trixie', devices: ['/dev/kvm'], images: false });
    const both = [live.bundle(live.first), live.bundle(live.first, 'go')];
    await live.json(['install', ...both, '--handler', 'qemu-runtime-rs', '--handler', 'qemu', '--handler', 'remote']);
    // The judge of the kernel's release is the file itself.
    const kernel = (await live.host.run(['realpath', '/etc/kata-sysext/current/payload/share/kata-containers/vmlinux.container'])).stdout;
    const seen = execFileSync('file', ['-b', `${live.host.root}${kernel.trim()}`], { encoding: 'utf8' });
    release = /version (\S+)/.exec(seen)?.[1] ?? assert.fail(seen);
  });
  stopAfter(() => live);

  it('boots every handler when emulation is asked for: kernel, milliseconds, first program; nothing stays behind', async () => {
    const before = fingerprint(live.host.root, folders, leftOut);

    const guests = await bootGuests(live, ['--tcg'], 0);

    const byName = new Map(guests.map((guest) => [guest.handler, guest]));
    for (const handler of [rust, go] as string[]) {
      const guest = byName.get(handler)!;
      assert.equal(guest.ok, true, JSON.stringify(guest));
      assert.equal(guest.kernel, release);
      assert.equal(guest.reachedInit, true);
      assert.equal(guest.accelerator, 'tcg');
      assert.ok(Number.isInteger(guest.milliseconds) && guest.milliseconds! > 0, `${guest.milliseconds} ms`);
      assert.match(guest.path!, /\/usr\/share\/kata\/bin\/qemu-system-x86_64$/);
    }
    assert.deepEqual(
      byName.get(remote!)!.findings.map(({ code, level }) => [code, level]),
      [['guest-not-drivable', 'warning']],
    );
    assert.deepEqual(differences(before, fingerprint(live.host.root, folders, leftOut)), []);
    assert.deepEqual(await hypervisors(live), []);
  });

  it('says without --tcg that KVM runs no guest, in the hypervisor’s own words, and boots nothing', async function () {
    if (!existsSync('/dev/kvm')) {
      console.log('      this machine has no /dev/kvm');
      return this.skip();
    }
    if (/^flags.*\b(vmx|svm)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'))) {
      console.log('      KVM of this machine may work');
      return this.skip();
    }

    const words = ['verify', '--boot-guest', '--handler', 'qemu', '--handler', 'kata-qemu-runtime-rs', '--json', '--progress', 'none'];
    const { guests } = JSON.parse((await live.kata(words)).stdout) as { guests: Guest[] };

    assert.equal(guests.length, 2);
    for (const guest of guests) {
      // On a host with little to do, this KVM gets as far as the first line of the loader within 5 s, and no further.
      if (guest.findings.some(({ found }) => /no kernel was seen within 60\.0 s; the last line of its console: /.test(found))) {
        assert.match(guest.findings[0]!.next, /whether KVM is to blame: kata-sysext verify --boot-guest --tcg/);
        continue;
      }
      assert.deepEqual([guest.ok, guest.reachedInit, guest.kernel], [false, false, undefined]);
      assert.deepEqual(
        guest.findings.map(({ code, level }) => [code, level]),
        [['host-kvm-fails', 'blocker']],
      );
      assert.match(guest.findings[0]!.found, /MSR|KVM|printed nothing for 5 s/);
      assert.match(guest.findings[0]!.next, /--tcg/);
    }
    assert.deepEqual(await hypervisors(live), []);
  });

  it('says to people what it saw', async () => {
    const ran = await live.kata(['verify', '--boot-guest', '--tcg', '--handler', 'qemu', '--progress', 'plain']);

    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, new RegExp(`✓ kata-qemu: Linux ${release.replaceAll('.', '\\.')} seen after \\d+ ms`));
    assert.match(ran.stdout, /emulated \(TCG\)/);
    assert.match(ran.stderr, /booting the guest of kata-qemu emulated/);
  });

  it('opens nothing of the payload for writing', async () => {
    const traced = await live.host.run(
      ['strace', '-f', '-qq', '-e', 'trace=openat,open', '-o', '/root/guest.trace', kataSysext].concat(
        'verify --boot-guest --tcg --handler qemu --json --progress none'.split(' '),
      ),
      { timeoutMs: 600_000 },
    );

    assert.equal((JSON.parse(traced.stdout) as { guests: Guest[] }).guests[0]!.ok, true, traced.stdout);
    const opens = readFileSync(`${live.host.root}/root/guest.trace`, 'utf8').split('\n');
    const payload = opens.filter((line) => line.includes('/usr/share/kata/'));
    assert.ok(payload.some((line) => line.includes('kata-containers-initrd.img') || line.includes('.initrd')));
    assert.deepEqual(
      payload.filter((line) => /O_RDWR|O_WRONLY|O_CREAT/.test(line)),
      [],
    );
    await live.host.run(['rm', '/root/guest.trace']);
  });

  it('takes machine and fragments as the shim would: a microvm boots', async () => {
    await withFragment(live, go!, '[hypervisor.qemu]\nmachine_type = "microvm"', async () => {
      const [guest] = await bootGuests(live, ['--tcg', '--handler', go!], 0);

      assert.deepEqual([guest!.ok, guest!.kernel], [true, release]);
    });
  });

  for (const [what, handler, keys] of [
    ['a pmem device', rust!, 'vm_rootfs_driver = "virtio-pmem"'],
    ['a pmem device, Go shim', go!, 'disable_image_nvdimm = false'],
    ['a disk', go!, 'disable_image_nvdimm = true'],
  ] as const) {
    it(`starts QEMU with an image as ${what}: the kernel is seen, and its panic when it cannot mount that root`, async () => {
      const tree = (await live.host.run(['realpath', '/etc/kata-sysext/current/payload'])).stdout.trim();
      const image = `${tree}/share/kata-containers/kata-ubuntu-resolute.initrd`;
      // Any file will do as an image: Debian's kernel has no driver for either device built in.
      const padded = '/root/image';
      await live.host.sh(`cp ${image} ${padded} && truncate -s 4M ${padded}`);

      await withFragment(live, handler, `[hypervisor.qemu]\ninitrd = ""\nimage = "${padded}"\n${keys}`, async () => {
        const [guest] = await bootGuests(live, ['--tcg', '--handler', handler], 1);

        assert.equal(guest!.kernel, release, JSON.stringify(guest));
        assert.deepEqual([guest!.ok, guest!.reachedInit], [false, false]);
        assert.match(guest!.findings.at(-1)!.found, /Kernel panic - not syncing: VFS/);
      });
      await live.host.run(['rm', padded]);
    });
  }

  it('a damaged kernel: the hypervisor’s own complaint, exit 1', async () => {
    await live.host.sh('head -c 65536 /dev/urandom > /root/vmlinuz');
    await withFragment(live, go!, '[hypervisor.qemu]\nkernel = "/root/vmlinuz"', async () => {
      const [guest] = await bootGuests(live, ['--tcg', '--handler', go!], 1);

      const failed = guest!.findings.find(({ code }) => code === 'guest-failed')!;
      assert.match(failed.found, /invalid kernel header|before any kernel was seen/);
      assert.equal(guest!.kernel, undefined);
    });
    await live.host.run(['rm', '/root/vmlinuz']);
  });

  for (const [what, script, words] of [
    ['hangs and prints nothing', 'trap "" TERM INT; while :; do sleep 1; done', /no kernel was seen within \d+\.\d s/],
    ['floods the console', 'yes "no kernel here"', /no kernel was seen within \d+\.\d s/],
    ['ends at once', 'echo boom >&2; exit 7', /status 7 .*boom/],
    ['hides escape sequences in the release', 'printf "Linux version \\033[31mred\\n"; sleep 60', /no kernel was seen|no first program/],
  ] as const) {
    it(`a hypervisor that ${what} is ended in time and reported`, async () => {
      await live.host.sh(`printf '#!/bin/sh\\n%s\\n' '${script}' > /root/lab-vmm && chmod 755 /root/lab-vmm`);
      await withFragment(live, go!, '[hypervisor.qemu]\npath = "/root/lab-vmm"', async () => {
        const [guest] = await bootGuests(live, ['--tcg', '--handler', go!, '--timeout', '6'], 1);

        assert.match(guest!.findings.at(-1)!.found, words);
        assert.ok(!JSON.stringify(guest).includes('\\u001b'));
        assert.deepEqual(await hypervisors(live), []);
      });
      await live.host.run(['rm', '/root/lab-vmm']);
    });
  }

  for (const [what, script, exit, expected] of [
    [
      'a working KVM shows: its guest is up',
      'echo "[ 0.1] Linux version 6.18.35-202 (x)"; echo "[ 0.5] Run /init as init process"; sleep 60',
      0,
      { accelerator: 'kvm', kernel: '6.18.35-202', ok: true, reachedInit: true, codes: [] },
    ],
    [
      'a KVM shows that stops the processor: KVM is to blame',
      'echo "early console"; echo "KVM internal error. Suberror: 1" >&2; sleep 60',
      3,
      { accelerator: 'kvm', ok: false, reachedInit: false, codes: ['host-kvm-fails'] },
    ],
    [
      'a guest shows whose first program cannot run: the guest is to blame',
      'echo "[ 0.1] Linux version 6.18.35-202 (x)"; echo "[ 0.5] Run /init as init process"; echo "[ 0.6] Kernel panic - not syncing: Attempted to kill init!"; sleep 60',
      1,
      { accelerator: 'kvm', kernel: '6.18.35-202', ok: false, reachedInit: false, codes: ['guest-failed'] },
    ],
  ] as const) {
    it(`a hypervisor that prints what ${what}`, async () => {
      await live.host.sh(`cat > /root/lab-vmm <<'END'\n#!/bin/sh\n${script}\nEND\nchmod 755 /root/lab-vmm`);
      await withFragment(live, go!, '[hypervisor.qemu]\npath = "/root/lab-vmm"', async () => {
        const [guest] = await bootGuests(live, ['--handler', go!], exit);

        const { accelerator, kernel, ok, reachedInit, findings } = guest!;
        assert.deepEqual(
          { kernel: undefined, ...expected },
          { accelerator, kernel, ok, reachedInit, codes: findings.map(({ code }) => code) },
        );
        assert.deepEqual(await hypervisors(live), []);
      });
      await live.host.run(['rm', '/root/lab-vmm']);
    });
  }

  for (const [signal, status] of [
    ['INT', 130],
    ['TERM', 143],
    ['KILL', 137],
  ] as const) {
    it(`SIG${signal} to the program ends the virtual machine with it`, async () => {
      // A guest that never gets anywhere: its kernel waits for a root that does not come.
      await withFragment(
        live,
        go!,
        '[hypervisor.qemu]\nkernel_params = "rdinit=/nowhere init=/nowhere root=/dev/never rootwait"',
        async () => {
          const child = live.host.spawn(['sh', '-c', `echo $$; exec ${kataSysext} verify --boot-guest --tcg --handler qemu`], {});
          const ended = new Promise<number | null>((resolve) =>
            child.on('exit', (code, by) => resolve(by === null ? code : 128 + constants.signals[by])),
          );
          const pid = await new Promise<string>((resolve) =>
            child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString().trim())),
          );
          let running: string[] = [];
          await until(async () => {
            running = await hypervisors(live);
            return running.some((line) => line.includes('accel=tcg'));
          }, 'the hypervisor runs');

          await live.host.run(['kill', `-${signal}`, pid]);
          const code = await ended;
          // The kernel ends it with the program that was killed; it is gone a moment later.
          await until(async () => (await hypervisors(live)).length === 0, 'no hypervisor runs');
          await until(async () => (await watched()) === '0', 'nothing of the watch is left');

          assert.ok(running.every((line) => !/-netdev|-nic|-net |virtfs|vhost|-fsdev/.test(line)));
          assert.equal(code, status);
          killGroup(child);
        },
      );
    });
  }

  it('starts nothing that differs from what was installed', async () => {
    const initrd = (await live.host.run(['realpath', '/etc/kata-sysext/current/payload/share/kata-containers/kata-containers-initrd.img']))
      .stdout;
    await live.host.sh(`cp -a ${initrd.trim()} /root/initrd && printf x >> ${initrd.trim()}`);

    const guests = await bootGuests(live, ['--tcg'], 1);

    assert.ok(guests.every((guest) => !guest.ok && guest.accelerator === undefined));
    assert.match(guests[0]!.findings[0]!.found, /not started, because files of the generation differ/);
    await live.host.sh(`cp -a /root/initrd ${initrd.trim()} && rm /root/initrd`);
  });

  it('refuses a handler that is not installed, options without --boot-guest, and a tree that is not running', async () => {
    const answers = [
      await live.json(['verify', '--boot-guest', '--handler', 'clh'], 3),
      await live.json(['verify', '--tcg'], 2),
      await live.json(['verify', '--boot-guest', '--timeout', '0'], 2),
      await live.json(['verify', '--boot-guest', '--root', '/mnt'], 2),
    ];

    assert.deepEqual(
      answers.map((answer) => answer['code']),
      ['handler-unknown', 'usage', 'usage', 'usage'],
    );
  });

  it('a host without /dev/kvm: refused, and booted with --tcg', async () => {
    await live.host.sh('umount /dev/kvm; rm -f /dev/kvm');

    const [without] = await bootGuests(live, ['--handler', go!], 3);
    const [emulated] = await bootGuests(live, ['--handler', go!, '--tcg'], 0);

    assert.deepEqual([without!.findings[0]!.code, without!.accelerator], ['host-no-kvm', undefined]);
    assert.deepEqual([emulated!.ok, emulated!.kernel], [true, release]);
    assert.equal(emulated!.findings[0]!.level, 'warning');
  });

  async function watched(): Promise<string> {
    return (await live.host.sh('ls /run | grep -c kata-sysext-watch || true')).stdout.trim();
  }
});
