import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { SOCKET, waitForCri } from '../../lab/pods.ts';
import { stopAfter } from '../../support/endings.ts';
import { verifyUnit } from '../../support/judges/generated.ts';
import { type Live, liveHost } from '../../support/live/liveHost.ts';
import { until } from '../../support/live/unitWork.ts';

const [settle, guard, bless] = ['kata-sysext-recover.service', 'kata-sysext-rewire.service', 'kata-sysext-confirm.service'];
const blessed = `/etc/systemd/system/${settle}.d/50-blessed.conf`;
/** /usr of a lab host cannot be written to. */
const engine = '/opt/engine/containerd';
const config = '/etc/containerd/config.toml';

/** The kernel's. */
const line = (image: string) => `quiet composefs=${image} ostree=/ostree/boot.1/os/c0ffee/0 rw`;

/** What skips the guard, on a real PID 1, which is asked to start the first two phases on the running host. */
describe('a blessing', function () {
  this.timeout(900_000);
  let live: Live;

  before(async () => {
    live = await liveHost({ suite: 'trixie' });
    await live.host.sh(
      `mkdir -p /opt/engine /etc/systemd/system/containerd.service.d && cp /usr/bin/containerd ${engine} && printf '[Service]\\nExecStart=\\nExecStart=${engine}\\n' >/etc/systemd/system/containerd.service.d/lab.conf && systemctl daemon-reload && systemctl restart containerd`,
    );
    await waitForCri(live.host, SOCKET);
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    // Two deployments of the same kernel: the kernel's argument is the same link for both.
    await live.host.sh(
      `mkdir -p /ostree/boot.1/os/c0ffee /ostree/deploy/os/deploy/a.0/etc /ostree/deploy/os/deploy/b.0/etc && ln -s ../../../deploy/os/deploy/a.0 /ostree/boot.1/os/c0ffee/0
printf '[Unit]\\nDefaultDependencies=no\\nBefore=${settle}\\n[Service]\\nType=oneshot\\nExecStart=/bin/sh -c "echo ${line('a1')} >/run/cmdline; mount --bind /run/cmdline /proc/cmdline"\\n' >/etc/systemd/system/lab-cmdline.service
ln -s ../lab-cmdline.service /etc/systemd/system/sysinit.target.wants/`,
    );
    await boot();
    await until(async () => existsSync(`${live.host.root}${blessed}`), 'the generation is blessed');
    await boot();
  });
  stopAfter(() => live);

  it('is a drop-in that systemd has nothing to say against', async () => {
    const { code, stdout, stderr } = await live.host.run([...verifyUnit, settle, guard, bless], { allowFailure: true });

    const said = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('kata-sysext'));
    assert.deepEqual([code, said], [0, []]);
  });

  it('skips all three at the next boot, and starts no program of ours', async () => {
    assert.deepEqual(await ran([settle, guard, bless]), [false, false, false]);
    assert.equal((await live.host.run(['systemctl', 'is-failed', settle, guard], { allowFailure: true })).stdout, 'inactive\ninactive\n');
  });

  const rows: [what: string, change: string, back: string, ran: [first: boolean, second: boolean]][] = [
    ['nothing', 'true', 'true', [false, false]],
    [
      'another deployment of the same kernel, with the same arguments',
      'ln -sfn ../../../deploy/os/deploy/b.0 /ostree/boot.1/os/c0ffee/0',
      'ln -sfn ../../../deploy/os/deploy/a.0 /ostree/boot.1/os/c0ffee/0',
      [true, true],
    ],
    ['another image of composefs', `echo '${line('b2')}' >/run/cmdline`, `echo '${line('a1')}' >/run/cmdline`, [true, true]],
    [
      'another image of composefs, by the newer argument',
      `echo '${line('a1 composefs.digest=v1-sha256-12:b2')}' >/run/cmdline`,
      `echo '${line('a1')}' >/run/cmdline`,
      [true, true],
    ],
    [
      'another version of the operating system',
      'mv /etc/os-release /root/; cp /usr/lib/os-release /etc/; echo BUILD_ID=2 >>/etc/os-release',
      'mv /root/os-release /etc/',
      [true, true],
    ],
    [
      'another binary of the engine',
      `cp -p ${engine} ${engine}.new; mv ${engine} /root/; mv ${engine}.new ${engine}`,
      `mv /root/containerd ${engine}`,
      [false, true],
    ],
    [
      'another main configuration of the engine',
      `cp -p ${config} /root/; touch -r ${config} /root/stamp; echo '# theirs' >>${config}`,
      `cat /root/config.toml >${config}; touch -r /root/stamp ${config}`,
      [false, true],
    ],
    ['a file of it that is gone', `mv ${config} ${config}.away`, `mv ${config}.away ${config}`, [false, true]],
    ['an open change', 'mkdir /var/lib/kata-sysext/journal/99', 'rmdir /var/lib/kata-sysext/journal/99', [true, true]],
    ['a pointer that is gone', 'mv -T /etc/kata-sysext/current /etc/away', 'mv -T /etc/away /etc/kata-sysext/current', [true, true]],
    ['a shell that may not look', 'mount --bind /dev/null /usr/bin/sha256sum', 'umount /usr/bin/sha256sum', [true, true]],
    ['nothing, after all of that', 'true', 'true', [false, false]],
  ];
  for (const [what, change, back, wanted] of rows) {
    it(`with ${what}: ${wanted.map((each) => (each ? 'it runs' : 'skipped')).join(', ')}`, async () => {
      await live.host.sh(`systemctl stop ${settle} ${guard}; ${change}`);

      await live.host.sh(`systemctl start ${settle} ${guard}`);
      const seen = await ran([settle, guard]);
      await live.host.sh(`${back}; systemctl stop ${settle} ${guard}`);

      assert.deepEqual(seen, wanted);
    });
  }

  it('of an engine that is another one since: the guard looks, and the generation is blessed anew', async () => {
    await live.host.sh(rows.find(([what]) => what === 'another binary of the engine')![1]);

    await boot();
    const looked = await ran([settle, guard, bless]);
    await until(async () => (await ran([bless]))[0] === true && (await state(bless)) === 'inactive', 'the third phase has ended');
    await boot();

    assert.deepEqual(looked.slice(0, 2), [false, true]);
    assert.deepEqual(await ran([settle, guard, bless]), [false, false, false]);
    assert.equal((await live.json(['status']))['active'], 1);
  });

  async function boot(): Promise<void> {
    await live.host.reboot();
    await waitForCri(live.host, SOCKET);
  }

  /** Whether their program was started since they were loaded. */
  async function ran(units: (string | undefined)[]): Promise<boolean[]> {
    const shown = await Promise.all(units.map((unit) => show(unit!, 'ExecMainStartTimestampMonotonic')));
    return shown.map((each) => each !== '0');
  }

  function state(unit: string | undefined): Promise<string> {
    return show(unit!, 'ActiveState');
  }

  async function show(unit: string, property: string): Promise<string> {
    return (await live.host.run(['systemctl', 'show', unit, '-p', property, '--value'])).stdout.trim();
  }
});
