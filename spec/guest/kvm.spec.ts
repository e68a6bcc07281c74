import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { comesUp, type GuestTree, guestTree } from '../support/trees/guestTree.ts';

const qemu = 'kata-qemu';
const noKvm = 'echo "Could not access KVM kernel module: Permission denied" >&2; exit 1';

describe('a guest that KVM does not run', () => {
  let tree: GuestTree;
  beforeEach(async () => {
    tree = await guestTree([{ name: qemu }]);
  });
  afterEach(() => tree.remove());
  const booted = async (...args: Parameters<GuestTree['boot']>) => (await tree.boot(...args))[0]!;

  it('a hypervisor that complains of KVM is a fault of the host', async () => {
    tree.hypervisor(noKvm);

    const { findings } = await booted();

    assert.deepEqual(
      findings.map(({ code, level, subject }) => [code, level, subject]),
      [['host-kvm-fails', 'blocker', '/dev/kvm']],
    );
    assert.match(findings[0]!.found, /Could not access KVM kernel module/);
  });

  it('it is emulated where that is asked for, and KVM is a warning', async () => {
    tree.hypervisor(`case "$*" in *accel=kvm*) ${noKvm} ;; esac; ${comesUp}`);

    const { ok, accelerator, findings } = await booted({ tcg: true });

    assert.deepEqual([ok, accelerator, findings.map(({ code, level }) => `${code} ${level}`)], [true, 'tcg', ['host-kvm-fails warning']]);
  });

  it('one that prints something and no kernel in time: the emulation tells whether KVM or the guest is to blame', async () => {
    tree.hypervisor(`case "$*" in *accel=kvm*) echo BIOS; exec sleep 60 ;; esac; ${comesUp}`);
    const kvm = await booted({ tcg: true, timeoutSeconds: 2 });
    const unasked = await booted({ timeoutSeconds: 1 });
    tree.hypervisor('echo BIOS; exec sleep 60');
    const guest = await booted({ tcg: true, timeoutSeconds: 1 });

    const told = [kvm, unasked, guest].map(({ ok, accelerator, findings }) => [
      ok,
      accelerator,
      ...findings.map(({ code, level }) => `${code} ${level}`),
    ]);
    assert.deepEqual(told, [
      [true, 'tcg', 'host-kvm-fails warning'],
      [false, 'kvm', 'guest-failed blocker'],
      [false, 'kvm', 'guest-failed blocker'],
    ]);
    assert.match(unasked.findings[0]!.next, /whether KVM is to blame: kata-sysext verify --boot-guest --tcg; on a slow host/);
    assert.doesNotMatch(guest.findings[0]!.next, /--tcg/);
  });

  it('emulation is tried after a quarter of the time, and once for all handlers that have the same command', async () => {
    tree.remove();
    tree = await guestTree([{ name: qemu }, { name: 'kata-qemu-two' }]);
    tree.hypervisor(`echo "$*" >>"$0.ran"; case "$*" in *accel=kvm*) echo BIOS; exec sleep 60 ;; esac; ${comesUp}`);

    const guests = await tree.boot({ tcg: true, timeoutSeconds: 20 });

    const ran = readFileSync(tree.path('opt/kata/bin/qemu.ran'), 'utf8').trim().split('\n');
    assert.deepEqual(
      guests.map(({ ok, accelerator, findings }) => [ok, accelerator, findings[0]!.code]),
      Array.from({ length: 2 }, () => [true, 'tcg', 'host-kvm-fails']),
    );
    assert.deepEqual(
      ran.map((args) => args.includes('accel=kvm')),
      [true, false, false],
    );
    assert.match(guests[0]!.findings[0]!.found, /no kernel was seen within [5-9]\.\d s/);
  });

  it('a handler whose own words stop KVM says nothing of another handler', async () => {
    tree.remove();
    tree = await guestTree([{ name: qemu }, { name: 'kata-qemu-two' }]);
    const files = 'path = "/opt/kata/bin/qemu"\nkernel = "/opt/kata/vmlinux"\ninitrd = "/opt/kata/initrd"';
    tree.configure(qemu, `[hypervisor.qemu]\n${files}\nkernel_params = "odd=1"\n`);
    tree.hypervisor(`case "$*" in *accel=kvm*odd=1*) echo BIOS; exec sleep 60 ;; esac; ${comesUp}`);

    const guests = await tree.boot({ tcg: true, timeoutSeconds: 20 });

    assert.deepEqual(
      guests.map(({ ok, accelerator, findings }) => [ok, accelerator, ...findings.map(({ code }) => code)]),
      [
        [true, 'tcg', 'host-kvm-fails'],
        [true, 'kvm'],
      ],
    );
  });

  it('a KVM that is slow, but not slower than the emulation, gets the whole time', async () => {
    tree.hypervisor(`case "$*" in *accel=kvm*) echo BIOS; sleep 6; ${comesUp} ;; esac; sleep 7; ${comesUp}`);

    const { ok, accelerator, findings } = await booted({ tcg: true, timeoutSeconds: 20 });

    assert.deepEqual([ok, accelerator, findings], [true, 'kvm', []]);
  });

  it('a guest that prints nothing for 5 s says that KVM is there by name only', async () => {
    tree.hypervisor('exec sleep 60');

    const { findings } = await booted();

    assert.match(findings[0]!.found, /runs no guest with KVM on this host: the guest printed nothing for 5 s$/);
  });

  it('of handlers with the same hypervisor and kernel only the first waits for it', async () => {
    tree.remove();
    tree = await guestTree([{ name: qemu }, { name: 'kata-qemu-two' }]);
    tree.hypervisor(`echo >>"$0.ran"; ${noKvm}`);

    const guests = await tree.boot();

    assert.deepEqual(
      guests.map(({ findings }) => findings[0]!.code),
      ['host-kvm-fails', 'host-kvm-fails'],
    );
    assert.equal(execFileSync('wc', ['-l', tree.path('opt/kata/bin/qemu.ran')], { encoding: 'utf8' }).split(' ')[0], '1');
  });

  it('without /dev/kvm it is started only where emulation is asked for', async () => {
    rmSync(tree.path('dev/kvm'));
    tree.hypervisor(`echo >>"$0.ran"; ${comesUp}`);

    const bare = await booted();
    const wasStarted = existsSync(tree.path('opt/kata/bin/qemu.ran'));
    const emulated = await booted({ tcg: true });

    assert.deepEqual(
      [bare.ok, bare.findings.map(({ code, level }) => `${code} ${level}`), wasStarted],
      [false, ['host-no-kvm blocker'], false],
    );
    assert.deepEqual([emulated.ok, emulated.accelerator, emulated.findings[0]!.level], [true, 'tcg', 'warning']);
  });
});
