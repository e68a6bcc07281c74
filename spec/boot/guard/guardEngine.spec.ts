import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { containerdConfig } from '../../lab/containerd.ts';
import { SOCKET, waitForCri } from '../../lab/pods.ts';
import { debianRoot, suiteAvailable } from '../../lab/roots.ts';
import { run } from '../../lab/run.ts';
import { stopAfter } from '../../support/endings.ts';
import { handlersOf, type Live, liveHost } from '../../support/liveHost.ts';

const ours = 'kata-qemu-runtime-rs';
const programs = ['containerd', 'containerd-shim-runc-v2'];

/** An OS that exchanges the engine under an installed generation: forky's host runs trixie's containerd 1.7 until a reboot takes that away. */
describe('the boot guard when the OS brings another engine', function () {
  this.timeout(900_000);
  let live: Live;

  before(async function () {
    const forky = await suiteAvailable('forky');
    if (!forky.ok) {
      console.log(`      left out: ${forky.why}`);
      this.skip();
    }
    const old = join(await debianRoot('trixie'), 'usr/bin');
    live = await liveHost({
      suite: 'forky',
      containerdConfig: containerdConfig('trixie'),
      binds: Object.fromEntries(programs.map((name) => [join(old, name), `/usr/bin/${name}`])),
      images: false,
    });
  });
  stopAfter(() => live);

  it('containerd 1.7 → 2.x with a configuration of the new schema: wired anew before it starts', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
    const [version, before] = [await engineVersion(), configuration()];

    await live.host.reboot({
      between: async () => {
        for (const name of programs) await run(['umount', `${live.host.root}/usr/bin/${name}`]);
        write(containerdConfig('forky'));
      },
    });
    await waitForCri(live.host, SOCKET);

    assert.match(version, /^1\.7/);
    assert.match(await engineVersion(), /^2\./);
    assert.match(before, /grpc\.v1\.cri.*kata-qemu/s);
    assert.deepEqual(await handlersOf(live), [ours, 'runc']);
    assert.deepEqual((await live.json(['verify']))['drift'], []);
    assert.match(await lastReason(), /asks for another wiring/);
  });

  it('what else an update writes into the file stays, and the wiring with it', async () => {
    const schema3 = configuration();

    await live.host.reboot({ between: () => write(`${schema3}\n# the update's own line\n`) });
    await waitForCri(live.host, SOCKET);

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
