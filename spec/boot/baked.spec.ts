import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { waitForCri } from '../lab/pods.ts';
import type { SampleRelease } from '../lab/release/index.ts';
import { debianRoot } from '../lab/roots.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { handlersOf, type Live, liveHost } from '../support/live/liveHost.ts';
import { until } from '../support/live/unitWork.ts';
import { json } from '../support/program.ts';
import { singleFile } from '../support/singleFile.ts';
import { scratch } from '../support/trees/treeHost.ts';

const handler = 'kata-qemu-runtime-rs';
const blessed = 'etc/systemd/system/kata-sysext-recover.service.d/50-blessed.conf';
/** What an image has of ours below /usr. */
const parts = [
  'usr/lib/kata-sysext',
  'usr/libexec/kata-sysext',
  ...['recover', 'rewire', 'confirm'].map((name) => `usr/lib/systemd/system/kata-sysext-${name}.service`),
  'usr/lib/systemd/system/sysinit.target.wants/kata-sysext-recover.service',
  'usr/lib/systemd/system/multi-user.target.wants/kata-sysext-rewire.service',
  'usr/lib/systemd/system/multi-user.target.wants/kata-sysext-confirm.service',
];
/** What a merge of /etc takes from the new image where nobody edited it. */
const merged = ['etc/kata-sysext', 'etc/containerd'];

