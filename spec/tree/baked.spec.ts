import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { byBytes } from '../../cli/host/index.ts';
import { version } from '../../cli/version.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { run } from '../support/program.ts';
import { loopMs } from '../support/sample.ts';
import { singleFile } from '../support/singleFile.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const baked = ['--backend', 'baked'];

/** A generation that is part of an OS image, on the tree of the image. Its boots: spec/vm/baked.spec.ts. */
describe('backend baked on the tree of an image', function () {
  this.timeout(loopMs);
  let host: TreeHost;
  let first: string;
  let second: string;

  before(async () => {
    ({ first, second } = await releases());
  });
  afterEach(() => host.remove());

  for (const name of ['fcos', 'rhcos', 'flatcar', 'microos'] as const) {
    it(`${name}: install writes below /usr and /etc alone, verifies, and uninstall leaves the tree as it was`, async () => {
      host = treeHost(name);
      const before = host.fingerprint();

      const change = await host.json(['install', first, ...baked]);
      const made = pathsIn(differencesOf(before, host.fingerprint()));
      const [status, verified] = [await host.json(['status']), await host.json(['verify'])];
      const again = await host.json(['install', first, ...baked]);
      await host.json(['uninstall']);

      assert.deepEqual([change['to'], again['changed'], status['active']], [0, false, 0]);
      assert.deepEqual(verified['drift'], []);
      const places = ['./usr/lib/kata-sysext', './usr/lib/modules-load.d', './usr/libexec', './etc/kata-sysext', './etc/containerd'];
      assert.deepEqual(
        made.filter((path) => !places.some((place) => path === place || path.startsWith(`${place}/`))),
        [],
      );
      assert.deepEqual(differences(before, host.fingerprint()), []);
    });
  }

  it('an image without /var, and with a link /usr/local that leads nowhere, gets neither', async () => {
    host = treeHost('fcos');
    rmSync(host.path('var'), { recursive: true });

    await host.json(['install', first, ...baked]);
    await host.json(['verify']);

    assert.equal(existsSync(host.path('var')), false);
    assert.equal(readlinkSync(host.path('etc/kata-sysext/current')), '/usr/libexec/kata-sysext/generations/0');
  });

  it('carries no story of the machine that built it, and with SOURCE_DATE_EPOCH the same bytes at every time', async () => {
    host = treeHost('microos');
    const other = host.copy();
    const options = { env: { SOURCE_DATE_EPOCH: '1700000000' } };

    await host.json(['install', first, ...baked], 0, options);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await other.json(['install', first, ...baked], 0, { env: { ...options.env, TZ: 'Asia/Tokyo' } });

    assert.deepEqual(readdirSync(host.path('usr/lib/kata-sysext')), ['folders.json', 'generations', 'payloads']);
    assert.deepEqual(differences(host.fingerprint(), other.fingerprint()), []);
    other.remove();
  });

  it('the guard and the copy of the program come with the image, below /usr, where no preset and no merge of /etc reaches them', async () => {
    const file = await singleFile();
    host = treeHost('fcos', undefined, { file });
    const before = host.fingerprint();

    await host.json(['install', first, ...baked]);
    const unit = readFileSync(host.path('usr/lib/systemd/system/kata-sysext-recover.service'), 'utf8');
    const program = `/usr/libexec/kata-sysext/bin/${version}/kata-sysext`;
    const copy = existsSync(host.path(program));
    const links = [
      'sysinit.target.wants/kata-sysext-recover',
      'multi-user.target.wants/kata-sysext-rewire',
      'multi-user.target.wants/kata-sysext-confirm',
    ];
    const targets = links.map((link) => readlinkSync(host.path(`usr/lib/systemd/system/${link}.service`)));
    const made = pathsIn(differencesOf(before, host.fingerprint()));
    await host.json(['uninstall']);

    assert.ok(unit.includes(`ExecStart=${program} recover --boot recover`), unit);
    assert.equal(copy, true);
    assert.deepEqual(
      targets,
      links.map((link) => `../${link.split('/')[1]}.service`),
    );
    assert.deepEqual(
      made.filter((path) => /^\.\/(var|opt|boot|usr\/local|etc\/systemd)\b/.test(path)),
      [],
    );
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('an image that is made by Node gets no guard, and install says so as often as it is asked; the single file has nothing to say', async () => {
    host = treeHost('fcos');
    const single = treeHost('fcos', undefined, { file: await singleFile() });

    const told = [];
    for (const args of [['--dry-run'], [], []]) told.push(await host.json(['install', first, ...baked, ...args]));
    const quiet = await single.json(['install', first, ...baked]);

    const seen = [...told, quiet].map(({ findings }) =>
      (findings as { code: string; level: string }[]).find(({ code }) => code === 'baked-no-guard'),
    );
    assert.deepEqual(
      seen.map((finding) => finding?.level),
      ['warning', 'warning', 'warning', undefined],
    );
    single.remove();
  });

  it('the generation gets three boots, unless somebody masked the unit of the image that would bless it', async () => {
    host = treeHost('fcos', undefined, { file: await singleFile() });
    await host.json(['install', first, ...baked]);
    const masked = host.copy();
    mkdirSync(masked.path('etc/systemd/system'), { recursive: true });
    symlinkSync('/dev/null', masked.path('etc/systemd/system/kata-sysext-confirm.service'));

    const seen = [await boots(host), await boots(masked)];

    assert.deepEqual(seen, [
      [0, 0, 0, undefined],
      [0, 0, 0, 0],
    ]);
    masked.remove();
  });

  it('an image has one generation: another release, settings, fewer handlers and another backend are refused, and nothing is written', async () => {
    host = treeHost('fcos');
    await host.json(['install', first, ...baked]);
    const before = host.fingerprint();

    const codes = [];
    for (const args of [
      ['install', second, ...baked],
      ['install', first, '--backend', 'prefix'],
      ['configure', '--set', 'default_vcpus=2'],
      ['uninstall', '--handler', 'kata-qemu-runtime-rs'],
    ])
      codes.push((await host.json(args, 3))['code']);
    const staged = await host.json(['install', second, ...baked, '--stage'], 2);

    assert.deepEqual(codes, ['baked-taken', 'baked-taken', 'baked-taken', 'last-handler']);
    assert.equal(staged['code'], 'usage');
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('is refused on what is no tree of an image: a running host, an ostree commit, a tree with another installation', async () => {
    host = treeHost('fcos');
    const committed = host.copy();
    renameSync(committed.path('etc'), committed.path('usr/etc'));
    const taken = host.copy();
    await taken.json(['install', first, '--backend', 'prefix']);
    mkdirSync(host.path('run/systemd/system'), { recursive: true });
    const trees = [host, committed, taken];
    const before = trees.map((tree) => tree.fingerprint());

    const said = [];
    for (const tree of trees) said.push(await tree.json(['install', first, ...baked], 3));

    assert.deepEqual(
      said.map(({ code }) => code),
      ['baked-live', 'host-unknown', 'backend-unfit'],
    );
    assert.match(String(said[0]!['found']), /this host runs/);
    for (const [index, tree] of trees.entries()) assert.deepEqual(differences(before[index]!, tree.fingerprint()), []);
    committed.remove();
    taken.remove();
  });

  it('on this machine it is refused before anything is written', async () => {
    host = treeHost('fcos');

    const live = await run(['install', first, ...baked, '--json', '--dry-run'], {
      wrapper: ['unshare', '--mount', 'sh', '-ec', RUNNING, 'sh'],
    });

    assert.equal(live.status, 3, live.stderr);
    assert.equal((JSON.parse(live.stdout) as { code: string }).code, 'baked-live');
  });

  it('the root of a container that builds an image counts as its tree', async () => {
    host = treeHost('microos');
    const inside = ['install', '/release.tar.zst', '--root', '/', ...baked, '--engine', 'containerd@2.2', '--json', '--progress', 'none'];
    const before = host.fingerprint(volatile);

    const ran = await run(inside, { file: await singleFile(), wrapper: [...containerOf(host.root, first, await singleFile())] });
    const made = pathsIn(differencesOf(before, host.fingerprint(volatile)));
    const verified = await host.json(['verify']);

    assert.equal(ran.status, 0, ran.stdout + ran.stderr);
    assert.deepEqual(verified['drift'], []);
    assert.ok(made.includes('./usr/lib/kata-sysext/generations/0/manifest.json'));
    assert.deepEqual(
      made.filter((path) => path.startsWith('./var')),
      [],
    );
  });

  it('generate --form baked says what it cannot do', async () => {
    host = treeHost('fcos');
    const [out, program] = [host.path('out'), await singleFile()];
    const asked = (kind: string, ...more: string[]) =>
      run(['generate', kind, first, '--target', 'fcos', '--program', program, '-o', out, '--json', ...more]);

    const said = [
      await asked('ignition', '--form', 'baked', '--from', 'https://files.example.org'),
      await asked('containerfile', '--form', 'baked', '--backend', 'sysext'),
      await asked('containerfile', '--form', 'baked', '--format', 'erofs'),
      await asked('containerfile', '--form', 'baked', '--set', 'kernel_params="a\nb"'),
      await asked('containerfile', '--backend', 'baked'),
    ];

    assert.deepEqual(
      said.map(({ status, stdout }) => [status, (JSON.parse(stdout) as { subject: string }).subject]),
      [
        [2, '--form'],
        [2, '--backend'],
        [2, '--format'],
        [2, 'containerfile'],
        [2, '--backend'],
      ],
    );
    assert.equal(existsSync(out), false);
  });

  it('verify finds what was changed, and a build that died is undone by the next command', async () => {
    host = treeHost('fcos');
    const before = host.fingerprint();
    const died = await host.run(['install', first, ...baked], { env: { KATA_SYSEXT_FAILPOINT: 'commit/before=kill' } });

    await host.json(['recover']);
    const undone = differences(before, host.fingerprint());
    await host.json(['install', first, ...baked]);
    appendFileSync(host.path('usr/libexec/kata-sysext/generations/0/config/kata-qemu-runtime-rs/configuration.toml'), '# edited\n');
    const verified = await host.json(['verify'], 1);

    assert.equal(died.status, 137);
    assert.deepEqual(undone, []);
    assert.equal((verified['drift'] as unknown[]).length, 1);
  });

  /** What is active after each of four boots. */
  async function boots({ json }: TreeHost): Promise<unknown[]> {
    const seen = [];
    for (let boot = 0; boot < 4; boot++) seen.push((await json(['recover', '--boot', 'recover']))['to']);
    return seen;
  }
});

const volatile = [
  'proc',
  'dev',
  'release.tar.zst',
  'kata-sysext',
  'usr/bin',
  'usr/lib64',
  'lib64',
  'lib',
  'bin',
  'usr/lib/x86_64-linux-gnu',
];

/** A mount namespace in which this machine counts as one that systemd runs. */
const RUNNING = 'mount -t tmpfs none /run; mkdir -p /run/systemd/system; exec "$@"';

/** Runs the single file with a tree as its root: this machine's programs and libraries are bound into it. */
function containerOf(root: string, bundle: string, file: string): string[] {
  const script = [
    `cd ${root}`,
    'mkdir -p usr/bin usr/lib/x86_64-linux-gnu usr/lib64 proc dev',
    'for link in bin lib lib64; do [ -e $link ] || ln -s usr/$link $link; done',
    'for folder in usr/bin usr/lib/x86_64-linux-gnu usr/lib64; do mount --bind /$folder $folder; done',
    'mount -t proc proc proc; mount --bind /dev dev',
    `cp ${bundle} release.tar.zst; cp ${file} kata-sysext`,
    'shift; exec chroot . /kata-sysext "$@"',
  ].join('\n');
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh'];
}

function differencesOf(before: string[], after: string[]): string[] {
  const known = new Set(before);
  return after.filter((line) => !known.has(line));
}

/** The paths of lines of a fingerprint. */
function pathsIn(lines: string[]): string[] {
  return [...new Set(lines.flatMap((line) => /^(?:# file: |[0-9a-f]{64} {2})?(\.\/[^|\n]+)/.exec(line)?.[1] ?? []))].toSorted(byBytes);
}
