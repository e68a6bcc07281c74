import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { kvmGuest, kvmSteps } from '../../cli/facts/index.ts';
import { type HelperAnswer, type HostView, openView } from '../../cli/host/index.ts';
import { kvmFindings } from '../../cli/inspect/kvm.ts';

const host = openView('/', {});
const probe = Buffer.from('the probe');

/** A host on which the probe says this. */
function saying(line: string, status: number): HostView {
  return { ...host, helper: async () => ({ kind: 'ended', line, status }) };
}

/** A shell as a helper: no script, for which the folder is gone too soon. */
function shell(script: string, deadlineMs = 200_000): Promise<HelperAnswer> {
  return host.helper(readFileSync('/bin/sh'), { args: ['-c', script], deadlineMs });
}

describe('what KVM answers to the probe', function () {
  this.timeout(300_000);

  it('is a guest that ran: no finding', async () => {
    const guest = await kvmGuest(saying('ok', 0), probe);

    assert.deepEqual(guest, { asked: true, runs: true });
    assert.deepEqual(kvmFindings(guest), []);
  });

  for (const [index, step] of kvmSteps.entries()) {
    it(`is a failure of the step ${step}: a warning that names it`, async () => {
      const line = step === 'exit' ? 'exit reason 17 1' : `${step} errno 22`;

      const guest = await kvmGuest(saying(line, index + 1), probe);
      const [finding, ...rest] = kvmFindings(guest);

      assert.deepEqual(rest, []);
      assert.deepEqual([finding?.code, finding?.level, finding?.subject], ['host-kvm-no-guest', 'warning', '/dev/kvm']);
      assert.ok(
        finding!.found.endsWith(step === 'exit' ? '(step exit, KVM_EXIT_INTERNAL_ERROR 1)' : `(step ${step}, errno 22, EINVAL)`),
        finding!.found,
      );
    });
  }

  it('has a remedy of its own where the error decides it', async () => {
    const busy = kvmFindings(await kvmGuest(saying('create-vm errno 16', 3), probe));
    const none = kvmFindings(await kvmGuest(saying('open errno 19', 1), probe));

    assert.match(busy[0]!.found, /another hypervisor .*\(step create-vm, errno 16, EBUSY\)/);
    assert.match(none[0]!.next, /^modprobe kvm_intel \|\| modprobe kvm_amd/);
  });

  it('is not asked by a build without a probe, and by one whose probe says what it never says', async () => {
    const guests = [
      await kvmGuest(host, undefined),
      await kvmGuest(saying('ok', 3), probe),
      await kvmGuest(saying('', 0), probe),
      await kvmGuest(saying('open errno 13', 77), probe),
      await kvmGuest({ ...host, helper: async () => ({ kind: 'unstarted', why: '/run: EACCES' }) }, probe),
    ];

    for (const guest of guests) {
      assert.equal(guest.asked, false);
      assert.deepEqual(
        kvmFindings(guest).map(({ code, level }) => [code, level]),
        [['host-kvm-unasked', 'info']],
      );
    }
  });

  it('is not asked in an offline tree', async () => {
    const guest = await kvmGuest(openView('/usr', {}), probe);

    assert.deepEqual(guest, { asked: false, why: 'an offline tree has no devices' });
  });
});

describe('a helper', function () {
  this.timeout(300_000);

  it('gets nothing of the caller, and leaves nothing', async () => {
    process.env['KATA_SYSEXT_SECRET'] = 'of the caller';

    const answer = await shell('echo "$# $KATA_SYSEXT_SECRET $PWD $(cat) $(readlink /proc/$$/exe)"');

    Reflect.deleteProperty(process.env, 'KATA_SYSEXT_SECRET');
    assert.deepEqual([answer.kind, answer.kind === 'ended' && answer.status], ['ended', 0]);
    const [, path] =
      /^0 {2}\/ {2}(\/\S+\/kata-sysext-helper-\w+)\/helper( \(deleted\))?$/.exec(answer.kind === 'ended' ? answer.line : '') ?? [];
    assert.ok(path !== undefined, JSON.stringify(answer));
    assert.equal(existsSync(path), false);
  });

  it('is killed at its deadline', async () => {
    const answer = await shell('exec sleep 400', 300);

    assert.deepEqual(answer, { kind: 'late' });
  });

  it('says one short line, whatever it prints, and the signal that it died of', async () => {
    const long = await shell('yes | head -c 1000000 | tr -d "\\n"');
    const dead = await shell('echo one; echo two; kill -SEGV $$');

    assert.deepEqual(long, { kind: 'ended', status: 0, line: 'y'.repeat(200) });
    assert.deepEqual(dead, { kind: 'ended', status: 139, line: 'one' });
  });
});
