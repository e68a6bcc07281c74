import assert from 'node:assert/strict';
import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tinyRelease } from '../lab/release/index.ts';
import { sha256 } from '../support/digests.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { manifestIn, withManifest } from '../support/judges/images.ts';
import { json } from '../support/program.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const state = 'var/lib/kata-sysext';
const sysext = ['--backend', 'sysext'];

function withSystemd(root: string, version = 259): void {
  put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\nExecStart=systemd-sysext refresh\n');
  put(root, `usr/lib/systemd/libsystemd-shared-${version}.so`, '');
}

describe('install of an image', function () {
  this.timeout(900_000);
  let folder: string;
  let host: TreeHost;
  const at = (name: string) => join(folder, name);

  before(async () => {
    folder = scratch('images');
    const { first, second } = await releases();
    const go = await tinyRelease(at('go'), { archive: 'go' });
    await json(['build', first, '-o', at('first.raw')]);
    await json(['build', second, '-o', at('second.raw'), '--format', 'erofs']);
    await json(['build', first, go, '--handler', 'qemu', '--handler', 'qemu-runtime-rs', '-o', at('both.raw')]);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => {
    host = treeHost('microos', withSystemd);
  });
  afterEach(() => host.remove());
  const image = () => host.path(readlinkSync(host.path('etc/extensions/kata.raw')).slice(1));

  it('keeps its bytes; configures, upgrades to another format, rolls back, and uninstalls without a trace', async () => {
    const before = host.fingerprint();
    const digest = `sha256:${sha256(readFileSync(at('first.raw')))}`;

    const change = await host.json(['install', at('first.raw'), ...sysext, '--digest', digest]);
    const first = readFileSync(image());
    const again = await host.json(['install', at('first.raw')]);
    await host.json(['configure', '--set', 'default_memory=4096']);
    await host.json(['install', at('second.raw')]);
    const second = readFileSync(image());
    const verified = await host.json(['verify']);
    const status = (await host.json(['status'])) as { generations: { format: string; release: string }[] };
    await host.json(['rollback']);
    const back = readFileSync(image());
    await host.json(['uninstall', '--purge']);

    assert.ok(first.equals(readFileSync(at('first.raw'))));
    assert.ok(second.equals(readFileSync(at('second.raw'))));
    assert.ok(back.equals(first));
    assert.ok(Number(change['bytesWritten']) >= first.length);
    assert.equal(again['changed'], false);
    assert.deepEqual(verified['drift'], []);
    assert.deepEqual(
      status.generations.map((each) => each.format),
      ['squashfs', 'squashfs', 'erofs'],
    );
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('is asked what is in it: check writes nothing, and refuses what install would', async () => {
    const before = host.fingerprint();

    const both = await host.json(['check', at('both.raw'), ...sysext]);
    const bare = await host.json(['check', at('both.raw'), '--backend', 'prefix'], 2);
    await host.json(['install', at('both.raw'), ...sysext]);
    const less = await host.json(['check', at('first.raw')], 3);
    await host.json(['uninstall', '--purge']);

    const { handlers, lacks } = both['bundle'] as { handlers: { name: string }[]; lacks: string[] };
    assert.deepEqual([both['ready'], lacks], [true, []]);
    assert.deepEqual(new Set(handlers.map(({ name }) => name)), new Set(['kata-qemu', 'kata-qemu-runtime-rs']));
    assert.equal(bare['found'], 'both.raw is a squashfs image, and the backend here is prefix');
    assert.equal(bare['next'], 'name it: --backend sysext');
    assert.deepEqual((less['bundle'] as { lacks: string[] }).lacks, ['kata-qemu']);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('is the payload that the bundle makes on the host: going from one to the other changes nothing but the name of the source', async () => {
    await host.json(['install', at('first.raw'), ...sysext]);
    const made = readlinkSync(host.path('etc/extensions/kata.raw'));

    await host.json(['install', (await releases()).first, '--format', 'squashfs']);

    assert.equal(readlinkSync(host.path('etc/extensions/kata.raw')), made);
    assert.deepEqual(readdirSync(host.path(`${state}/payloads`)).length, 1);
    assert.deepEqual((await host.json(['verify']))['drift'], []);
  });

  it('offers the handlers that are wanted, and all of them where nothing is', async () => {
    await host.json(['install', at('both.raw'), ...sysext, '--handler', 'qemu']);
    const one = await host.json(['status']);
    await host.json(['install', at('both.raw'), '--add-handler', 'qemu-runtime-rs']);
    const two = await host.json(['status']);
    const lacks = await host.json(['install', at('first.raw')], 4);

    const names = (status: Record<string, unknown>) => (status['generations'] as { handlers: string[] }[]).at(-1)!.handlers;
    assert.deepEqual(names(one), ['kata-qemu']);
    assert.deepEqual(names(two).sort(), ['kata-qemu', 'kata-qemu-runtime-rs']);
    assert.equal(lacks['code'], 'bundle-lacks-handler');
    assert.match(String(lacks['found']), /kata-qemu is installed, but first\.raw does not have kata-qemu/);
    assert.match(String(lacks['next']), /kata-sysext build BUNDLE.*--remove-handler kata-qemu/);
  });

  it('refuses what cannot be, before anything outside of its staging folder is written', async () => {
    const bytes = readFileSync(at('first.raw'));
    const changed = (position: number) =>
      Buffer.concat([bytes.subarray(0, position), Buffer.from([bytes[position]! ^ 1]), bytes.subarray(position + 1)]);
    writeFileSync(at('changed.raw'), changed(300));
    writeFileSync(at('cut.raw'), bytes.subarray(0, -1));
    for (const [name, edit] of Object.entries(forged)) writeFileSync(at(`${name}.raw`), forge(bytes, edit));
    const before = host.fingerprint([`${state}/history`]);
    const { first } = await releases();
    const zeros = `sha256:${'0'.repeat(64)}`;
    const rows: [args: string[], exit: number, code: string][] = [
      [[at('first.raw'), ...sysext, '--digest', zeros], 4, 'bundle-digest'],
      [[at('changed.raw'), ...sysext], 4, 'image-damaged'],
      [[at('cut.raw'), ...sysext], 4, 'bundle-format'],
      [[at('first.raw')], 2, 'usage'],
      [[at('first.raw'), '--backend', 'prefix'], 2, 'usage'],
      [[at('first.raw'), ...sysext, '--format', 'erofs'], 2, 'usage'],
      [[at('first.raw'), first, ...sysext], 2, 'usage'],
      [[at('first.raw'), ...sysext, '--handler', 'clh'], 4, 'bundle-lacks-handler'],
      [[at('architecture.raw'), ...sysext], 3, 'host-architecture'],
      [[at('newer.raw'), ...sysext], 4, 'image-newer'],
      ...['older', 'escapes', 'text', 'forgedText', 'handler', 'unbound', 'stranger', 'swapped', 'setuid', 'device'].map(
        (name): [string[], number, string] => [[at(`${name}.raw`), ...sysext], 4, 'image-damaged'],
      ),
    ];

    for (const [args, exit, code] of rows) {
      assert.equal((await host.json(['install', ...args], exit))['code'], code, args.join(' '));
      assert.deepEqual(differences(before, host.fingerprint([`${state}/history`])), [], args.join(' '));
    }
  });

  it('is what the copy says: a manifest that was put there for the first look only is refused, also with the right digest', async () => {
    const bytes = readFileSync(at('first.raw'));
    const file = at('swapped.raw');
    // Harmless in itself: what is installed would have a name that the digest does not vouch for.
    const other = forge(bytes, (manifest) => {
      manifest['release'] = '9.9.9';
    });
    writeFileSync(file, other);
    const before = host.fingerprint([`${state}/history`]);
    const digest = `sha256:${sha256(bytes)}`;

    const install = await host.paused(['install', file, ...sysext, '--digest', digest], 'store/image/copy=pause');
    writeFileSync(file, bytes);
    install.go();
    const status = await install.ended;

    assert.equal(status, 4);
    assert.deepEqual(differences(before, host.fingerprint([`${state}/history`])), []);
    assert.match(install.said(), /swapped\.raw: its manifest changed between the first look at it and the copy/);
    await host.json(['install', file, ...sysext, '--digest', digest]);
  });

  it('is refused where systemd wants the very OS version in it', async () => {
    host.remove();
    host = treeHost('fcos', (root) => withSystemd(root, 249));

    const refused = await host.json(['install', at('first.raw'), ...sysext, '--allow', 'sysext-systemd-old'], 3);

    assert.equal(refused['code'], 'image-systemd-old');
  });

  it('SIGKILL between copy and commit: nothing of it stays', async () => {
    await host.json(['install', at('first.raw'), ...sysext]);
    const leftOut = [`${state}/history`, `${state}/lock`];
    const before = host.fingerprint(leftOut);

    for (const point of ['store/seal/before', 'store/seal/between', 'store/seal/placed', 'commit/before']) {
      const killed = await host.run(['install', at('second.raw')], { env: { KATA_SYSEXT_FAILPOINT: `${point}=kill` } });
      await host.json(['recover']);

      assert.equal(killed.status, 137, point);
      assert.deepEqual(differences(before, host.fingerprint(leftOut)), [], point);
    }
    assert.equal(lstatSync(image()).mode & 0o777, 0o644);
  });
});

interface Manifest {
  [name: string]: unknown;
  contents: Record<string, unknown>[];
  texts: Record<string, string>;
  handlers: Record<string, unknown>[];
}

/** What somebody could write behind a good file system. */
const forged: Record<string, (manifest: Manifest) => void> = {
  architecture: (manifest) => {
    manifest['architecture'] = 'aarch64';
  },
  newer: (manifest) => {
    manifest['schema'] = 2;
  },
  older: (manifest) => {
    manifest['schema'] = 0;
  },
  escapes: (manifest) => {
    manifest.contents.push({ path: 'usr/share/kata/../../../etc/x', kind: 'file', mode: 0o644, context: '' });
  },
  text: (manifest) => {
    manifest.texts['../../../../etc/x'] = 'text';
  },
  forgedText: (manifest) => {
    const [[path, text]] = Object.entries(manifest.texts) as [[string, string]];
    manifest.texts[path] = text.replace(/^path = .*$/m, 'path = "/usr/bin/true"');
    assert.notEqual(manifest.texts[path], text);
  },
  handler: (manifest) => {
    manifest.handlers[0]!['name'] = '../x';
  },
  unbound: (manifest) => {
    manifest.contents.find(({ path }) => String(path).endsWith('VERSION'))!['digest'] = `sha256:${'1'.repeat(64)}`;
  },
  // As many as before: one of the folders around the release is named otherwise.
  swapped: (manifest) => {
    manifest.contents.find(({ path }) => path === 'usr/lib')!['path'] = 'usr/bin';
  },
  setuid: (manifest) => {
    manifest.contents.find(({ kind }) => kind === 'file')!['mode'] = 0o4755;
  },
  device: (manifest) => {
    manifest.contents.find(({ kind }) => kind === 'file')!['kind'] = 'other';
  },
  stranger: (manifest) => {
    manifest.contents.push({ path: 'usr/sudo', kind: 'file', mode: 0o755, context: '', sizeBytes: 1, digest: `sha256:${'1'.repeat(64)}` });
  },
};

/** The image with another manifest. */
function forge(bytes: Buffer, edit: (manifest: Manifest) => void): Buffer {
  const { manifest, start } = manifestIn<Manifest>(bytes);
  edit(manifest);
  return withManifest(bytes.subarray(0, start), manifest);
}
