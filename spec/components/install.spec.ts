import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { releaseTomls, tinyRelease } from '../lab/release/index.ts';
import { bzImage, diskImage, elfKernel, fileIn, gzipInitrd } from '../support/components.ts';
import { runInProcess } from '../support/inProcess.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';
import { scratch } from '../support/trees/treeHost.ts';

const base = 'kata-qemu-runtime-rs';
const config = 'etc/containerd/config.toml';
const pointer = 'etc/kata-sysext/current';

interface Line {
  components?: { handler: string; base: string; kind: string; name: string; digest: string; sizeBytes: number }[];
  handlers: string[];
  active: boolean;
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The files below a folder, each with the digest of its bytes. */
function filesIn(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => lstatSync(join(folder, name)).isFile());
  return names.map((name) => `${name} ${digestOf(readFileSync(join(folder, name)))}`).sort();
}

describe('install --component on an offline tree', function () {
  this.timeout(300_000);
  let folder: string;
  let first: string;
  let second: string;
  let go: string;
  let host: InProcessTree;
  let kernel: string;

  before(async () => {
    ({ first, second, go } = await plainReleases());
  });
  beforeEach(() => {
    folder = scratch('components');
    host = inProcessTree('fcos');
    kernel = fileIn(folder, 'vmlinux-own', elfKernel('first'));
  });
  afterEach(() => {
    host.remove();
    rmSync(folder, { recursive: true });
  });

  /** Where the active generation has its payload. */
  function payload(): string {
    const generation = host.path(readlinkSync(host.path(pointer)).replace('/usr/local/', '/var/usrlocal/'));
    return host.path(readlinkSync(join(generation, 'payload')).replace('/usr/local/', '/var/usrlocal/'));
  }

  function configuration(handler: string): string {
    const generation = host.path(readlinkSync(host.path(pointer)).replace('/usr/local/', '/var/usrlocal/'));
    return readFileSync(join(generation, `config/${handler}/configuration.toml`), 'utf8');
  }

  async function active(): Promise<Line> {
    const { generations } = (await host.json(['status'])) as unknown as { generations: Line[] };
    return generations.find((each) => each.active)!;
  }

  const own = (path = kernel, name = 'new') => ['--component', `${name}:kernel=${path}`];

  it('shows the file with its digest and what differs from the base before it writes anything', async () => {
    const before = host.listing();

    const plan = (await host.json(['install', first, ...own(), '--dry-run'])) as unknown as {
      steps: { text: string }[];
      configurations: { handler: string; diff: string[] }[];
      components: unknown[];
    };

    assert.match(
      plan.steps[0]!.text,
      new RegExp(`^take vmlinux-own as the kernel of new, which is based on ${base} \\(8\\.2 kB, ${digestOf(elfKernel('first'))}\\)$`),
    );
    assert.deepEqual(plan.components, [
      { handler: 'new', base, kind: 'kernel', name: 'vmlinux-own', digest: digestOf(elfKernel('first')), sizeBytes: 8192, kept: false },
    ]);
    const [only, ...others] = plan.configurations;
    assert.deepEqual([only!.handler, others], ['new', []]);
    assert.deepEqual(
      only!.diff.slice(1).map((line) => line.replace(/"\/.*\/tree\/[0-9a-f]{64}\//, '"/')),
      ['-kernel = "/usr/share/kata/share/kata-containers/vmlinux.container"', '+kernel = "/usr/share/kata/share/kata-sysext/new.kernel"'],
    );
    assert.deepEqual(differences(before, host.listing()), []);
  });

  it('puts the bytes into the payload and wires a handler of its own beside the release’s', async () => {
    await host.json(['install', first, '--component', `kernel=${kernel}`, '--alias', 'new']);

    const copy = join(payload(), 'share/kata-sysext/new.kernel');
    const wired = readFileSync(host.path(config), 'utf8');
    assert.ok(readFileSync(copy).equals(readFileSync(kernel)));
    assert.equal(statSync(copy).mode & 0o7777, 0o644);
    assert.match(wired, /runtimes\.new\.options\]\nConfigPath = "\/etc\/kata-sysext\/current\/config\/new\/configuration\.toml"/);
    assert.match(
      wired,
      new RegExp(`runtimes\\.${base}\\.options\\]\\nConfigPath = "/etc/kata-sysext/current/config/${base}/configuration.toml"`),
    );
    assert.match(configuration('new'), /^kernel = ".*\/share\/kata-sysext\/new\.kernel"$/m);
    assert.equal(
      configuration('new').replace(/share\/kata-sysext\/new\.kernel/, 'share/kata-containers/vmlinux.container'),
      configuration(base),
    );
  });

  it('says in status whose bytes a handler has, and verify covers them', async () => {
    await host.json(['install', first, ...own()]);

    const { handlers, components } = await active();
    const text = (await host.run(['status', '-v'])).stdout;
    const verified = await host.json(['verify']);
    assert.deepEqual(handlers, [base, 'new']);
    assert.deepEqual(components, [
      { handler: 'new', base, kind: 'kernel', name: 'vmlinux-own', digest: digestOf(elfKernel('first')), sizeBytes: 8192 },
    ]);
    assert.match(text, /new \(kernel\)/);
    assert.match(text, new RegExp(`new: kernel vmlinux-own \\(8\\.2 kB, ${digestOf(elfKernel('first'))}\\), else like ${base}`));
    assert.deepEqual(verified['drift'], []);
  });

  it('does nothing the second time, and takes other bytes of the same alias as an upgrade of it', async () => {
    await host.json(['install', first, ...own()]);
    const earlier = payload();
    const other = fileIn(folder, 'vmlinux-other', elfKernel('second'));

    const again = await host.json(['install', first, ...own()]);
    const without = await host.json(['install', first]);
    const upgraded = await host.json(['install', first, ...own(other)]);

    assert.deepEqual([again['changed'], without['changed'], upgraded['to']], [false, false, 2]);
    assert.ok(readFileSync(join(payload(), 'share/kata-sysext/new.kernel')).equals(elfKernel('second')));
    assert.ok(readFileSync(join(earlier, 'share/kata-sysext/new.kernel')).equals(elfKernel('first')));
  });

  it('has several aliases with several files, based on several handlers, from one command', async () => {
    const image = fileIn(folder, 'root.img', diskImage('erofs'));
    const initrd = fileIn(folder, 'initrd.gz', gzipInitrd());

    await host.json(
      [
        'install',
        first,
        go,
        '--handler',
        'qemu',
        '--handler',
        'qemu-runtime-rs',
        ...own(),
        '--component',
        `b:image=${image}`,
        '--component',
        `c:initrd=${initrd}`,
      ].concat(['--component', `c:kernel=${fileIn(folder, 'vmlinuz', bzImage())}`, '--alias', 'c=qemu', '--alias', 'kata=qemu']),
    );

    const { handlers, components = [] } = await active();
    assert.deepEqual(handlers, ['kata-qemu', base, 'new', 'b', 'c']);
    assert.deepEqual(
      components.map(({ handler, base: on, kind }) => `${handler} ${on} ${kind}`),
      [`new ${base} kernel`, `b ${base} image`, 'c kata-qemu initrd', 'c kata-qemu kernel'],
    );
    assert.match(configuration('b'), /^rootfs_type = "erofs"$/m);
    assert.match(configuration('c'), /^initrd = ".*\/c\.initrd"$/m);
    assert.match(configuration('c'), /^image = ""$/m);
    assert.equal(readdirSync(join(payload(), 'share/kata-sysext')).length, 7);
    assert.deepEqual((await host.json(['verify']))['drift'], []);
  });

  it('keeps alias, file and settings through an upgrade, also where the file is gone', async () => {
    await host.json(['install', first, ...own()]);
    await host.json(['configure', '--handler', 'new', '--set', 'default_memory=4096']);
    rmSync(kernel);

    const planned = (await host.json(['install', second, '--dry-run'])) as unknown as { components: { kept: boolean }[] };
    const upgraded = await host.json(['install', second]);

    assert.deepEqual([upgraded['to'], planned.components.map(({ kept }) => kept)], [3, [true]]);
    assert.ok(readFileSync(join(payload(), 'share/kata-sysext/new.kernel')).equals(elfKernel('first')));
    assert.match(configuration('new'), /^default_memory = 4096$/m);
    assert.match(configuration(base), /^default_memory = 2048$/m);
    assert.equal((await active()).components?.[0]?.name, 'vmlinux-own');
  });

  it('changes no file of the release, comes back exactly by rollback, and leaves nothing by uninstall', async () => {
    const before = host.listing();
    await host.json(['install', first]);
    const plain = [readFileSync(host.path(config), 'utf8'), readlinkSync(host.path(pointer))];
    const released = filesIn(payload());

    await host.json(['install', first, ...own()]);
    const now = filesIn(payload()).filter((line) => !line.startsWith('share/kata-sysext/'));
    await host.json(['rollback']);
    const back = [readFileSync(host.path(config), 'utf8'), readlinkSync(host.path(pointer))];
    await host.json(['rollback']);
    const forth = existsSync(join(payload(), 'share/kata-sysext/new.kernel'));
    await host.json(['uninstall', '--purge']);

    assert.deepEqual(now, released);
    assert.deepEqual(back, plain);
    assert.equal(forth, true);
    assert.deepEqual(differences(before, host.listing()), []);
  });

  it('is given back by the command that uninstall prints', async () => {
    await host.json(['install', first, ...own()]);
    const digest = ((await host.json(['status'])) as { generations?: { payload: { digest: string } }[] }).generations![0]!.payload.digest;

    const gone = await host.json(['uninstall']);
    const words = String(gone['undoCommand']).split(' ').slice(1);
    const root = words.indexOf('--root');
    await host.json(words.toSpliced(root, 2).filter((word, at, all) => word !== '--engine' && all[at - 1] !== '--engine'));

    assert.match(String(gone['undoCommand']), new RegExp(`--alias new=${base} --component new:kernel=${kernel}`));
    const { generations } = (await host.json(['status'])) as unknown as { generations: { payload: { digest: string } }[] };
    assert.deepEqual(
      generations.map((each) => each.payload.digest),
      [digest],
    );
  });

  it('is named by a place to fill in where the file is another one by now', async () => {
    await host.json(['install', first, ...own()]);
    appendFileSync(kernel, 'built again');

    const damaged = await host.json(['uninstall']);

    assert.match(String(damaged['undoCommand']), /--component new:kernel=\/PATH\/TO\/\S+/);
    assert.doesNotMatch(String(damaged['undoCommand']), new RegExp(kernel));
  });

  for (const [how, args] of [
    ['install --alias NAME=', (bundle: string) => ['install', bundle, '--alias', 'new=']],
    ['uninstall --handler NAME', () => ['uninstall', '--handler', 'new']],
  ] as [string, (bundle: string) => string[]][])
    it(`goes by ${how}, and an upgrade does not bring it back`, async () => {
      await host.json(['install', first, ...own()]);

      await host.json(args(first));
      const between = await active();
      await host.json(['install', second]);

      assert.deepEqual([between.handlers, between.components], [[base], undefined]);
      assert.deepEqual((await active()).handlers, [base]);
      assert.equal(existsSync(join(payload(), 'share/kata-sysext')), false);
      assert.doesNotMatch(readFileSync(host.path(config), 'utf8'), /runtimes\.new\]/);
    });

  it('is removed by gc with the last generation that has it', async () => {
    await host.json(['install', first, ...own()]);
    await host.json(['install', first, '--alias', 'new=']);
    await host.json(['install', second]);
    const has = () => host.listing().some((line) => line.includes('new.kernel'));
    const had = has();

    await host.json(['gc', '--keep', '0']);

    assert.deepEqual([had, has()], [true, false]);
  });

  it('keeps its base: what would remove that handler is refused, and each way out works', async () => {
    await host.json(['install', first, go, '--handler', 'qemu', '--handler', 'qemu-runtime-rs', ...own(), '--alias', 'new=qemu']);
    const before = host.listing();

    const refused = [
      await host.json(['uninstall', '--handler', 'qemu'], 3),
      await host.json(['install', first, '--remove-handler', 'qemu'], 3),
      await host.json(['install', first, '--handler', 'qemu-runtime-rs'], 3),
    ];
    const unchanged = differences(before, host.listing());
    await host.json(['install', first, '--handler', 'qemu-runtime-rs', '--alias', 'new=qemu-runtime-rs']);

    assert.deepEqual(
      refused.map(({ code }) => code),
      ['alias-would-dangle', 'alias-would-dangle', 'alias-would-dangle'],
    );
    assert.match(String(refused[0]!['next']), /uninstall --handler kata-qemu --handler new/);
    assert.match(String(refused[1]!['next']), new RegExp(`add --alias new=${base} .*, or --alias new= to remove it`));
    assert.deepEqual(unchanged, []);
    assert.equal((await active()).components?.[0]?.base, base);
  });

  it('based on a handler that a release lacks refuses the upgrade, and the command that is offered works', async () => {
    await host.json(['install', first, go, '--handler', 'qemu', '--handler', 'qemu-runtime-rs', ...own(), '--alias', 'new=qemu']);
    const before = host.listing();
    const other = ['--component', `other:kernel=${kernel}`];

    const refused = await host.json(['install', second, ...other], 4);
    const unchanged = differences(before, host.listing());
    const [, words] = /remove the missing handlers: kata-sysext (.*)$/.exec(String(refused['next']))!;
    const ran = await runInProcess(words!.split(' '));

    assert.equal(ran.status, 0, `${words}\n${ran.stderr}`);
    assert.equal(refused['code'], 'bundle-lacks-handler');
    assert.match(words!, new RegExp(`--remove-handler kata-qemu --alias new= --component other:kernel=${kernel}`));
    assert.deepEqual([unchanged, (await active()).handlers], [[], [base, 'other']]);
  });

  it('makes a handler of a second name that was installed before, with the same base', async () => {
    await host.json(['install', first, '--alias', 'kata=qemu-runtime-rs']);

    await host.json(['install', first, ...own(kernel, 'kata')]);

    assert.deepEqual([(await active()).handlers, (await active()).components?.[0]?.base], [[base, 'kata'], base]);
    assert.match(readFileSync(host.path(config), 'utf8'), /current\/config\/kata\/configuration\.toml/);
  });

  it('waits with a staged generation, and is there when that is activated', async () => {
    await host.json(['install', first]);

    await host.json(['install', second, ...own(), '--stage']);
    const staged = await active();
    await host.json(['activate']);

    assert.equal(staged.components, undefined);
    assert.equal((await active()).components?.[0]?.handler, 'new');
  });

  it('that changed on the disk is found by verify, whose command puts it right', async () => {
    await host.json(['install', first, ...own()]);
    appendFileSync(join(payload(), 'share/kata-sysext/new.kernel'), 'x');

    const { drift } = (await host.json(['verify'], 1)) as unknown as { drift: { subject: string; next: string }[] };
    appendFileSync(kernel, 'built again');
    const { drift: other } = (await host.json(['verify'], 1)) as unknown as { drift: { next: string }[] };
    writeFileSync(kernel, elfKernel('first'));
    const kept = await host.json(['install', first], 4);
    const words = drift[0]!.next.split(' ').slice(1);
    await host.json(words.toSpliced(words.indexOf('--root'), 2));

    assert.equal(drift.length, 1);
    assert.match(drift[0]!.subject, /new\.kernel$/);
    assert.match(drift[0]!.next, new RegExp(`^kata-sysext install --root ${host.root} ${first} --component new:kernel=${kernel}$`));
    // Another file there by now is not what is missing.
    assert.match(other[0]!.next, /--component new:kernel=\/PATH\/TO\/vmlinux-own$/);
    assert.equal(kept['code'], 'component-not-kept');
    assert.match(String(kept['next']), /--component new:kernel=FILE to the command, or --alias new= to remove the alias/);
    assert.deepEqual((await host.json(['verify']))['drift'], []);
  });

  it('is carried over from an earlier generation where the active one is damaged', async () => {
    await host.json(['install', first, ...own()]);
    await host.json(['install', second]);
    writeFileSync(join(payload(), 'share/kata-sysext/new.kernel'), 'damaged');

    await host.json(['install', second]);

    assert.ok(readFileSync(join(payload(), 'share/kata-sysext/new.kernel')).equals(elfKernel('first')));
    assert.deepEqual((await host.json(['verify']))['drift'], []);
  });

  it('of the wrong kind, behind a link, or not there is refused, and nothing is written', async () => {
    symlinkSync(kernel, join(folder, 'link'));
    await host.json(['install', first]);
    const before = host.listing();

    const answers = [
      await host.json(['install', first, ...own(fileIn(folder, 'text', 'no kernel\n'))], 4),
      await host.json(['install', first, '--component', `new:image=${kernel}`], 4),
      await host.json(['install', first, ...own(join(folder, 'link'))], 4),
      await host.json(['install', first, ...own(join(folder, 'nothing'))], 4),
      await host.json(['install', first, ...own(), '--alias', 'new=clh'], 3),
    ];

    const early = await host.run(['install', first, ...own(join(folder, 'text')), '--progress', 'plain']);

    // What is known before is said before the release is unpacked.
    assert.doesNotMatch(early.stderr, /unpacking/);
    assert.deepEqual(
      answers.map(({ code }) => code),
      ['component-unfit', 'component-unfit', 'component-unfit', 'component-missing', 'handler-not-installed'],
    );
    assert.deepEqual(differences(before, host.listing()), []);
  });

  it('with control characters in its name is shown with escapes, and kept under another name', async () => {
    const odd = fileIn(folder, 'vm\u001b[31m\nlinux\u202e', elfKernel('first'));

    const planned = await host.run(['install', first, ...own(odd), '--dry-run']);
    await host.json(['install', first, ...own(odd)]);
    const texts = [planned.stdout, (await host.run(['status', '-v'])).stdout];

    for (const text of texts) {
      assert.ok(!text.includes('\u001b') && !text.includes('\u202e'), text);
      assert.match(text, /vm\\u001b\[31m/);
    }
    assert.deepEqual(readdirSync(join(payload(), 'share/kata-sysext')), ['new.kernel', 'new.toml']);
  });

  it('is refused with a release whose own configuration names files in its place; files that no handler names are left out', async () => {
    const path = 'share/kata-sysext/new.kernel';
    const files = { [path]: elfKernel('of the release') };
    const toml = 'share/defaults/kata-containers/runtime-rs/configuration-qemu-runtime-rs.toml';
    const text = releaseTomls().rust['configuration-qemu-runtime-rs.toml']!.toString();
    const named = text.replace(/^kernel = .*$/m, `kernel = "/opt/kata/${path}"`);
    const plain = { compression: 'plain' } as const;
    const stray = await tinyRelease(folder, { ...plain, name: 'stray.tar', files });
    const taken = await tinyRelease(folder, { ...plain, name: 'taken.tar', files: { ...files, [toml]: named } });
    const before = host.listing();

    const refused = await host.json(['install', taken, ...own()], 4);
    const unchanged = differences(before, host.listing());
    await host.json(['install', stray, ...own()]);

    assert.equal(refused['code'], 'bundle-name-taken');
    assert.deepEqual(unchanged, []);
    assert.ok(readFileSync(join(payload(), path)).equals(elfKernel('first')));
  });

  const backends: Record<string, (root: string) => void> = {
    sysext: (root) => {
      put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\nExecStart=systemd-sysext refresh\n');
      put(root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
    },
    overlay: (root) => {
      for (const name of ['sh', 'grep', 'mount', 'umount', 'mountpoint']) put(root, `usr/bin/${name}`, '');
    },
    baked: () => undefined,
  };
  for (const [backend, prepare] of Object.entries(backends))
    it(`is carried by the backend ${backend}`, async () => {
      host.remove();
      host = inProcessTree('fcos', prepare);
      const before = host.listing();

      await host.json(['install', first, ...own(), '--backend', backend]);
      const generation = host.path(readlinkSync(host.path(pointer)).replace('/usr/local/', '/var/usrlocal/'));
      const text = readFileSync(join(generation, 'config/new/configuration.toml'), 'utf8');
      const verified = await host.json(['verify']);
      if (backend !== 'baked') await host.json(['install', second]);
      const { components } = await active();
      const manifests = host.listing().filter((line) => line.includes(folder));
      await host.json(['uninstall', ...(backend === 'baked' ? [] : ['--purge'])]);

      assert.match(
        text,
        backend === 'baked'
          ? /^kernel = "\/usr\/libexec\/kata-sysext\/tree\/.*new\.kernel"$/m
          : /^kernel = "\/usr\/share\/kata\/share\/kata-sysext\/new\.kernel"$/m,
      );
      assert.deepEqual([verified['drift'], manifests], [[], []]);
      assert.equal(components?.[0]?.handler, 'new');
      assert.deepEqual(differences(before, host.listing()), []);
    });
});
