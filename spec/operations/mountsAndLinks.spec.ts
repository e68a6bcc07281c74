import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, linkSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import type { Finding } from '../../cli/errors/index.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { needs } from '../support/needs.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';

const main = 'etc/containerd/config.toml';
const dropIn = 'etc/crio/crio.conf.d/50-kata-sysext.conf';
const failing = { KATA_SYSEXT_FAILPOINT: 'commit/before=error' };

describe('files of engines in mounts, and with several names', function () {
  this.timeout(300_000);
  let first: string;
  let host: InProcessTree;
  let mounted: string[];
  before(async () => {
    ({ first } = await plainReleases());
  });
  beforeEach(() => {
    mounted = [];
  });
  afterEach(() => {
    for (const path of mounted.reverse()) execFileSync('umount', [path]);
    host.remove();
  });

  /** From the same file system, with what is there: the device is the same. */
  function bind(folder: string): void {
    const [below, place] = [host.path(`srv/${folder}`), host.path(folder)];
    mkdirSync(place, { recursive: true });
    cpSync(place, below, { recursive: true, preserveTimestamps: true });
    execFileSync('mount', ['--bind', below, place]);
    mounted.push(place);
  }
  const findings = (result: Record<string, unknown>) => (result['findings'] as Finding[]).map(({ code, subject }) => `${code} ${subject}`);

  for (const [engine, file] of [
    ['containerd@2.1', main],
    ['docker@27.1', 'etc/docker/daemon.json'],
  ] as const)
    it(`${engine}: a bind mount at its folder is installed into, and left as it was by an uninstall`, async function () {
      needs(this, 'root', 'mount');
      host = inProcessTree('fcos', (root) => put(root, file, engine.startsWith('docker') ? '{}\n' : 'version = 3\n'), engine);
      bind(file.slice(0, file.lastIndexOf('/')));
      const before = readFileSync(host.path(file), 'utf8');

      await host.json(['install', first]);
      const wired = readFileSync(host.path(file), 'utf8');
      await host.json(['uninstall']);

      assert.match(wired, /kata/);
      assert.equal(readFileSync(host.path(file), 'utf8'), before);
    });

  it('a mount that came after the install stops neither an uninstall nor the undo of one', async function () {
    needs(this, 'root', 'mount');
    host = inProcessTree('fcos', () => undefined, ['containerd@2.1', 'crio@1.30']);
    await host.json(['install', first]);
    const [range, whole] = [main, dropIn].map((path) => readFileSync(host.path(path), 'utf8'));
    bind('etc/containerd');
    bind('etc/crio/crio.conf.d');

    await host.json(['uninstall'], 1, failing);
    const back = [main, dropIn].map((path) => readFileSync(host.path(path), 'utf8'));
    await host.json(['uninstall']);

    assert.deepEqual(back, [range, whole]);
    assert.doesNotMatch(readFileSync(host.path(main), 'utf8'), /kata-sysext/);
    assert.equal(existsSync(host.path(dropIn)), false);
  });

  it('a mount at the folder of CRI-O, which reads every file of it, is refused in words', async function () {
    needs(this, 'root', 'mount');
    host = inProcessTree('fcos', () => undefined, 'crio@1.30');
    bind('etc/crio/crio.conf.d');

    const refused = await host.json(['install', first], 3);

    assert.equal(refused['code'], 'engine-unsupported');
    assert.match(String(refused['found']), /is a mount of its own/);
    assert.match(String(refused['next']), new RegExp(`umount ${host.path('etc/crio/crio.conf.d')}\\b`));
  });

  it('a file that is a mount point is refused in words', async function () {
    needs(this, 'root', 'mount');
    host = inProcessTree('fcos');
    cpSync(host.path(main), host.path('etc/mine.toml'));
    execFileSync('mount', ['--bind', host.path('etc/mine.toml'), host.path(main)]);
    mounted.push(host.path(main));

    const refused = await host.json(['install', first], 3);

    assert.deepEqual([refused['code'], refused['subject']], ['engine-unsupported', `/${main}`]);
    assert.match(String(refused['next']), new RegExp(`umount ${host.path(main)};`));
  });

  it('mounts at the folders of units and of extensions: the overlay is installed, the extension refused in words', async function () {
    needs(this, 'root', 'mount');
    host = inProcessTree('fcos', (root) => {
      for (const name of ['sh', 'grep', 'mount', 'umount', 'mountpoint']) put(root, `usr/bin/${name}`, '');
      put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\n');
      put(root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
    });
    bind('etc/systemd/system');
    bind('etc/extensions');
    const before = host.listing();

    const refused = await host.json(['install', first, '--backend', 'sysext'], 3);
    await host.json(['install', first, '--backend', 'overlay']);
    await host.json(['uninstall', '--purge']);

    assert.deepEqual([refused['code'], refused['subject']], ['backend-unfit', '/etc/extensions']);
    assert.deepEqual(differences(before, host.listing()), []);
  });

  it('another name that a backup made of a file since is parted by an uninstall, with a word; a file of kata-sysext just goes', async () => {
    host = inProcessTree('fcos', () => undefined, ['containerd@2.1', 'crio@1.30']);
    await host.json(['install', first]);
    const wired = readFileSync(host.path(main), 'utf8');
    for (const path of [main, dropIn]) linkSync(host.path(path), host.path(`${path.replaceAll('/', '-')}.backup`));

    const planned = (await host.json(['uninstall', '--dry-run']))['findings'] as Finding[];
    const [, command = ''] = /: (find .*)$/.exec(planned.find(({ code }) => code === 'engine-file-linked')?.next ?? '') ?? [];
    const names = execFileSync('sh', ['-c', command]).toString().trim().split('\n');

    const result = await host.json(['uninstall']);

    assert.equal(names.length, 2, command);
    assert.deepEqual(
      findings(result).filter((each) => each.startsWith('engine-')),
      [`engine-file-linked /${main}`],
    );
    assert.doesNotMatch(readFileSync(host.path(main), 'utf8'), /kata-sysext/);
    assert.equal(readFileSync(host.path(`${main.replaceAll('/', '-')}.backup`), 'utf8'), wired);
    assert.equal(existsSync(host.path(dropIn)), false);
  });

  it('a file with two names is refused before the first edit, and the command of the message helps', async () => {
    host = inProcessTree('fcos');
    linkSync(host.path(main), host.path('other name.toml'));

    const refused = await host.json(['install', first], 3);
    const [, command = ''] = /^Break the link: (.*)$/.exec(String(refused['next'])) ?? [];
    execFileSync('sh', ['-c', command]);
    await host.json(['install', first]);

    assert.equal(refused['code'], 'engine-unsupported');
    assert.equal(statSync(host.path(main)).nlink, 1);
  });
});
