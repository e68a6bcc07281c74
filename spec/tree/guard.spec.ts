import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { backendOf } from '../../cli/backends/index.ts';
import { recoverLocked } from '../../cli/bootGuard/recoverAtBoot.ts';
import { unsuited, whyAbsent } from '../../cli/bootGuard/suits.ts';
import { readFacts } from '../../cli/facts/index.ts';
import { openHost, openView } from '../../cli/host/index.ts';
import { activeGeneration, type Tries, withTries } from '../../cli/store/index.ts';
import { version } from '../../cli/version.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { loopMs } from '../support/sample.ts';
import { singleFile } from '../support/singleFile.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const units = 'etc/systemd/system';
const links = [
  `${units}/sysinit.target.wants/kata-sysext-recover.service`,
  `${units}/multi-user.target.wants/kata-sysext-rewire.service`,
  `${units}/multi-user.target.wants/kata-sysext-confirm.service`,
];

/** What the boot guard does to files, on trees that do not run. Real boots: spec/boot/guard/. */
describe('the boot guard of an offline tree', function () {
  this.timeout(loopMs);
  let file: string;
  let first: string;
  let second: string;
  let host: TreeHost;

  before(async () => {
    file = await singleFile();
    ({ first, second } = await releases());
  });
  beforeEach(() => {
    host = treeHost('fcos', undefined, { file });
  });
  afterEach(() => host.remove());

  it('three units come with an installation, run its own copy, and go with it to the last folder', async () => {
    const before = host.fingerprint();

    await host.json(['install', first]);
    const targets = links.map((link) => readlinkSync(host.path(link)));
    const texts = links.map((link) => readFileSync(host.path(`${units}/${link.split('/').at(-1)}`), 'utf8'));
    await host.json(['install', second]);
    await host.json(['uninstall', '--purge']);

    assert.deepEqual(
      targets,
      links.map((link) => `../${link.split('/').at(-1)}`),
    );
    for (const text of texts) {
      assert.ok(text.includes(`ExecStart=/usr/local/libexec/kata-sysext/bin/${version}/kata-sysext recover --boot `), text);
      assert.doesNotMatch(text, /\{\{|\}\}/);
      assert.match(text, /^(TimeoutStartSec|RuntimeMaxSec)=\d+$/m);
      assert.match(text, /^TimeoutStopSec=20$/m, 'a program that hangs is killed soon after it was asked to end');
    }
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('a unit that the administrator masked, and a file of his under a name of ours, stay as they are', async () => {
    mkdirSync(host.path('etc/systemd/system-preset'), { recursive: true });
    mkdirSync(host.path(units), { recursive: true });
    symlinkSync('/dev/null', host.path(`${units}/kata-sysext-confirm.service`));
    writeFileSync(host.path('etc/systemd/system-preset/50-kata-sysext.preset'), 'disable kata-sysext-*.service\n');
    const before = host.fingerprint();

    await host.json(['install', first]);
    const placed = links.map(
      (link) => existsSync(dirname(host.path(link))) && readdirSync(dirname(host.path(link))).includes(basename(link)),
    );
    await host.json(['uninstall', '--purge']);

    assert.deepEqual(placed, [true, true, false]);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('what a loss of power left of a blessing goes with the next change', async () => {
    const before = host.fingerprint();
    await host.json(['install', first]);
    writeFileSync(host.path(`${units}/.new-blessed-kata-sysext-recover.service.tmp`), '# kata-sysext: gener');

    await host.json(['uninstall', '--purge']);

    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('a generation gets three boots; given up, it gets three new ones when somebody activates it again', async () => {
    await host.json(['install', first]);

    const seen = [await boots(4), await active()];
    await host.json(['activate', '1']);
    const again = [await boots(3), await active()];

    assert.deepEqual(seen, [[1, 1, 1, undefined], undefined]);
    assert.deepEqual(again, [[1, 1, 1], 1]);
  });

  it('two deployments that boot in turn: each has three boots of its own, and one that blesses it takes nothing from the other', async () => {
    await host.json(['install', first]);
    const record = host.path('var/lib/kata-sysext/generations/1/record.json');
    const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];
    let count = 0;

    const seen: unknown[] = [];
    for (const image of [a, b, a, b, a, b]) seen.push(await bootOf(image));
    const counted = JSON.parse(readFileSync(record, 'utf8')).tries.map((each: Tries) => [each.deployment, each.boots]);
    writeFileSync(record, JSON.stringify(withTries(JSON.parse(readFileSync(record, 'utf8')), a)));
    seen.push(await bootOf(a), await bootOf(b));

    assert.deepEqual(counted, [
      [a, 3],
      [b, 3],
    ]);
    const well = 'generation 1 suits this system';
    assert.deepEqual(seen, [well, well, well, well, well, well, well, 'generation 1 was not blessed in 3 boots']);

    /** What the first phase says of the generation at a boot of this image of composefs. */
    async function bootOf(image: string): Promise<unknown> {
      const files = { 'proc/cmdline': `composefs=${image}`, 'proc/sys/kernel/random/boot_id': `boot-${++count}` };
      for (const [path, text] of Object.entries(files)) put(host.root, path, text);
      const booting = { ...openHost(host.root, {}), booted: true };
      const context = {
        host: booting,
        program: version,
        emit: () => undefined,
        signal: new AbortController().signal,
        asked: { cause: 'boot guard' },
      };
      return (await recoverLocked(context, [], 'comes')).notes.at(-1);
    }
  });

  it('boots are not counted where somebody masked what would bless', async () => {
    await host.json(['install', first]);
    const unit = join(host.root, 'etc/systemd/system/kata-sysext-confirm.service');
    rmSync(unit);
    symlinkSync('/dev/null', unit);

    assert.deepEqual([await boots(5), await active()], [[1, 1, 1, 1, 1], 1]);
  });

  it('a lock of an update is waited for, and one that is held all the time keeps no boot from taking our part out', async () => {
    const lock = 'var/lib/dpkg/lock-frontend';
    const config = host.path('etc/containerd/config.toml');
    const untouched = readFileSync(config, 'utf8');
    await host.json(['install', first]);
    put(host.root, lock, '');
    const holder = spawn('flock', [host.path(lock), 'sh', '-c', `echo held; sleep 5; touch ${host.path('done')}`]);
    await once(holder.stdout, 'data');

    const waited = [await boots(1), existsSync(host.path('done'))];
    execFileSync('find', [host.path('var/usrlocal'), '-name', 'containerd-shim-kata-v2', '-delete']);
    const { to } = await host.json(['recover', '--boot', 'recover'], 0, { wrapper: ['/usr/bin/flock', '--no-fork', host.path(lock)] });

    assert.deepEqual([waited, to], [[[1], true], undefined]);
    assert.equal(readFileSync(config, 'utf8'), untouched);
  });

  it('an overlay that stands aside for a mount below /usr stays, and no boot without it is a try', async () => {
    for (const name of ['sh', 'grep', 'mount', 'umount', 'mountpoint']) put(host.root, `usr/bin/${name}`, '');
    await host.json(['install', first, '--backend', 'overlay']);
    const mounts = '22 1 8:1 / / rw - ext4 /dev/a rw\n23 22 8:2 / /usr/share/theirs rw - ext4 /dev/b rw\n';
    for (const process of ['1', 'self']) put(host.root, `proc/${process}/mountinfo`, mounts);
    const tree = openView(host.root, {});
    // Without it no overlay is tried: the /usr of the tree is none of this machine's mounts.
    const view = { ...tree, booted: true, has: async (name: string) => name !== 'unshare' && (await tree.has(name)) };
    const generation = await activeGeneration(view);

    const nested = [await unsuited(view, generation!), (await whyAbsent(view, generation!))?.split(' is mounted')[0]];
    mkdirSync(host.path('run/systemd/system'), { recursive: true });
    symlinkSync('/dev/null', host.path('run/systemd/system/kata-sysext-overlay.service'));
    const masked = await boots(5);

    assert.deepEqual(nested, [undefined, '/usr/share/theirs']);
    assert.deepEqual(masked, [1, 1, 1, 1, 1]);
  });

  it('payloads on a file system that somebody made read-only go on to serve', async () => {
    await host.json(['install', first]);
    mkdirSync(host.path('proc/self'), { recursive: true });
    writeFileSync(host.path('proc/self/mountinfo'), '22 1 8:1 / / rw - ext4 /dev/a rw\n23 22 8:2 / /var ro,relatime - ext4 /dev/b rw\n');

    // As the tree looks while it boots.
    const view = { ...openView(host.root, {}), booted: true };
    const findings = await backendOf('prefix').preflight(view, await readFacts(view));
    const generation = await activeGeneration(view);

    assert.deepEqual(
      findings.map(({ code }) => code),
      ['backend-read-only'],
    );
    assert.equal(await unsuited(view, generation!), undefined);
  });

  it('with no room left in /var a boot goes on, and gives up what does not suit', async () => {
    const config = host.path('etc/containerd/config.toml');
    const untouched = readFileSync(config, 'utf8');
    await host.json(['install', first]);
    const state = host.path('var/lib/kata-sysext');
    const keep = `${host.root}.keep`;
    renameSync(state, keep);
    mkdirSync(state);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=755', 'kata-sysext-spec', state]);
    try {
      execFileSync('cp', ['-a', `${keep}/.`, state]);
      const used = execFileSync('df', ['--block-size=1', '--output=used', state], { encoding: 'utf8' }).split('\n')[1]!.trim();
      execFileSync('mount', ['-o', `remount,size=${used}`, state]);

      const healthy = await boots(1);
      execFileSync('find', [host.path('var/usrlocal'), '-name', 'containerd-shim-kata-v2', '-delete']);
      const damaged = await boots(1);

      assert.deepEqual([healthy, damaged], [[1], [undefined]]);
      assert.equal(readFileSync(config, 'utf8'), untouched);
    } finally {
      execFileSync('umount', ['--lazy', state]);
      rmSync(keep, { recursive: true });
    }
  });

  it('the file that was wired is edited, and no other; with the engine’s unit gone, none', async () => {
    const usual = host.path('etc/containerd/config.toml');
    const untouched = readFileSync(usual, 'utf8');
    await host.json(['install', first]);
    await host.json(['install', second]);
    const own = host.path('etc/kube/config.toml');
    mkdirSync(dirname(own));
    renameSync(usual, own);
    writeFileSync(usual, untouched);
    writeFileSync(
      host.path(`${units}/kube-containerd.service`),
      '[Service]\nExecStart=/usr/bin/containerd --config /etc/kube/config.toml\n',
    );
    for (const number of [1, 2]) wiredInKube(number);

    const seen = await boots(4);
    const after = [readFileSync(usual, 'utf8'), readFileSync(own, 'utf8').includes('kata-sysext')];
    const guard = readFileSync(host.path(`${units}/kata-sysext-rewire.service`), 'utf8');
    rmSync(host.path(`${units}/kube-containerd.service`));
    const etc = host.fingerprint(['var']);
    const gone = await boots(4);

    assert.deepEqual(seen, [2, 2, 2, 1]);
    assert.deepEqual(after, [untouched, true]);
    assert.match(guard, /^Before=kube-containerd\.service /m);
    assert.deepEqual(gone, [1, 1, 1, 1]);
    assert.deepEqual(differences(etc, host.fingerprint(['var'])), []);
  });

  /** As if the engine had run from a unit of another name with a configuration of its own; generation 1 has proven itself there. */
  function wiredInKube(number: number): void {
    const path = host.path(`var/lib/kata-sysext/generations/${number}/record.json`);
    const record = JSON.parse(readFileSync(path, 'utf8').replaceAll('/etc/containerd/', '/etc/kube/')) as Record<string, unknown>;
    record['wiring'] = { ...(record['wiring'] as object), unit: 'kube-containerd.service' };
    if (number === 1) record['blessed'] = { at: new Date(0).toISOString(), deployment: 'offline' };
    writeFileSync(path, JSON.stringify(record));
  }

  /** What is active after each of some boots. */
  async function boots(count: number): Promise<unknown[]> {
    const seen: unknown[] = [];
    for (let boot = 0; boot < count; boot++) seen.push((await host.json(['recover', '--boot', 'recover']))['to']);
    return seen;
  }

  async function active(): Promise<unknown> {
    return (await host.json(['status']))['active'];
  }
});
