import assert from 'node:assert/strict';
import { stopAfter } from '../support/endings.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { handlersOf, type Live, liveHost } from '../support/live/liveHost.ts';

/** Ways to an /etc, or a folder of ours, that the next boot makes anew, on a running host. What is written there lies in `kept`. */
const rows = [
  {
    title: 'an /etc in memory',
    code: 'host-etc-unsafe',
    make: 'mkdir /run/memory; mount -t tmpfs -o mode=755 memory /run/memory; cp -a /etc/. /run/memory/; mount --bind /run/memory /etc',
    undo: 'umount -l /etc; umount /run/memory; rmdir /run/memory',
    kept: '/run/memory',
  },
  {
    title: 'an /etc that is an overlay whose upper folder is in memory',
    code: 'host-etc-unsafe',
    make: 'mkdir /run/upper /run/work; mount -t overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work overlay /etc',
    undo: 'umount -l /etc; rm -r /run/upper /run/work',
    kept: '/run/upper',
  },
  {
    title: 'a folder of ours in memory, as with systemd.volatile=state',
    code: 'host-var-unsafe',
    make: 'mkdir /var/lib/kata-sysext; mount -t tmpfs -o mode=755 memory /var/lib/kata-sysext',
    undo: 'umount -l /var/lib/kata-sysext; rmdir /var/lib/kata-sysext',
    kept: '/var/lib/kata-sysext',
  },
];

describe('a host whose /etc or /var is made anew at each boot', function () {
  this.timeout(900_000);
  let live: Live;

  before(async () => {
    live = await liveHost({ suite: 'trixie', images: false });
  });
  stopAfter(() => live);

  for (const { title, code, make, undo, kept } of rows)
    it(`${title}: refused, and nothing is written`, async () => {
      await live.host.sh(make);
      const before = await prints(kept);

      const refused = await live.json(['install', live.bundle(live.first)], 3);
      const allowed = await live.kata(['install', live.bundle(live.first), '--allow', code]);
      const checked = await live.json(['check'], 3);

      const after = await prints(kept);
      await live.host.sh(undo);
      assert.equal(refused['code'], code);
      assert.match(String(refused['found']), /lost at the next boot|is empty again after each boot/);
      assert.equal(allowed.code, 2, allowed.stderr);
      assert.equal(checked['ready'], false);
      assert.deepEqual(differences(before, after), []);
    });

  it('with that gone it is installed', async () => {
    await live.json(['install', live.bundle(live.first)]);

    assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
  });

  /** The disk below what is mounted, and what is in memory. */
  async function prints(kept: string): Promise<string[]> {
    const memory = fingerprint(`/proc/${live.host.leader}/root`, [kept.slice(1)]);
    return [...memory, ...fingerprint(live.host.root, ['etc', 'var'], ['var/lib/containerd', 'var/log', 'var/lib/systemd'])];
  }
});
