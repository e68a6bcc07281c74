import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences } from '../support/judges/fingerprint.ts';
import { put, treeNames } from '../support/trees/hostTrees.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const config = 'etc/containerd/config.toml';

/** Owners, modes and attributes that an edit by rename would lose if it did not care. */
function mark(root: string): void {
  execFileSync('setfattr', ['-n', 'user.site', '-v', 'kept', join(root, config)]);
  execFileSync('chown', ['12:34', join(root, config)]);
  chmodSync(join(root, 'etc/containerd'), 0o711);
}

/** Paths in and beside our folders that somebody else may write to. */
function foreignFiles(host: TreeHost): string[] {
  const [payload] = execFileSync('find', ['.', '-type', 'd', '-path', '*/tree/*', '-prune'], { cwd: host.root, encoding: 'utf8' }).split(
    '\n',
  );
  assert.ok(payload);
  return [
    'etc/kata-containers/kata-qemu-runtime-rs.d/10-site.toml',
    'etc/kata-sysext/note',
    'var/lib/kata-sysext/foreign',
    'var/lib/kata-sysext/generations/note',
    'var/lib/kata-sysext/generations/1/note',
    'var/lib/kata-sysext/generations/old/record.json',
    'var/lib/kata-sysext/history/note',
    'var/lib/kata-sysext/payloads/note.json',
    `${payload.slice(2)}/share/note`,
  ];
}

function changeByOthers(root: string, paths: string[]): void {
  for (const path of paths) put(root, path, 'of somebody else\n');
  // The program's own mode of that folder: a twin without the program must have the same.
  chmodSync(join(root, 'var/lib/kata-sysext/history'), 0o700);
  put(root, 'etc/containerd/conf.d/other.toml', 'version = 3\n[debug]\nlevel = "info"\n');
  const text = readFileSync(join(root, config), 'utf8');
  writeFileSync(join(root, config), `# on top of it, by somebody else\n${text}`);
  appendFileSync(join(root, config), '\n[debug]\n  level = "warn"\n');
}

async function round(host: TreeHost, uninstall: string[]): Promise<Record<string, unknown>> {
  const { first, second } = await releases();
  await host.json(['install', first]);
  await host.json(['install', second]);
  await host.json(['rollback']);
  return host.json(['uninstall', ...uninstall]);
}

describe('fingerprint', () => {
  for (const name of treeNames) {
    it(`${name}: install, upgrade, rollback, uninstall --purge leaves the tree as it was`, async () => {
      const host = treeHost(name, mark);
      const before = host.fingerprint();

      await round(host, ['--purge']);

      assert.deepEqual(differences(before, host.fingerprint()), []);
      host.remove();
    });

    it(`${name}: a plain uninstall leaves the history and nothing else`, async () => {
      const host = treeHost(name, mark);
      const before = host.fingerprint();

      await round(host, []);

      const left = readdirSync(host.path('var/lib/kata-sysext'));
      const after = host.fingerprint(['var/lib/kata-sysext']);
      assert.deepEqual(left, ['history']);
      assert.deepEqual(differences(before, after), []);
      host.remove();
    });

    it(`${name}: what others changed in between stays byte for byte and is listed`, async () => {
      const { first, second } = await releases();
      const host = treeHost(name, mark);
      const twin = host.copy();
      await host.json(['install', first]);
      const foreign = foreignFiles(host);

      for (const each of [host, twin]) changeByOthers(each.root, foreign);
      await host.json(['install', second]);
      await host.json(['rollback']);
      const done = await host.json(['uninstall', '--purge']);

      const subjects = (done['findings'] as { subject: string; code: string; level: string }[]).map((finding) =>
        // The same folder under two names: /usr/local leads to /var/usrlocal.
        finding.subject.replace(/^\/usr\/local\//, '/var/usrlocal/'),
      );
      assert.deepEqual(differences(twin.fingerprint(), host.fingerprint()), []);
      for (const path of foreign) assert.ok(subjects.includes(`/${path}`), `${path} is not among ${subjects.join(', ')}`);
      // On MicroOS a drop-in is enough: the file is none of our business there.
      if (name !== 'microos') assert.ok(subjects.includes(`/${config}`), `the edit of ${config} is not among ${subjects.join(', ')}`);
      host.remove();
      twin.remove();
    });
  }

  it('a folder of ours that was there before, empty, is there afterwards', async () => {
    const host = treeHost('fcos', (root) => {
      mkdirSync(join(root, 'etc/kata-sysext'), { mode: 0o750 });
      mkdirSync(join(root, 'var/usrlocal/libexec'));
    });
    const before = host.fingerprint();

    await round(host, ['--purge']);

    assert.deepEqual(differences(before, host.fingerprint()), []);
    host.remove();
  });

  it('a tree with an empty /var, as images have it, has an empty /var afterwards', async () => {
    const host = treeHost('flatcar', (root) => {
      rmSync(join(root, 'var'), { recursive: true });
      mkdirSync(join(root, 'var'));
    });
    const before = host.fingerprint();

    await round(host, ['--purge']);

    assert.deepEqual(differences(before, host.fingerprint()), []);
    host.remove();
  });
});
