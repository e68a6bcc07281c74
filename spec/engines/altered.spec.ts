import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { engineHosts, prepareEngineHost } from '../support/trees/engineHosts.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';
import { startingTrees } from '../support/trees/startingTrees.ts';

const templates = 'var/lib/rancher/k3s/agent/etc/containerd';

async function answerOf(host: InProcessTree, args: string[]): Promise<{ code?: string; found?: string; to?: number }> {
  return JSON.parse((await host.run([...args, '--json', '--progress', 'none'])).stdout) as { code?: string };
}

describe('what others changed of an installation', function () {
  this.timeout(300_000);
  const { installed, keep } = startingTrees();
  let first: string;
  let second: string;
  before(async () => {
    ({ first, second } = await plainReleases());
  });

  const hostOf = (name: string) => {
    const row = engineHosts[name]!;
    return keep(inProcessTree(row.tree, (root) => prepareEngineHost(root, row), row.engine));
  };
  const edits: [name: string, file: string, edit: (text: string) => string][] = [
    ['k0s', 'etc/k0s/containerd.d/kata-sysext.toml', () => 'version = 2\n'],
    ['k0s', 'etc/k0s/containerd.d/kata-sysext.toml', () => '# nothing\n'],
    ['k0s', 'etc/k0s/containerd.d/kata-sysext.toml', (text) => text.replaceAll('/etc/kata-sysext/current', '/etc/kata-sysext/other')],
    ['k3s, templates', `${templates}/config.toml.tmpl`, (text) => text.slice(0, text.indexOf('# BEGIN kata-sysext'))],
    ['k3s, templates', `${templates}/config.toml.tmpl`, (text) => text.replaceAll('/etc/kata-sysext/current', '/etc/kata-sysext/other')],
  ];
  for (const [index, [name, file, edit]] of edits.entries())
    it(`${name}: a file that no longer leads to the handlers is no success of a change (${index + 1})`, async () => {
      const host = hostOf(name);
      await host.json(['install', first]);
      const before = readFileSync(host.path(file), 'utf8');
      writeFileSync(host.path(file), edit(before));

      const codes: (string | undefined)[] = [];
      for (const args of [
        ['install', second],
        ['configure', '--set', 'default_vcpus=4'],
      ])
        codes.push((await answerOf(host, args)).code);
      const isBack = readFileSync(host.path(file), 'utf8') === before;

      // Where all of the text went, a change writes it again.
      assert.ok(codes.every((code) => code === 'foreign-edit') || isBack, codes.join());
    });

  it('k0s: an edit beside the handlers stays, and a change goes on', async () => {
    const host = hostOf('k0s');
    await host.json(['install', first]);
    const file = host.path('etc/k0s/containerd.d/kata-sysext.toml');
    writeFileSync(file, `${readFileSync(file, 'utf8')}# mine\n`);

    const change = await host.json(['install', second]);

    assert.equal(change['to'], 2);
    assert.match(readFileSync(file, 'utf8'), /# mine\n$/);
  });

  const folder = 'var/usrlocal/libexec/kata-sysext/generations/2';
  const config = `${folder}/config/kata-qemu-runtime-rs`;
  const damages: [what: string, damage: (host: InProcessTree) => void][] = [
    ['a configuration that is gone', (host) => rmSync(host.path(`${config}/configuration.toml`))],
    ['a configuration with another line', (host) => writeFileSync(host.path(`${config}/configuration.toml`), '# mine\n')],
    [
      'a link in place of a configuration',
      (host) => {
        renameSync(host.path(`${config}/configuration.toml`), host.path(`${config}/other.toml`));
        symlinkSync('other.toml', host.path(`${config}/configuration.toml`));
      },
    ],
    ['the link to the payload', (host) => unlinkSync(host.path(`${folder}/payload`))],
    [
      'the link to the drop-ins',
      (host) => {
        unlinkSync(host.path(`${config}/config.d`));
        symlinkSync('/tmp/x', host.path(`${config}/config.d`));
      },
    ],
  ];
  for (const [what, damage] of damages)
    it(`${what}: verify names it, the install that it names makes the generation again, and no switch goes to the old one`, async () => {
      const host = installed();
      damage(host);

      await host.json(['verify'], 1);
      await host.json(['install', second]);
      const { generation, drift } = await host.json(['verify']);
      const back = await answerOf(host, ['rollback', '--to', '2', '--dry-run']);

      assert.deepEqual([generation, drift], [3, []]);
      assert.equal(back.code, 'payload-damaged');
    });

  it('a configuration or its folder that others may write to: verify names it, and each change says how to mend it', async () => {
    for (const [path, mode] of [
      [`${config}/configuration.toml`, 0o666],
      [config, 0o777],
    ] as const) {
      const host = installed();
      chmodSync(host.path(path), mode);

      const { drift } = await host.json(['verify'], 1);
      const change = await answerOf(host, ['install', second]);

      assert.match((drift as { found: string }[])[0]!.found, /others may write to it: its mode is [67]+$/);
      assert.equal(change.code, 'state-unsafe');
    }
  });

  it('a pipe in place of a configuration keeps nothing waiting', async () => {
    const host = installed();
    rmSync(host.path(`${config}/configuration.toml`));
    execFileSync('mkfifo', [host.path(`${config}/configuration.toml`)]);

    const { drift } = await host.json(['verify'], 1);
    const change = await answerOf(host, ['install', second]);

    assert.match((drift as { found: string }[])[0]!.found, /: it is no regular file$/);
    assert.equal(change.code, 'state-unsafe');
  });
});
