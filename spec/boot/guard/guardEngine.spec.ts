import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { containerdConfig } from '../../lab/containerd.ts';
import { removePod, runPod, SOCKET, waitForCri } from '../../lab/pods.ts';
import { debianRoot, suiteAvailable } from '../../lab/roots.ts';
import { run } from '../../lab/run.ts';
import { bindInto } from '../../lab/storage.ts';
import { stopAfter } from '../../support/endings.ts';
import { blessed } from '../../support/live/guardedBoots.ts';
import { handlersOf, type Live, liveHost } from '../../support/live/liveHost.ts';
import { until } from '../../support/live/unitWork.ts';

const ours = 'kata-qemu-runtime-rs';
const programs = ['containerd', 'containerd-shim-runc-v2'];

/** An OS that exchanges the engine under an installed generation: forky's host runs trixie's containerd 1.7 until a reboot takes that away. */
describe('the boot guard when the OS brings another engine', function () {
  this.timeout(900_000);
  let live: Live;
  /** Of trixie, and where they lie on the host. */
  let old: Record<string, string>;

  before(async function () {
    const forky = await suiteAvailable('forky');
    if (!forky.ok) {
      console.log(`      left out: ${forky.why}`);
      this.skip();
    }
    const folder = join(await debianRoot('trixie'), 'usr/bin');
    old = Object.fromEntries(programs.map((name) => [join(folder, name), `/usr/bin/${name}`]));
    live = await liveHost({ suite: 'forky', containerdConfig: containerdConfig('trixie'), binds: old });
  });
  stopAfter(() => live);

  it('containerd 1.7 → 2.x with a configuration of the new schema: wired anew before it starts', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    const [version, before] = [await engineVersion(), configuration()];

    await live.host.reboot({
      between: async () => {
        await umountAll();
        write(containerdConfig('forky'));
      },
    });
    await waitForCri(live.host, SOCKET);

    assert.match(version, /^1\.7/);
    assert.match(await engineVersion(), /^2\./);
    assert.match(before, /grpc\.v1\.cri.*kata-qemu/s);
    assert.deepEqual(await handlersOf(live), [ours, 'runc']);
    assert.deepEqual((await live.json(['verify']))['drift'], []);
    assert.match(await lastReason(), /needs another wiring/);
  });

  it('what else an update writes into the file stays, and the wiring with it', async () => {
    const schema3 = configuration();

    await live.host.reboot({ between: () => write(`${schema3}\n# the update's own line\n`) });
    await waitForCri(live.host, SOCKET);
    await until(async () => existsSync(`${live.host.root}${blessed}`), 'the generation is blessed');

    assert.deepEqual(await handlersOf(live), [ours, 'runc']);
    assert.match(configuration(), /the update's own line/);
  });

  it('a configuration that the engine refuses with us or without us is left alone', async () => {
    const good = configuration();

    await live.host.reboot({ between: () => write(`${good}\nnot toml at all [\n`) });
    const broken = configuration();
    write(good);
    await live.host.sh('systemctl reset-failed containerd; systemctl restart containerd');
    await waitForCri(live.host, SOCKET);

    assert.equal(broken, `${good}\nnot toml at all [\n`);
    assert.equal(typeof (await live.json(['status']))['active'], 'number');
    assert.deepEqual(await handlersOf(live), [ours, 'runc']);
  });

  it('and the way back, as where one /etc serves both: 1.7 with its own configuration again is wired as it needs it', async () => {
    const newer = configuration();

    await live.host.reboot({
      between: async () => {
        await bindInto(live.host.root, old);
        write(containerdConfig('trixie'));
      },
    });
    await waitForCri(live.host, SOCKET);
    const wired = configuration();

    assert.match(await engineVersion(), /^1\.7/);
    assert.match(newer, /version = 3/);
    assert.deepEqual(await handlersOf(live), [ours, 'runc']);
    assert.equal(
      (await live.host.run(['containerd', 'config', 'dump'])).stdout.match(/runtimes\.(kata-qemu-runtime-rs|runc)\]/g)?.length,
      2,
    );
    assert.ok(wired.startsWith(containerdConfig('trixie')), wired);
    assert.deepEqual((await live.json(['verify']))['drift'], []);
    assert.match(await lastReason(), /needs another wiring/);
    await runc();
  });

  it('uninstall leaves what the OS has there, and nothing of either wiring', async () => {
    await live.json(['uninstall', '--purge']);

    assert.equal(configuration(), containerdConfig('trixie'));
    assert.deepEqual(await handlersOf(live), ['runc']);
    assert.equal((await live.host.sh('grep -rl kata-sysext /etc || true')).stdout, '');
  });

  it('installed under 2.x with a file that both read, then 1.7 and 2.x in turn: each boot lists the handler, and what was there comes back', async () => {
    const own = containerdConfig('forky', 2);
    const seen: unknown[] = [];
    const look = async () => {
      await waitForCri(live.host, SOCKET);
      await runc();
      const dump = await live.host.run(['containerd', 'config', 'dump']);
      seen.push([(await engineVersion()).slice(0, 2), await handlersOf(live), dump.stderr.includes('invalid')]);
    };
    await live.host.reboot({
      between: async () => {
        await umountAll();
        write(own);
      },
    });
    await waitForCri(live.host, SOCKET);
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);

    await live.host.reboot({ between: () => bindInto(live.host.root, old) });
    await look();
    await live.host.reboot({ between: umountAll });
    await look();
    await live.json(['uninstall', '--purge']);

    assert.deepEqual(seen, [
      ['1.', [ours, 'runc'], false],
      ['2.', [ours, 'runc'], false],
    ]);
    assert.equal(configuration(), own);
    assert.equal((await live.host.sh('grep -rl kata-sysext /etc || true')).stdout, '');
  });

  async function umountAll(): Promise<void> {
    for (const name of programs) await run(['umount', `${live.host.root}/usr/bin/${name}`]);
  }

  async function runc(): Promise<void> {
    await removePod(live.host, await runPod(live.host, '', 'plain'));
  }

  function configuration(): string {
    return readFileSync(`${live.host.root}/etc/containerd/config.toml`, 'utf8');
  }

  function write(text: string): void {
    writeFileSync(`${live.host.root}/etc/containerd/config.toml`, text);
  }

  async function engineVersion(): Promise<string> {
    return (await live.host.run(['containerd', '--version'])).stdout.split(' ')[2] ?? '';
  }

  async function lastReason(): Promise<string> {
    const { entries } = (await live.json(['history'])) as { entries: { reason?: string }[] };
    return entries.at(-1)?.reason ?? '';
  }
});
