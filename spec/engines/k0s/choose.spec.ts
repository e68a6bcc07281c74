import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { k0s } from '../../../cli/engines/k0s/index.ts';
import { handler, treesOfSpec } from '../../support/trees/engineTree.ts';
import { folder, instanceOn, ours, unit, unitText } from './k0sFiles.ts';

type Text = 'schema-2' | 'schema-3' | 'none' | 'edited';

/** What `k0s version` says, and the file that has to be there for it; 'none': a file of schema 3 stays, because every k0s starts beside it. */
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
      own,
      run: (env: NodeJS.ProcessEnv = process.env) => spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8', env, timeout: 60_000 }),
      /** The program came to the host this many seconds after the choice for schema 2, as files tell. */
      cameLater(seconds: number) {
        const at = statSync(join(tree.root, 'bin/k0s')).ctimeMs / 1000 - seconds;
        utimesSync(join(own, 'schema-2.toml'), at, at);
      },
      /** A folder for PATH, with these programs of this machine and one of each given text. */
      path(names: string[], own: Record<string, string> = {}): string {
        const bin = join(tree.root, 'path');
        mkdirSync(bin);
        for (const name of names)
          symlinkSync(spawnSync('/bin/sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim(), join(bin, name));
        for (const [name, text] of Object.entries(own)) writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
        return bin;
      },
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
      host.cameLater(10);
      const found: Text[] = [];
      for (const before of ['schema-2', 'schema-3', undefined] as const) {
        if (before === undefined) rmSync(host.file, { force: true });
        else writeFileSync(host.file, host.texts[before]!);
        const { status } = host.run();
        assert.equal(status, 0);
        found.push(host.now());
      }

      assert.deepEqual(found, wanted === 'none' ? ['none', 'schema-3', 'none'] : [wanted, wanted, wanted]);
      assert.deepEqual(readdirSync(join(host.root, 'etc/k0s/kata-sysext')).sort(), ['choose.sh', 'schema-2.toml', 'schema-3.toml']);
    });
  }

  it('a k0s that is gone, one that fails, and no folder for the file: no file of another version stays, and it says so', async () => {
    const host = await placed();
    writeFileSync(host.file, host.texts['schema-2']!);
    const gone = host.run();
    const afterGone = host.now();
    writeFileSync(host.file, host.texts['schema-2']!);
    host.installed('v1.36.3+k0s.2');
    rmSync(join(host.root, folder), { recursive: true });

    const without = host.run();

    assert.deepEqual([afterGone, gone.status, host.now(), without.status], ['none', 0, 'none', 0]);
    assert.match(gone.stderr, /the version of k0s cannot be read/);
  });

  it('where the version cannot be read, the file of the program that it was chosen for stays; one for another program goes', async () => {
    const host = await placed();
    const found: Text[] = [];
    host.installed('v1.35.2+k0s.0');
    host.run();
    host.cameLater(0);
    writeFileSync(join(host.root, 'bin/k0s'), '#!/bin/sh\nexit 1\n');
    const came = statSync(join(host.root, 'bin/k0s')).ctimeMs / 1000;
    utimesSync(join(host.own, 'schema-2.toml'), Math.floor(came), Math.floor(came));
    const unread = host.run();
    found.push(host.now());
    host.cameLater(2);
    const other = host.run();
    found.push(host.now());

    assert.deepEqual(found, ['schema-2', 'none']);
    assert.doesNotMatch(unread.stderr, /without the handlers/);
    assert.match(other.stderr, /without the handlers/);
  });

  it('each choice notes for which program it was made, also one that changes nothing', async () => {
    const host = await placed();
    host.installed('v1.35.2+k0s.0');
    host.cameLater(1000);

    host.run();

    const [noted, came] = [statSync(join(host.own, 'schema-2.toml')).mtimeMs, statSync(join(host.root, 'bin/k0s')).ctimeMs];
    assert.equal(Math.floor(noted / 1000), Math.floor(came / 1000));
  });

  const usual = ['cat', 'cp', 'chmod', 'mv', 'rm', 'stat', 'touch'];
  const hosts: [what: string, names: string[], own: (log: string) => Record<string, string>, synced: boolean][] = [
    ['has no timeout', [...usual, 'sync'], () => ({}), false],
    ['has no sync', [...usual, 'timeout'], () => ({}), false],
    ['has no stat and no touch', ['cat', 'cp', 'chmod', 'mv', 'rm', 'timeout', 'sync'], () => ({}), false],
    [
      'notes what is synced',
      ['cat', 'cp', 'chmod', 'rm', 'stat', 'touch', 'timeout'],
      (log) => ({ sync: `echo "sync $1" >>${log}`, mv: `echo mv >>${log}\n/bin/mv "$@"` }),
      true,
    ],
  ];
  for (const [what, names, own, synced] of hosts)
    it(`puts the right text in place where the host ${what}`, async () => {
      const host = await placed();
      host.installed('v1.36.3+k0s.2');
      const log = join(host.root, 'log');

      const { status } = host.run({ PATH: host.path(names, own(log)) });

      assert.deepEqual([status, host.now()], [0, 'schema-3']);
      if (synced) assert.equal(readFileSync(log, 'utf8'), `sync ${join(host.own, 'chosen.tmp')}\nmv\n`);
    });

  it('an empty file, as a loss of power leaves it, is written again; a link, a folder and a pipe in its place stay, and no read waits', async () => {
    const host = await placed();
    host.installed('v1.36.3+k0s.2');
    writeFileSync(host.file, '');
    host.run();
    const after = host.now();
    rmSync(host.file);
    writeFileSync(join(host.root, 'empty'), '');
    symlinkSync(join(host.root, 'empty'), host.file);
    host.run();
    const link = readFileSync(join(host.root, 'empty'), 'utf8');
    rmSync(host.file);
    execFileSync('mkfifo', [host.file]);
    const pipe = host.run();
    rmSync(host.file);
    mkdirSync(host.file);

    host.run();

    assert.deepEqual([after, link, pipe.status, readdirSync(host.file)], ['schema-3', '', 0, []]);
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
