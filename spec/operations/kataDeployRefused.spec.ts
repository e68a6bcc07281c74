import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, linkSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { differences } from '../support/judges/fingerprint.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';
import { dropIn, kataDeployShapes, release } from '../support/trees/kataDeploy.ts';
import { hostOf } from '../support/trees/kataDeployHost.ts';

describe('adopt kata-deploy refuses, and changes nothing', function () {
  this.timeout(300_000);
  let releases: string[];
  let host: InProcessTree | undefined;
  before(async () => {
    const { first, go } = await plainReleases();
    releases = [first, go];
  });
  afterEach(() => host?.remove());

  const main = 'etc/containerd/config.toml';
  const inPlace = kataDeployShapes[0]!;
  const plain = kataDeployShapes.find(({ name }) => name === 'containerd 2.2, erofs')!;
  const drop = kataDeployShapes.find(({ name }) => name.startsWith('containerd 2.2, conf.d'))!;

  const shim = '/opt/kata/bin/containerd-shim-kata-v2';
  const mine = (path: string) =>
    `[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.mine]\nruntime_type = "io.containerd.kata.v2"\n${path}`;
  const needing: [what: string, shape: string, files: Record<string, string>, subject: string][] = [
    [
      'in single quotes',
      'conf.d',
      { [main]: `version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n${mine(`runtime_path = '${shim}'\n`)}` },
      main,
    ],
    [
      'in a folder that the main file imports',
      'conf.d',
      {
        [main]: 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml", "/etc/site/*.toml"]\n',
        'etc/site/mine.toml': `version = 3\n${mine(`runtime_path = "${shim}"\n`)}`,
      },
      'etc/site/mine.toml',
    ],
    [
      'in a template of k3s',
      'k3s',
      { 'var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl': `{{ template "base" . }}\n${mine(`runtime_path = "${shim}"\n`)}` },
      'var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl',
    ],
    ['by the name of its type alone', 'conf.d', { [main]: `version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n${mine('')}` }, main],
  ];
  for (const [what, shape, files, subject] of needing)
    it(`refuses to remove a release that a handler of others needs: ${what}`, async () => {
      host = hostOf(shape === 'k3s' ? kataDeployShapes.find(({ name }) => name.startsWith('k3s, a drop-in'))! : plain).host;
      for (const [path, text] of Object.entries(files)) put(host.root, path, text);
      if (what.startsWith('by the name')) symlinkSync(shim, host.path('usr/local/bin/containerd-shim-kata-v2'));
      const before = host.listing();

      const refused = await host.json(['adopt', 'kata-deploy', '--remove'], 3);

      assert.deepEqual([refused['code'], refused['subject']], ['adopt-unproven', `/${subject}`]);
      assert.deepEqual(differences(before, host.listing()), []);
    });

  it('never makes a name of a handler that is not chosen one of another', async () => {
    const tdx = { name: 'kata-qemu-tdx-blue', base: 'qemu-tdx', folder: '/opt/kata-blue' };
    host = hostOf({
      ...plain,
      deploy: (root) => {
        plain.deploy(root);
        put(root, 'etc/containerd/conf.d/kata-deploy-blue.toml', dropIn([tdx]));
        release(root, [tdx]);
      },
    }).host;
    const words = ['adopt', 'kata-deploy', ...releases, '--handler', 'qemu-runtime-rs'];
    const future = { name: 'kata-future', base: 'future' };

    const refused = await host.json(words, 3);
    await host.json([...words, '--alias', 'kata-qemu-tdx-blue=kata-qemu-runtime-rs', '--dry-run']);

    put(host.root, 'etc/containerd/conf.d/kata-deploy-blue.toml', dropIn([future]));
    const unknown = await host.json(words, 3);

    assert.deepEqual([refused['code'], refused['subject']], ['handler-not-installed', 'kata-qemu-tdx-blue']);
    assert.deepEqual([unknown['code'], unknown['subject']], ['handler-not-installed', 'kata-future']);
    assert.match(`${refused['found']}`, /made from kata-qemu-tdx,/);
  });

  it('looks into a bounded number of files for what needs the release', async () => {
    host = hostOf(plain).host;
    for (let index = 0; index < 520; index += 1) put(host.root, `etc/containerd/conf.d/${index}.toml`, '');

    assert.equal((await host.json(['adopt', 'kata-deploy', '--remove'], 3))['code'], 'adopt-unproven');
  });

  it('refuses a file with several names, and one that is no UTF-8', async () => {
    const codes: unknown[] = [];
    for (const spoil of [
      (path: string) => linkSync(path, `${path}.other`),
      (path: string) => writeFileSync(path, Buffer.concat([Buffer.from('# caf\xe9\n', 'latin1'), readFileSync(path)])),
    ]) {
      host = hostOf(inPlace).host;
      spoil(host.path(main));
      const before = host.listing();
      codes.push((await host.json(['adopt', 'kata-deploy', '--remove'], 3))['code']);
      assert.deepEqual(differences(before, host.listing()), []);
      host.remove();
    }

    assert.deepEqual(codes, ['engine-unsupported', 'engine-config-invalid']);
  });

  it('refuses to take settings of users away, with the commands that save them, and does so where it is allowed', async () => {
    host = hostOf(drop).host;
    const folder = 'opt/kata/share/defaults/kata-containers/runtime-rs/runtimes/qemu-runtime-rs/config.d';
    put(host.root, `${folder}/50-user-overrides.toml`, '[hypervisor.qemu]\n');
    const before = host.listing();
    const words = ['adopt', 'kata-deploy', ...releases];

    const refused = await host.json(words, 3);
    const unchanged = differences(before, host.listing());
    const commands = `${refused['next']}`.split(/; (?:then .*)?/).filter((line) => line !== '' && !line.includes(' /root/'));
    for (const line of commands) execFileSync('sh', ['-c', line]);
    const change = await host.json([...words, '--allow', 'kata-deploy-settings']);

    assert.deepEqual([refused['code'], unchanged], ['kata-deploy-settings', []]);
    assert.match(
      `${refused['next']}`,
      /^cp \S*\/zz-kata-deploy-user\.toml \/root\/etc-containerd-conf\.d-zz-kata-deploy-user\.toml; mkdir .* --allow kata-deploy-settings$/,
    );
    assert.ok(existsSync(host.path('etc/kata-containers/kata-qemu-runtime-rs.d/50-user-overrides.toml')));
    assert.deepEqual(
      (change['findings'] as { code: string; next: string }[])
        .filter(({ code }) => code === 'kata-deploy-settings')
        .map(({ next }) => next),
      ['nothing: --allow kata-deploy-settings was given'],
    );
  });
});
