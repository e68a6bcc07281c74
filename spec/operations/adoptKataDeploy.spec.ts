import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences } from '../support/judges/fingerprint.ts';
import { sample } from '../support/sample.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';
import { dropIn, kataDeployShapes, release, rust } from '../support/trees/kataDeploy.ts';
import { allowing, hostOf } from '../support/trees/kataDeployHost.ts';
import { scratch } from '../support/trees/treeHost.ts';

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

      const change = await host.json(['adopt', 'kata-deploy', '--remove', ...allowing(shape)]);

      assert.deepEqual(change['handlers'], []);
      assert.deepEqual(expected(differences(made.before, host.listing())), []);
      assert.equal((await host.json(['adopt', 'kata-deploy', '--remove'], 3))['code'], 'nothing-to-adopt');
    });

    if (!adopted.includes(shape)) continue;

    it(`serves the same names, and uninstall leaves the host as before: ${shape.name}`, async () => {
      const made = hostOf(shape);
      host = made.host;

      const change = await host.json(['adopt', 'kata-deploy', ...releases, ...allowing(shape)]);
      await host.json(['uninstall', '--purge']);

      assert.equal(Object.hasOwn(change, 'undoCommand'), false);
      assert.deepEqual(
        shape.handlers.filter((name) => !(change['handlers'] as string[]).includes(name)),
        [],
      );
      assert.deepEqual(expected(differences(made.before, host.listing())), []);
    });
  }

  const inPlace = kataDeployShapes[0]!;
  const main = 'etc/containerd/config.toml';
  const plain = kataDeployShapes.find(({ name }) => name === 'containerd 2.2, erofs')!;
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

      const change = await host.json(['adopt', 'kata-deploy', '--remove', ...allowing(shape)]);

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

    await host.json(['adopt', 'kata-deploy', '--remove', ...allowing(drop)]);

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

    await host.json(['adopt', 'kata-deploy', '--remove', ...allowing(drop)]);

    assert.deepEqual([existsSync(host.path('srv/kata/precious')), existsSync(join(outside, 'precious'))], [true, true]);
    rmSync(outside, { recursive: true });
  });

  it('leaves an administrator’s file and the copy beside it where kata-deploy never wrote', async () => {
    const head = 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n# kata handlers come from conf.d\n[debug]\n';
    host = hostOf({
      ...plain,
      deploy: (root) => {
        plain.deploy(root);
        put(root, main, `${head}level = "debug" # wanted\n`);
        put(root, `${main}.bak`, `${head}level = "warn"\n`);
      },
    }).host;

    await host.json(['adopt', 'kata-deploy', '--remove']);

    assert.equal(readFileSync(host.path(main), 'utf8'), `${head}level = "debug" # wanted\n`);
    assert.ok(existsSync(host.path(`${main}.bak`)));
  });

  it('puts back no setting that has another value than kata-deploy’s', async () => {
    host = hostOf(inPlace).host;
    const was = readFileSync(host.path(`${main}.bak`), 'utf8');
    writeFileSync(host.path(main), readFileSync(host.path(main), 'utf8').replace('level = "debug"', 'level = "trace"'));

    await host.json(['adopt', 'kata-deploy', '--remove']);

    assert.equal(readFileSync(host.path(main), 'utf8'), was.replace('level = "info"', 'level = "trace"'));
  });

  it('edits the files of an engine that the change does not restart, and leaves the wiring of the other', async () => {
    host = hostOf({ ...plain, engine: 'docker@28.0.1', deploy: () => undefined }).host;
    await host.json(['install', releases[0]!]);
    const before = host.listing();
    plain.deploy(host.root);

    await host.json(['adopt', 'kata-deploy', '--remove']);

    const left = differences(before, host.listing()).filter((line) => !/record\.json|conf\.d$|conf\.d /.test(line));
    assert.deepEqual(left, []);
    assert.equal(existsSync(host.path('etc/containerd/conf.d/kata-deploy.toml')), false);
  });

  it('keeps what others wrote into a file of an engine that is not the one of the change', async () => {
    host = hostOf({ ...plain, engine: 'docker@28.0.1', deploy: () => undefined }).host;
    await host.json(['install', releases[0]!]);
    plain.deploy(host.root);
    const own = '[plugins."io.example.site"]\nkey = 1\n';
    appendFileSync(host.path('etc/containerd/conf.d/kata-deploy.toml'), `\n${own}`);

    await host.json(['adopt', 'kata-deploy', '--remove']);

    assert.equal(readFileSync(host.path('etc/containerd/conf.d/kata-deploy.toml'), 'utf8').trimStart(), own);
    assert.deepEqual(
      readdirSync(host.path('etc/containerd')).filter((name) => name.startsWith('.')),
      [],
    );
  });

  it('leaves the empty list of what containerd prints, and the comment beside an import', async () => {
    const dump = 'disabled_plugins = []\nimports = []\noom_score = 0\nrequired_plugins = []\nversion = 3\n';
    const [path, named] = ['/opt/kata/containerd/config.d/kata-deploy.toml', 'flatcar'];
    const texts: [now: string, after: string][] = [
      [dump, dump],
      [dump.replace('[]\noom', `["${path}"]\noom`), dump],
      [`version = 3\nimports = ["${path}"] # site files go here\n`, 'version = 3\nimports = [] # site files go here\n'],
      [`version = 3\nimports = [\n  # theirs\n  "${path}",\n]\n`, 'version = 3\nimports = [\n  # theirs\n  \n]\n'],
    ];
    for (const [now, after] of texts) {
      host = hostOf({
        ...plain,
        tree: named as 'flatcar',
        engine: 'containerd@2.1',
        deploy: (root) => {
          put(root, main, now);
          put(root, path.slice(1), dropIn([rust]));
          release(root, [rust]);
        },
      }).host;

      await host.json(['adopt', 'kata-deploy', '--remove']);

      assert.equal(readFileSync(host.path(main), 'utf8'), after);
      host.remove();
    }
  });

  it('leaves an empty file where one was before, and finds the copy beside a link', async () => {
    host = hostOf(inPlace).host;
    writeFileSync(host.path(main), dropIn([rust], 'io.containerd.grpc.v1.cri'));
    writeFileSync(host.path(`${main}.bak`), '');
    await host.json(['adopt', 'kata-deploy', '--remove']);
    const empty = [readFileSync(host.path(main), 'utf8'), existsSync(host.path(`${main}.bak`))];
    host.remove();

    host = hostOf(inPlace).host;
    const was = readFileSync(host.path(`${main}.bak`), 'utf8');
    mkdirSync(host.path('etc/site'));
    renameSync(host.path(main), host.path('etc/site/containerd.toml'));
    symlinkSync('../site/containerd.toml', host.path(main));
    await host.json(['adopt', 'kata-deploy', '--remove']);

    assert.deepEqual(empty, ['', false]);
    assert.deepEqual([readFileSync(host.path(main), 'utf8'), existsSync(host.path(`${main}.bak`))], [was, false]);
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
