import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { k0s } from '../../../cli/engines/k0s/index.ts';
import { handler, treesOfSpec } from '../../support/trees/engineTree.ts';
import { folder, instanceOn, ours, unit, unitText } from './k0sFiles.ts';

type Text = 'schema-2' | 'schema-3' | 'none' | 'edited';

/** What `k0s version` says, and the file that has to be there for it. */
const versions: [said: string, wanted: Text][] = [
  ['v1.27.1+k0s.0', 'schema-2'],
  ['v1.34.10+k0s.0', 'schema-2'],
  ['v1.35.9+k0s.2', 'schema-2'],
  ['v1.35.0-rc.1+k0s.0', 'schema-2'],
  ['1.35.1', 'schema-2'],
  ['v1.36.0-beta.0+k0s.0', 'schema-3'],
  ['v1.36.3+k0s.2', 'schema-3'],
  ['v1.40.0+k0s.0', 'schema-3'],
  ['v1.100.0+k0s.0', 'schema-3'],
  ['v2.0.0+k0s.0', 'schema-3'],
  ['v10.1.0', 'schema-3'],
  ['', 'none'],
  ['v1', 'none'],
  ['Error: unknown command', 'none'],
  ['v1.x.3', 'none'],
  ['v1.36.3; rm -rf /', 'schema-3'],
  ['v$(reboot).36.3', 'none'],
];

describe('engines/k0s: the choice before each start of k0s, by the shell', () => {
  const treeOf = treesOfSpec();

  /** The planned files in a folder of this machine, and the script with its paths there. */
  async function placed() {
    const tree = await treeOf({ '/usr/local/bin/k0s': '', [unit]: unitText });
    await tree.apply(await k0s.plan(tree.host, await instanceOn(tree.host, '1.34.10'), [handler('kata-qemu')]));
    const own = join(tree.root, 'etc/k0s/kata-sysext');
    const text = readFileSync(join(own, 'choose.sh'), 'utf8');
    const script = text.replaceAll('/etc/k0s', join(tree.root, 'etc/k0s')).replaceAll('/usr/local/bin/k0s', join(tree.root, 'bin/k0s'));
    const texts = Object.fromEntries(['schema-2', 'schema-3'].map((name) => [name, readFileSync(join(own, `${name}.toml`), 'utf8')]));
    const file = join(tree.root, ours);
    mkdirSync(join(tree.root, 'bin'));
    return {
      root: tree.root,
      file,
      texts,
      installed(said: string) {
        writeFileSync(join(tree.root, 'bin/k0s'), `#!/bin/sh\n[ "$1" = version ] && cat <<'END'\n${said}\nEND\n`);
        chmodSync(join(tree.root, 'bin/k0s'), 0o755);
      },
      run: () => spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8' }),
      now(): Text {
        if (!existsSync(file)) return 'none';
        const found = Object.entries(texts).find(([, each]) => each === readFileSync(file, 'utf8'));
        return (found?.[0] as Text | undefined) ?? 'edited';
      },
    };
  }

  for (const [said, wanted] of versions) {
    it(`${said === '' ? 'nothing' : said}: ${wanted}, whatever of kata-sysext was there before`, async () => {
      const host = await placed();
      host.installed(said);
      const found: Text[] = [];
      for (const before of ['schema-2', 'schema-3', undefined] as const) {
        if (before === undefined) rmSync(host.file, { force: true });
        else writeFileSync(host.file, host.texts[before]!);
        const { status } = host.run();
        assert.equal(status, 0);
        found.push(host.now());
      }

      assert.deepEqual(found, [wanted, wanted, wanted]);
      assert.deepEqual(readdirSync(join(host.root, 'etc/k0s/kata-sysext')).sort(), ['choose.sh', 'schema-2.toml', 'schema-3.toml']);
    });
  }

  it('a k0s that is gone, one that fails, and no folder for the file: no file of another version stays, and it says so', async () => {
    const host = await placed();
    const gone = host.run();
    const afterGone = host.now();
    writeFileSync(host.file, host.texts['schema-2']!);
    host.installed('v1.36.3+k0s.2');
    rmSync(join(host.root, folder), { recursive: true });

    const without = host.run();

    assert.deepEqual([afterGone, gone.status, host.now(), without.status], ['none', 0, 'none', 0]);
    assert.match(gone.stderr, /the version of k0s cannot be read/);
  });

  it('a file that was edited stays, and a text that is there already is not written again', async () => {
    const host = await placed();
    host.installed('v1.36.3+k0s.2');
    writeFileSync(host.file, `${host.texts['schema-3']}# mine\n`);
    host.run();
    const edited = host.now();
    writeFileSync(host.file, host.texts['schema-3']!);
    chmodSync(host.file, 0o640);

    host.run();

    assert.equal(edited, 'edited');
    assert.equal(readFileSync(host.file, 'utf8'), host.texts['schema-3']);
    assert.equal(spawnSync('stat', ['-c', '%a', host.file], { encoding: 'utf8' }).stdout, '640\n');
  });

  it('a copy that fails, as on a full disk, leaves no text for another version', async () => {
    const host = await placed();
    host.installed('v1.36.3+k0s.2');
    // The copy fails as on a full disk: its name is a folder.
    mkdirSync(join(host.root, 'etc/k0s/kata-sysext/chosen.tmp/schema-3.toml'), { recursive: true });

    host.run();

    assert.equal(host.now(), 'none');
  });
});