/** What the guard makes of images of the OS, one after the other, on one /etc and one /var. A host's /usr is exchanged while it is off. */
describe('boots of OS images with Kata baked in', function () {
  this.timeout(600_000);
  let live: Live;
  let stop: () => Promise<void> = async () => undefined;
  let plain: string;
  /** The host has it as its /usr, and cannot write to it. */
  let usr: string;

  before(async () => {
    usr = join(scratch('usr'), 'usr');
    process.on('exit', () => rmSync(dirname(usr), { recursive: true, force: true }));
    execFileSync('cp', ['-a', '--reflink=auto', join(await debianRoot('trixie'), 'usr'), usr]);
    live = await liveHost({ suite: 'trixie', usr });
    stop = () => live.host.stop();
    plain = scratch('plain');
    process.on('exit', () => rmSync(plain, { recursive: true, force: true }));
    for (const path of [
      'etc',
      'usr/lib/os-release',
      'usr/lib/systemd/systemd',
      'usr/lib/systemd/system/containerd.service',
      'usr/bin/containerd',
    ])
      copy(live.host.root, plain, path);
  });
  after(() => stop());

  it('the first one is blessed, and the next boot starts no guard', async () => {
    const image = await make(live.first);

    await boot(() => bring(image, merged));
    await until(async () => existsSync(join(live.host.root, blessed)), 'it is blessed');
    const first = await standing();
    await boot();

    assert.deepEqual(first, [0, 'blessed', live.first.version, [handler, 'runc']]);
    assert.deepEqual(await standing(), first);
    assert.equal((await live.host.run(['systemctl', 'show', '-P', 'ConditionResult', 'kata-sysext-recover'])).stdout.trim(), 'no');
  });

  it('one whose files are damaged is given up, and stays so at the next boots', async () => {
    // The blessing names the operating system: another deployment, as an image is, has none.
    await boot(() => {
      rmSync(join(live.host.root, blessed));
      rmSync(shim());
    });
    const given = await standing();
    await boot();

    assert.deepEqual(given, [undefined, undefined, undefined, ['runc']]);
    assert.deepEqual(await standing(), given);
    assert.equal((await live.json(['activate', '0'], 3))['code'], 'payload-damaged');
    const { entries } = (await live.json(['history'])) as { entries: { verb: string; reason?: string }[] };
    assert.match(entries.findLast(({ verb }) => verb === 'boot')?.reason ?? '', /missing or changed/);
  });

  it('the next image gets its chance, though pointer and wiring were gone from /etc', async () => {
    const image = await make(live.second);

    await boot(() => bring(image, []));
    await until(async () => existsSync(join(live.host.root, blessed)), 'it is blessed');

    assert.deepEqual(await standing(), [0, 'blessed', live.second.version, [handler, 'runc']]);
    assert.deepEqual((await live.json(['verify']))['drift'], []);
  });

  it('over a configuration that was edited and so kept the wiring of the image before, another image is wired anew', async () => {
    const image = await make(live.second, ['--alias', 'kata=qemu-runtime-rs']);
    const config = join(live.host.root, 'etc/containerd/config.toml');

    await boot(() => {
      appendFileSync(config, '# an edit of the administrator\n');
      rmSync(join(live.host.root, blessed));
      bring(image, []);
    });
    await until(async () => existsSync(join(live.host.root, blessed)), 'it is blessed');

    assert.deepEqual(await standing(), [0, 'blessed', live.second.version, ['kata', handler, 'runc']]);
    assert.match(readFileSync(config, 'utf8'), /^# an edit of the administrator$/m);
    assert.deepEqual((await live.json(['verify']))['drift'], []);
  });

  it('an installation of the node’s own takes over only where the image’s was given up, and leaves the image as it is', async () => {
    const [file, kept] = [shim(), join(usr, '../kept')];
    await boot(() => {
      rmSync(join(live.host.root, blessed));
      renameSync(file, kept);
    });
    renameSync(kept, file);
    const before = fingerprint(live.host.root, ['usr/lib/kata-sysext', 'usr/libexec/kata-sysext']);

    await live.json(['install', live.bundle(live.second), '--backend', 'prefix']);
    const own = await standing();
    await live.json(['uninstall', '--purge']);
    const none = await standing();
    await live.json(['activate', '0']);

    assert.deepEqual(own, [1, 'active', live.second.version, [handler, 'runc']]);
    assert.deepEqual(none, [undefined, undefined, undefined, ['runc']]);
    assert.deepEqual(await standing(), [0, 'active', live.second.version, ['kata', handler, 'runc']]);
    assert.deepEqual(differences(before, fingerprint(live.host.root, ['usr/lib/kata-sysext', 'usr/libexec/kata-sysext'])), []);
    assert.deepEqual((await live.json(['verify']))['drift'], []);
  });

  /** The tree of an image: what the host was before, with Kata in it. */
  async function make(release: SampleRelease, more: string[] = []): Promise<string> {
    const tree = scratch('image');
    process.on('exit', () => rmSync(tree, { recursive: true, force: true }));
    copy(plain, tree, '.');
    const words = ['install', release.static, '--root', tree, '--backend', 'baked', '--engine', 'containerd', ...more];
    await json(words, 0, { file: await singleFile(), timeoutMs: 900_000 });
    return tree;
  }

  function bring(image: string, etc: string[]): void {
    for (const path of parts) {
      rmSync(join(dirname(usr), path), { recursive: true, force: true });
      copy(image, dirname(usr), path);
    }
    for (const path of etc) {
      rmSync(join(live.host.root, path), { recursive: true, force: true });
      copy(image, live.host.root, path);
    }
  }

  /** The shim in the image, from outside. */
  function shim(): string {
    const tree = join(usr, 'libexec/kata-sysext/tree');
    return execFileSync('find', [tree, '-name', 'containerd-shim-kata-v2'], { encoding: 'utf8' }).trim();
  }

  async function boot(between: () => void = () => undefined): Promise<void> {
    await live.host.reboot({ between: async () => between() });
    await waitForCri(live.host);
  }

  async function standing(): Promise<unknown[]> {
    const { active, generations } = (await live.json(['status'])) as { active?: number; generations: Record<string, unknown>[] };
    const now = generations.find(({ number }) => number === active);
    return [active, now?.['state'], now?.['release'], await handlersOf(live)];
  }
});

function copy(from: string, to: string, path: string): void {
  mkdirSync(dirname(join(to, path)), { recursive: true });
  cpSync(join(from, path), join(to, path), { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
}
