import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences } from '../support/judges/fingerprint.ts';
import { sample } from '../support/sample.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';
import { dropIn, type KataDeployShape, kataDeployShapes, release } from '../support/trees/kataDeploy.ts';
import { scratch } from '../support/trees/treeHost.ts';

/** The host before kata-deploy, and with it. */
function hostOf(shape: KataDeployShape): { host: InProcessTree; before: string[] } {
  let before: string[] = [];
  const host = inProcessTree(
    shape.tree,
    (root) => {
      if (/^(?:crio|k3s|rke2|k0s)/.test(shape.engine)) rmSync(join(root, 'etc/containerd'), { recursive: true });
      for (const folder of ['opt', 'etc/systemd/system', 'usr/local/bin', 'var/usrlocal/bin', 'etc/modules-load.d', 'etc/udev/rules.d'])
        if (!existsSync(join(root, folder)) && !(folder.startsWith('usr/local') && existsSync(join(root, 'usr/local'))))
          mkdirSync(join(root, folder), { recursive: true });
      shape.host?.(root);
    },
    shape.engine,
  );
  before = host.listing();
  shape.deploy(host.root);
  return { host, before };
}

describe('adopt kata-deploy on an offline tree', function () {
  this.timeout(300_000);
  let releases: string[];
  let host: InProcessTree | undefined;
  before(async () => {
    const { first, go } = await plainReleases();
    releases = [first, go];
  });
  afterEach(() => host?.remove());

  const adopted = sample(
    kataDeployShapes.filter(({ cleanerOnly }) => cleanerOnly !== true),
    5,
    'adopt kata-deploy',
  );

  for (const shape of kataDeployShapes) {
    const expected = (lines: string[]) =>
      lines.filter((line) => !Object.keys(shape.stays ?? {}).some((each) => new RegExp(each).test(line)));

    it(`--remove leaves the host as before: ${shape.name}`, async () => {
      const made = hostOf(shape);
      host = made.host;

      const change = await host.json(['adopt', 'kata-deploy', '--remove']);

      assert.deepEqual(change['handlers'], []);
      assert.deepEqual(expected(differences(made.before, host.listing())), []);
      assert.equal((await host.json(['adopt', 'kata-deploy', '--remove'], 3))['code'], 'nothing-to-adopt');
    });

    if (!adopted.includes(shape)) continue;

    it(`serves the same names, and uninstall leaves the host as before: ${shape.name}`, async () => {
      const made = hostOf(shape);
      host = made.host;

      const change = await host.json(['adopt', 'kata-deploy', ...releases]);
      await host.json(['uninstall', '--purge']);

      assert.deepEqual(
        shape.handlers.filter((name) => !(change['handlers'] as string[]).includes(name)),
        [],
      );
      assert.deepEqual(expected(differences(made.before, host.listing())), []);
    });
  }

  const inPlace = kataDeployShapes[0]!;
  const drop = kataDeployShapes.find(({ name }) => name.startsWith('containerd 2.2, conf.d'))!;

  it('keeps what others wrote into its files, and says so', async () => {
    const own = '[plugins."io.example.site"]\n  key = 1\n# theirs\n';
    for (const [shape, file] of [
      [inPlace, 'etc/containerd/config.toml'],
      [drop, 'etc/containerd/conf.d/kata-deploy.toml'],
    ] as const) {
      host = hostOf(shape).host;
      const earlier = shape === inPlace ? readFileSync(host.path(`${file}.bak`), 'utf8') : '';
      appendFileSync(host.path(file), own);

      const change = await host.json(['adopt', 'kata-deploy', '--remove']);

      assert.equal(readFileSync(host.path(file), 'utf8'), earlier + own);
      assert.ok(
        (change['findings'] as { code: string; subject: string }[]).some(
          ({ code, subject }) => code === 'kata-deploy-leaves' && subject.includes('/etc/containerd'),
        ),
      );
      host.remove();
    }
  });

  it('leaves a release that a user unpacked, and refuses one that a file of others needs', async () => {
    host = hostOf(inPlace).host;
    put(host.root, 'var/opt/kata-static/bin/containerd-shim-kata-v2', '#!/bin/sh\n');
    const own = {
      path: 'etc/docker/daemon.json',
      text: '{"runtimes": {"kata": {"runtimeType": "/opt/kata/bin/containerd-shim-kata-v2"}}}\n',
    };
    put(host.root, own.path, own.text);
    const before = host.listing();

    const refused = await host.json(['adopt', 'kata-deploy', '--remove'], 3);
    const unchanged = differences(before, host.listing());
    rmSync(host.path(own.path));
    await host.json(['adopt', 'kata-deploy', '--remove']);

    assert.deepEqual([refused['code'], refused['subject'], unchanged], ['adopt-unproven', `/${own.path}`, []]);
    assert.ok(existsSync(host.path('var/opt/kata-static/bin/containerd-shim-kata-v2')));
  });

  it('removes kata-deploy beside what kata-sysext has installed, and that stays as it is', async () => {
    host = hostOf(drop).host;
    rmSync(host.path('etc/containerd/conf.d/kata-deploy.toml'));
    await host.json(['install', releases[0]!]);
    const before = host.listing();
    const blue = { name: 'kata-qemu-runtime-rs-blue', base: 'qemu-runtime-rs', folder: '/opt/kata-blue' };
    put(host.root, 'etc/containerd/conf.d/kata-deploy-blue.toml', dropIn([blue]));
    release(host.root, [blue]);

    await host.json(['adopt', 'kata-deploy', '--remove']);

    const left = differences(before, host.listing()).filter(
      (line) => !/record\.json|(?:opt\/kata|nydus-for-kata-tee|zz-kata-deploy|containerd\.service\.wants)/.test(line),
    );
    assert.deepEqual(left, []);
    assert.match((await host.run(['status'])).stdout, /kata-qemu-runtime-rs/);
  });

  it('takes the empty import out of a file, and no comment that reads the same', async () => {
    host = hostOf(kataDeployShapes.find(({ name }) => name === 'what its uninstall leaves')!).host;
    const main = host.path('etc/containerd/config.toml');
    const text = readFileSync(main, 'utf8');
    writeFileSync(main, `# imports = []\n${text}`);

    await host.json(['adopt', 'kata-deploy', '--remove']);

    assert.ok(text.includes('\nimports = []\n'));
    assert.equal(readFileSync(main, 'utf8'), `# imports = []\n${text.replace('\nimports = []', '')}`);
  });

  it('follows no link of a hostile host out of its places, and removes no folder that a link stands for', async () => {
    host = hostOf(drop).host;
    const outside = scratch('outside');
    put(outside, 'precious', 'x');
    rmSync(host.path('opt/kata'), { recursive: true });
    symlinkSync('/srv/kata', host.path('opt/kata'));
    put(host.root, 'srv/kata/precious', 'x');
    rmSync(host.path('var/lib/nydus-for-kata-tee'), { recursive: true, force: true });
    symlinkSync(outside, host.path('var/lib/nydus-for-kata-tee'));

    await host.json(['adopt', 'kata-deploy', '--remove']);

    assert.deepEqual([existsSync(host.path('srv/kata/precious')), existsSync(join(outside, 'precious'))], [true, true]);
    rmSync(outside, { recursive: true });
  });

  it('names settings of users that go with the release, before they go', async () => {
    host = hostOf(drop).host;
    const folder = 'opt/kata/share/defaults/kata-containers/runtime-rs/runtimes/qemu-runtime-rs/config.d';
    put(host.root, `${folder}/50-user-overrides.toml`, '[hypervisor.qemu]\n');

    const plan = await host.json(['adopt', 'kata-deploy', ...releases, '--dry-run']);

    const found = (plan['findings'] as { code: string; subject: string; next: string }[]).find(({ subject }) =>
      subject.endsWith('50-user-overrides.toml'),
    );
    assert.match(found?.next ?? '', /cp \/opt\/kata\/.*50-user-overrides\.toml \/etc\/kata-containers\/kata-qemu-runtime-rs\.d\/$/);
  });

  it('takes words that go together only', async () => {
    host = hostOf(drop).host;

    const codes = await Promise.all(
      [
        ['adopt', 'kata-deploy'],
        ['adopt', 'kata-deploy', '--remove', releases[0]!],
        ['adopt', 'kata-deploy', '--remove', '--handler', 'qemu'],
        ['adopt', 'kata-deploy', releases[0]!, '--yes'],
        ['adopt', 'layered', releases[0]!, '--remove'],
        ['adopt', 'rendered', '--remove'],
      ].map(async (args) => (await host!.json(args, 2))['code']),
    );

    assert.deepEqual(codes, Array(6).fill('usage'));
  });
});
