import assert from 'node:assert/strict';
import { lstatSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { crio } from '../../cli/engines/crio/index.ts';
import { docker } from '../../cli/engines/docker/index.ts';
import { treesOfSpec } from '../support/trees/engineTree.ts';
import { put } from '../support/trees/hostTrees.ts';
import { inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';
import { startingTrees } from '../support/trees/startingTrees.ts';
import { main, newId, oldId, plan } from './containerdPlans.ts';

const config = 'etc/containerd/config.toml';

interface Recorded {
  wiring: { version?: string; marks: { text: string }[] };
}

describe('a tree between two changes', function () {
  this.timeout(300_000);
  const { keep } = startingTrees();
  let first: string;
  let second: string;
  before(async () => {
    ({ first, second } = await plainReleases());
  });

  for (const version of ['1.6.20', '1.7.0', '2.1.9'])
    it(`keeps the version of --engine containerd@${version}: an upgrade and a rollback without it give the same bytes`, async () => {
      const tree = keep(inProcessTree('fcos', undefined, []));
      const read = () => readFileSync(tree.path(config), 'utf8');
      await tree.json(['install', first, '--engine', `containerd@${version}`]);
      const [wired, before] = [read(), tree.listing()];

      const again = await tree.json(['install', first]);
      await tree.json(['install', second, '--engine', 'containerd']);
      await tree.json(['rollback']);

      assert.deepEqual([again['to'], read()], [1, wired]);
      const etc = (lines: string[]) => lines.filter((line) => line.startsWith('etc/'));
      assert.deepEqual(etc(tree.listing()), etc(before));
      const record = JSON.parse(readFileSync(tree.path('var/lib/kata-sysext/generations/1/record.json'), 'utf8')) as Recorded;
      assert.equal(record.wiring.version, version);
    });

  it('another version that is named replaces it', async () => {
    const tree = keep(inProcessTree('fcos', undefined, []));
    await tree.json(['install', first, '--engine', 'containerd@1.6.20']);

    await tree.json(['install', second, '--engine', 'containerd@2.1']);

    const record = JSON.parse(readFileSync(tree.path('var/lib/kata-sysext/generations/2/record.json'), 'utf8')) as Recorded;
    assert.equal(record.wiring.version, '2.1');
  });

  for (const [what, text, isLost] of [
    ['a key directly below the block', 'a = 1\n', true],
    ['a comment, and a table below it', '# mine\n\n[debug]\na = 1\n', false],
  ] as const)
    it(`status sees what the engine's rule sees: ${what}`, async () => {
      const tree = keep(inProcessTree('fcos'));
      await tree.json(['install', first]);
      put(tree.root, config, `${readFileSync(tree.path(config), 'utf8')}${text}`);

      const { findings } = await tree.json(['status']);
      const check = await tree.json(['check']);

      const codes = (list: unknown) =>
        (list as { code: string; level: string }[]).flatMap(({ code, level }) => (level === 'info' ? [] : code));
      assert.deepEqual(codes(findings).includes('drift-found'), isLost);
      const by = (findings as { code: string; next: string }[]).find(({ code }) => code === 'drift-found')?.next ?? '';
      assert.equal(/^take what is left of kata-sysext’s text out of \/etc\/containerd\/config.toml by hand, then: /.test(by), isLost);
      assert.deepEqual(codes(check['findings']).includes('foreign-edit'), isLost);
    });

  for (const [engine, file] of [
    ['containerd@1.7', config],
    ['k3s@1.33', 'var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl'],
  ] as const)
    it(`${engine}: a line of the user directly above the block stays through an upgrade, a rollback and an uninstall`, async () => {
      const template = '{{ template "base" . }}\n';
      const tree = keep(inProcessTree('fcos', (root) => engine.startsWith('k3s') && put(root, file, template), engine));
      const read = () => readFileSync(tree.path(file), 'utf8');
      await tree.json(['install', first]);
      const before = read().split('\n# BEGIN')[0]!;
      put(tree.root, file, read().replace('# BEGIN', '# mine\n# BEGIN'));

      await tree.json(['install', second]);
      await tree.json(['rollback']);
      await tree.json(['uninstall', '--purge']);

      assert.equal(read(), `${before}\n# mine\n`);
    });

  for (const [what, file, text, engine] of [
    ['containerd', config, undefined, 'containerd@1.7'],
    ['Docker', 'etc/docker/daemon.json', '{\n  "log-level": "info"\n}\n', 'docker@28.0.1'],
  ] as const)
    it(`${what}: a configuration that became a link since is edited where it leads, and given back`, async () => {
      const tree = keep(inProcessTree('fcos', (root) => text !== undefined && put(root, file, text), engine));
      const before = readFileSync(tree.path(file), 'utf8');
      await tree.json(['install', first]);
      renameSync(tree.path(file), tree.path(`${file}.real`));
      symlinkSync(`/${file}.real`, tree.path(file));

      await tree.json(['install', second]);
      await tree.json(['rollback']);
      await tree.json(['uninstall', '--purge']);

      assert.equal(readFileSync(tree.path(`${file}.real`), 'utf8'), before);
      assert.ok(lstatSync(tree.path(file)).isSymbolicLink());
    });
});

describe('keys in another case, which the engine takes all the same', () => {
  const engineTree = treesOfSpec();
  const runtimes = (key: string) => `version = 3\n[plugins."${newId}".${key}]\nruntime_type = "x"\n`;
  const odd: [what: string, text: string, key: string][] = [
    ['the list of imports', 'version = 3\nImports = ["/etc/containerd/other.d/*.toml"]\n', 'imports'],
    ['the version', 'Version = 3\n', 'version'],
    ['disabled plugins', `version = 3\nDisabled_plugins = ["${newId}"]\n`, 'disabled_plugins'],
    ['the plugins', `version = 3\n[PLUGINS."${newId}".containerd.runtimes.kata-qemu]\nruntime_type = "x"\n`, 'plugins'],
    ['the runtimes', runtimes('containerd.Runtimes.kata-qemu'), 'runtimes'],
    ['their parent', runtimes('Containerd.runtimes.kata-qemu'), 'containerd'],
    ['the default', `version = 2\n[plugins."${oldId}".containerd]\nDefault_runtime_name = "kata-qemu"\n`, 'default_runtime_name'],
  ];
  for (const [what, text, key] of odd)
    it(`containerd 2.x: ${what}`, async () => {
      const tree = await engineTree({ [main]: text });

      for (const version of ['2.1.9', undefined])
        await assert.rejects(
          plan(tree, version, ['kata-qemu']),
          ({ code, complaint }: { code: string; complaint: { found: string; next: string } }) => {
            assert.equal(code, 'engine-unsupported');
            assert.match(complaint.found, new RegExp(`, which containerd 2.x takes for ${key}\\.$`));
            assert.equal(complaint.next, `Write ${key} in ${main}.`);
            return true;
          },
        );
    });

  it('containerd 1.x takes them for other keys, and they stay', async () => {
    const tree = await engineTree({ [main]: 'version = 2\nImports = ["/x/*.toml"]\n' });

    const { changes } = await plan(tree, '1.6.20', ['kata-qemu']);

    assert.equal(changes.length, 1);
  });

  it('CRI-O: the default handler', async () => {
    const tree = await engineTree({ '/etc/crio/crio.conf.d/99.conf': '[crio.Runtime]\nDefault_runtime="kata-qemu"\n' });
    const instance = { engine: 'crio', configPath: '/etc/crio/crio.conf' };

    assert.deepEqual(await crio.readSettings!(tree.host, instance), [{ crio: { runtime: { default_runtime: 'kata-qemu' } } }]);
  });

  it('a handler that is the default in another case cannot go', async () => {
    const { first } = await plainReleases();
    for (const [file, text, engine] of [
      ['etc/crio/crio.conf.d/99.conf', '[crio.Runtime]\nDefault_runtime="kata-qemu-runtime-rs"\n', 'crio@1.34'],
      [config, `version = 3\n[plugins."${newId}".containerd]\nDefault_Runtime_Name = "kata-qemu-runtime-rs"\n`, 'containerd@2.1'],
    ] as const) {
      const tree = inProcessTree('microos', undefined, engine);
      try {
        await tree.json(['install', first]);
        const own = engine.startsWith('crio') ? text : `${readFileSync(tree.path(file), 'utf8')}${text.replace('version = 3\n', '')}`;
        put(tree.root, file, own.replace('containerd]\n  default_runtime_name = "runc"\n', 'other]\n'));
        const answer = JSON.parse((await tree.run(['uninstall', '--json'])).stdout) as { code: string };

        assert.equal(answer.code, 'handler-is-default', engine);
      } finally {
        tree.remove();
      }
    }
  });
});

describe('a text that is legal TOML, and that one of two parsers refuses', () => {
  const engineTree = treesOfSpec();
  for (const line of ['at = 1990-12-31T23:59:60Z', 'days = [1979-05-27,1979-05-28]'])
    it(`is refused with that reason: ${line}`, async () => {
      const tree = await engineTree({ [main]: `version = 3\n${line}\n` });

      await assert.rejects(plan(tree, '2.1.9', ['kata-qemu']), ({ complaint }: { complaint: { found: string } }) => {
        assert.match(complaint.found, /is read by one TOML 1\.0 parser and refused by a second/);
        return true;
      });
    });
});

describe('what a unit names by its variables', () => {
  const engineTree = treesOfSpec();
  it('Docker: another configuration file', async () => {
    const tree = await engineTree({
      '/usr/bin/dockerd': '',
      '/usr/lib/systemd/system/docker.service':
        '[Service]\nEnvironmentFile=-/etc/sysconfig/docker\nExecStart=/usr/bin/dockerd -H fd:// $OPTIONS\n',
      '/etc/sysconfig/docker': 'OPTIONS="--config-file=/etc/docker/alt.json"\n',
    });

    const [found] = await docker.detect(tree.host, '28.0.1');

    assert.equal(found?.configPath, '/etc/docker/alt.json');
  });

  it('CRI-O: a folder by a flag with one dash', async () => {
    const tree = await engineTree({
      '/usr/bin/crio': '',
      '/usr/lib/systemd/system/crio.service': '[Service]\nExecStart=/usr/bin/crio -config-dir=/etc/alt.d\n',
    });

    const [found] = await crio.detect(tree.host, '1.36');

    assert.equal(found?.configFolder, '/etc/alt.d');
  });
});
