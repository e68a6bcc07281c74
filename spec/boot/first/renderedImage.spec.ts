import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { labFolder } from '../../lab/cache.ts';
import { hasIgnition, ignitionFiles } from '../../lab/ignition.ts';
import { podRuns } from '../../lab/pods.ts';
import { debianRoot } from '../../lab/roots.ts';
import { run as runHere } from '../../lab/run.ts';
import { removeAfter, stopAfter } from '../../support/endings.ts';
import { differences } from '../../support/judges/fingerprint.ts';
import { handlersOf, type Live, liveHost, startsOf } from '../../support/live/liveHost.ts';
import { merged, print, service, shimDigest, shimSeen } from '../../support/live/sysextHost.ts';
import { json } from '../../support/program.ts';

const unit = 'kata-sysext-first-boot.service';
const handler = 'kata-qemu-runtime-rs';
const work = 'var/usrlocal/libexec/kata-sysext-first-boot';
const stamps = 'var/lib/kata-sysext-first-boot';

/** An image comes to a node as the system extension that it is: judged by systemd, the journal, the CRI and pods. Servers are rendered.spec's. */
describe('the first boot, rendered with an image', function () {
  this.timeout(900_000);
  let live: Live;
  let folder: string;
  let bare: string[];

  before(async function () {
    if (!hasIgnition()) {
      console.log('      Debian’s ignition is not on this machine: see .ci/packages.txt');
      this.skip();
    }
    folder = mkdtempSync(join(labFolder(), 'rendered-'));
    // As on ostree, where the payloads are then.
    await runHere(['cp', '-al', join(await debianRoot('trixie'), 'usr'), folder]);
    rmSync(join(folder, 'usr/local'), { recursive: true });
    symlinkSync('../../var/usrlocal', join(folder, 'usr/local'));
    live = await liveHost({ suite: 'trixie', usr: join(folder, 'usr'), files: { '/var/usrlocal/libexec/theirs': 'theirs\n' } });
    writeFileSync(join(folder, 'config.toml'), readFileSync(join(live.host.root, 'etc/containerd/config.toml')));
    const image = join(folder, 'kata-4.0.0.raw');
    await json(['build', live.first.static, '-o', image], 0, { timeoutMs: 600_000 });
    const engine = ['--engine', 'containerd@1.7.24', '--engine-config', join(folder, 'config.toml')];
    const words = ['generate', 'ignition', image, '--target', 'fcos', '--form', 'rendered', ...engine, '--from', 'http://127.0.0.1:1'];
    await json([...words, '-o', join(folder, 'out')], 0, { timeoutMs: 600_000 });
    await live.host.reboot({ between: prepare });
    bare = await print(live);
  });
  stopAfter(() => live);
  removeAfter(() => folder);

  const misfits: [what: string, path: string, make: (path: string) => void, says: RegExp][] = [
    [
      'an extension of others',
      'var/lib/extensions',
      (path) => mkdirSync(join(path, 'theirs'), { recursive: true }),
      /theirs is an extension of others/,
    ],
    ['a service that is masked', `etc/systemd/system/${service}`, (path) => symlinkSync('/dev/null', path), /service is masked here/],
    [
      'a service that merges nothing',
      `etc/systemd/system/${service}.d`,
      (path) => {
        mkdirSync(path);
        writeFileSync(join(path, 'lab.conf'), '[Service]\nExecStart=\nExecStart=/bin/true\n');
      },
      /systemd does not have our extension below \/usr after the merge/,
    ],
  ];
  for (const [index, [what, path, make, says]] of misfits.entries()) {
    it(`${what}: the node is up without Kata, nothing is changed, and the journal says why`, async () => {
      await live.host.reboot({
        between: async () => {
          takeAway(misfits[index - 1]?.[1]);
          make(join(live.host.root, path));
          await runHere(['systemctl', `--root=${live.host.root}`, 'enable', '--quiet', unit]);
        },
      });

      const said = await journal();
      assert.match(said, says);
      assert.match(said, /the node runs without Kata/);
      assert.deepEqual(await handlersOf(live), ['runc']);
      assert.deepEqual(await changes(path), []);
    });
  }

  it('systemd merges it before containerd starts, which starts once, with Kata; a pod runs through it', async () => {
    await live.host.reboot({ between: () => takeAway(misfits.at(-1)![1]) });

    assert.match(await journal(), /Kata Containers is in place/);
    assert.deepEqual([await handlersOf(live), await startsOf(live, 'containerd.service')], [[handler, 'runc'], 1]);
    assert.match(await merged(live), /"hierarchy":"\/usr","extensions":\["kata"\]/);
    assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
    await podRuns(live.host, handler, 'pod-kata');
    assert.deepEqual((await live.json(['verify']))['drift'], []);
    assert.equal(existsSync(join(live.host.root, work)), false);
  });

  it('the next boot merges it by itself', async () => {
    await live.host.reboot();

    assert.equal((await live.host.run(['systemctl', 'show', '-P', 'ConditionResult', unit])).stdout, 'no\n');
    assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
    await podRuns(live.host, handler, 'pod-kata');
  });

  it('a loss of power after the merge: the next boot has merged it by itself, and the unit goes on without another merge', async () => {
    const { root } = live.host;
    const merges = (text: string) => text.split('\n').filter((line) => /^Merged extensions/.test(line)).length;
    await live.host.reboot({
      between: () => {
        rmSync(join(root, 'etc/kata-sysext/current'));
        const [stamp = ''] = readdirSync(join(root, stamps));
        rmSync(join(root, 'etc/kata-sysext-first-boot', stamp));
        renameSync(join(root, stamps, stamp), join(root, stamps, `${stamp}.begun`));
        fetched();
      },
    });

    assert.match(await journal(), /Kata Containers is in place/);
    assert.equal(merges((await live.host.run(['journalctl', '-b', '-o', 'cat', '-u', service])).stdout), 1);
    assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
    assert.deepEqual((await live.json(['verify']))['drift'], []);
    await podRuns(live.host, handler, 'pod-kata');
  });

  it('adopt proves it, an upgrade and a rollback go on from it, and an uninstall leaves the node as it was', async () => {
    const adopted = await live.json(['adopt', 'rendered']);
    await live.json(['install', live.bundle(live.second), '--format', 'squashfs']);
    const upgraded = await shimSeen(live);
    await live.json(['rollback']);
    await podRuns(live.host, handler, 'pod-kata');

    await live.json(['uninstall', '--purge']);

    assert.deepEqual([adopted['changed'], adopted['restarted']], [true, []]);
    assert.deepEqual(upgraded, [shimDigest(live.second), shimDigest(live.second)]);
    assert.deepEqual(await handlersOf(live), ['runc']);
    assert.deepEqual(await changes(), []);
  });

  /** What is other than before the first boot, besides what Ignition wrote and the mark of its work. `.updated` is systemd's, and says how old /usr is. */
  async function changes(misfit = unit): Promise<string[]> {
    const all = differences(bare, await print(live));
    return all.filter((line) => !/kata-sysext-first-boot|\.updated/.test(line) && !line.includes(misfit));
  }

  function takeAway(misfit: string | undefined): void {
    if (misfit !== undefined) rmSync(join(live.host.root, misfit), { recursive: true });
  }

  async function journal(): Promise<string> {
    return (await live.host.run(['journalctl', '-b', '-o', 'cat', '-u', unit])).stdout;
  }

  /** Ignition's work, and the files where the unit fetches them to. */
  async function prepare(): Promise<void> {
    const { root } = live.host;
    await ignitionFiles(join(folder, 'out/kata-sysext.ign'), root);
    fetched();
  }

  function fetched(): void {
    const { root } = live.host;
    mkdirSync(join(root, work), { recursive: true });
    const archive = readdirSync(join(folder, 'out')).find((name) => name.endsWith('.tar.gz'))!;
    copyFileSync(join(folder, 'out', archive), join(root, work, archive));
    copyFileSync(join(folder, 'kata-4.0.0.raw'), join(root, work, 'kata-4.0.0.raw'));
  }
});
