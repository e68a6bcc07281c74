import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootNode, prepareNode, type Said } from '../support/live/firstBootNode.ts';
import { json } from '../support/program.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, story, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const config = 'etc/containerd/config.toml';
const v2 = `# a node's own
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  enable_selinux = true
  [plugins."io.containerd.grpc.v1.cri".registry.configs."r.example".auth]
    password = "hunter2-of-the-node"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`;
const v3 = 'version = 3\n[plugins."io.containerd.cri.v1.runtime".containerd]\n  default_runtime_name = "runc"\n';
const importing = `imports = ["/etc/containerd/conf.d/*.toml"]\n${v3}`;

/** The unit's own script, run on trees of a node, against what an installation there is. */
describe('a rendered first boot of containerd', function () {
  this.timeout(900_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-rendered-containerd-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const stories = [...story, 'var/lib/kata-sysext/journal'];
  const records = ['manifest.json', 'record.json'].map((name) => `var/lib/kata-sysext/generations/1/${name}`);
  const ofIgnition = ['etc/kata-sysext-first-boot', 'var/lib/kata-sysext-first-boot'];

  /** Where the archive and the Ignition configuration for a node with this file are. */
  async function render(name: string, text: string, engine: string): Promise<string> {
    const { first } = await releases();
    const [file, output] = [join(folder, `${name}.toml`), join(folder, name)];
    writeFileSync(file, text);
    const request = ['--target', 'fcos', '--form', 'rendered', '--engine', engine, '--engine-config', file, '--from', 'https://a.example'];
    await json(['generate', 'ignition', first, ...request, '-o', output]);
    return output;
  }

  function node(text: string, engine: string, prepare: (root: string) => void = () => undefined): TreeHost {
    const own = (root: string) => {
      put(root, config, text, 0o640);
      prepare(root);
    };
    return treeHost('fcos', own, { engine });
  }

  const nodes: [name: string, text: string, engine: string, said: Said, files: string[]][] = [
    ['a table of version 2', v2, 'containerd@1.7.24', {}, [config]],
    ['no version is told', v2, 'containerd', { version: '2.1.4' }, [config]],
    ['its lines end as on Windows, the last not at all', v2.trimEnd().replaceAll('\n', '\r\n'), 'containerd@1.7.24', {}, [config]],
    ['it is empty', '', 'containerd@2.1', { version: 'v2.1.4' }, [config]],
    ['one import, and a file of ours', v3, 'containerd@2.1', { version: 'v2.1.4' }, [config, 'etc/containerd/kata-sysext.toml']],
    ['a folder for drop-ins', importing, 'containerd@2.1', { version: '2.2.0' }, ['etc/containerd/conf.d/kata-sysext.toml']],
  ];
  for (const [index, [name, text, engine, said, files]] of nodes.entries()) {
    it(`${name}: the node is as after an installation there, and as before it after an uninstall`, async () => {
      const { first } = await releases();
      // systemd brings the second one to every node.
      const folders = (root: string) =>
        execFileSync('mkdir', ['-p', join(root, 'etc/containerd/conf.d'), join(root, 'etc/modules-load.d')]);
      const [installed, booted] = [node(text, engine, folders), node(text, engine, folders)];
      const before = booted.fingerprint();
      await installed.json(['install', first, '--backend', 'prefix']);
      prepareNode(booted.root, await render(`node-${index}`, text, engine));

      const ran = bootNode(booted.root, said);

      assert.deepEqual([ran.status, ran.said], [0, 'Kata Containers is in place\n']);
      // Which folders somebody made first, and when, is told otherwise.
      const leftOut = [...stories, ...records, ...ofIgnition, 'var/lib/kata-sysext/folders.json'];
      assert.deepEqual(booted.fingerprint(leftOut), installed.fingerprint(leftOut));
      for (const file of files)
        assert.notEqual(execFileSync('grep', ['-c', 'kata-sysext', booted.path(file)], { encoding: 'utf8' }), '0\n');
      assert.deepEqual((await booted.json(['verify']))['drift'], []);
      await booted.json(['uninstall', '--purge']);
      assert.deepEqual(booted.fingerprint(ofIgnition), before);
      installed.remove();
      booted.remove();
    });
  }

  it('a boot that was cut short is finished by the next one', async () => {
    const host = node(v2, 'containerd@1.7.24');
    prepareNode(host.root, await render('cut', v2, 'containerd@1.7.24'));

    // After the last edit, before it is noted.
    const cut = bootNode(host.root, { broken: 'rm' });
    const again = bootNode(host.root);

    assert.notEqual(cut.status, 0);
    assert.deepEqual([again.status, again.said], [0, 'Kata Containers is in place\n']);
    assert.deepEqual((await host.json(['verify']))['drift'], []);
    host.remove();
  });

  it('nothing of the node’s own configuration is in the archive or in what is written beside it', async () => {
    const output = await render('secret', v2, 'containerd@1.7.24');

    const all = join(folder, 'secret-tree');
    prepareNode(all, output);
    const archive = readdirSync(output).find((name) => name.endsWith('.tar.gz'))!;
    execFileSync('tar', ['-xzf', join(output, archive), '-C', all]);

    const told = ['hunter2', 'enable_selinux', '# a node', 'BEGIN kata-sysext'].map(
      (text) => spawnSync('grep', ['-rqF', text, all]).status,
    );
    assert.deepEqual(told, [1, 1, 1, 0]);
  });

  const others: [name: string, alter: (root: string) => void, said: Said, says: RegExp][] = [
    ['another file', (root) => put(root, config, `${v2}\n# edited\n`), {}, /config\.toml is not the file that this was made for/],
    ['no file', (root) => rmSync(join(root, config)), {}, /config\.toml is not the file that this was made for/],
    [
      'a link',
      (root) => {
        renameSync(join(root, config), join(root, `${config}.there`));
        symlinkSync('config.toml.there', join(root, config));
      },
      {},
      /config\.toml is a link/,
    ],
    [
      'a daemon that is told another file',
      () => undefined,
      {
        execStart:
          '{ path=/usr/bin/containerd ; argv[]=/usr/bin/containerd --config /usr/share/containerd/config.toml ; ignore_errors=no }',
      },
      /reads \/usr\/share\/containerd\/config\.toml, not/,
    ],
    [
      'Flatcar’s variable',
      () => undefined,
      {
        execStart: '{ path=/usr/bin/containerd ; argv[]=/usr/bin/containerd --config $CONTAINERD_CONFIG ; ignore_errors=no }',
        environment: 'A=b CONTAINERD_CONFIG=/usr/share/containerd/config.toml',
      },
      /reads \/usr\/share\/containerd\/config\.toml, not/,
    ],
    ['another daemon', () => undefined, { version: '2.1.4' }, /containerd here is 2\.1\.4, not 1\.7\.x/],
    ['an older daemon', () => undefined, { version: '1.6.20~ds1' }, /containerd here is 1\.6\.20~ds1, not 1\.7\.x/],
  ];
  for (const [name, alter, said, says] of others) {
    it(`${name}: nothing is changed, and the journal says so`, async () => {
      const host = node(v2, 'containerd@1.7.24', alter);
      prepareNode(host.root, await render(`other-${name.replaceAll(/\W/g, '-')}`, v2, 'containerd@1.7.24'));
      const before = host.fingerprint();

      const ran = bootNode(host.root, said);

      assert.equal(ran.status, 3);
      assert.match(ran.said, says);
      assert.match(ran.said, /nothing was changed, the node runs without Kata/);
      assert.deepEqual(host.fingerprint(['var/lib/kata-sysext-first-boot']), before);
      host.remove();
    });
  }

  for (const [name, path, says] of [
    ['a drop-in that nobody told of', 'etc/containerd/conf.d/50-gpu.toml', /it also reads \/etc\/containerd\/conf\.d\/50-gpu\.toml/],
    ['a file of our name', 'etc/containerd/conf.d/kata-sysext.toml', /kata-sysext\.toml is there already/],
  ] as const) {
    it(`${name}: nothing is changed, and the journal says so`, async () => {
      const host = node(importing, 'containerd@2.1', (root) => put(root, path, 'version = 3\n'));
      prepareNode(host.root, await render(`further-${path.length}`, importing, 'containerd@2.1'));
      const before = host.fingerprint();

      const ran = bootNode(host.root, { version: '2.1.4' });

      assert.equal(ran.status, 3);
      assert.match(ran.said, says);
      assert.deepEqual(host.fingerprint(['var/lib/kata-sysext-first-boot']), before);
      host.remove();
    });
  }

  it('refuses what it could only guess', async () => {
    const { first } = await releases();
    const base = ['generate', 'ignition', first, '--target', 'fcos', '--from', 'https://a.example', '-o', join(folder, 'none')];
    const files = { v2: join(folder, 'v2.toml'), literal: join(folder, 'literal.toml'), folders: join(folder, 'folders.toml') };
    writeFileSync(files.v2, v2);
    writeFileSync(files.literal, `imports = ["/etc/containerd/gpu.toml"]\n${v3}`);
    writeFileSync(files.folders, `imports = ["/etc/containerd/*/gpu.toml"]\n${v3}`);

    for (const [words, code, status] of [
      [['--form', 'rendered', '--engine', 'containerd@1.7'], 'usage', 2],
      [['--form', 'rendered', '--engine', 'containerd@1.7', '--engine-config', join(folder, 'absent.toml')], 'usage', 2],
      [['--form', 'rendered', '--engine', 'containerd@1.7', '--engine-config', folder], 'usage', 2],
      [['--form', 'rendered', '--engine', 'crio@1.34', '--engine-config', files.v2], 'usage', 2],
      [['--form', 'rendered', '--engine', 'containerd@2.1', '--engine-config', files.folders], 'usage', 2],
      [['--form', 'rendered', '--engine', 'containerd@2.1', '--engine-config', files.literal], 'engine-config-invalid', 3],
      [['--form', 'hook', '--program', files.v2, '--engine-config', files.v2], 'usage', 2],
    ] as const) {
      const refused = await json([...base, ...words], status);

      assert.equal(refused['code'], code, words.join(' '));
    }
  });
});
