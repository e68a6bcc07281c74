import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FIRST, SECOND, tinyRelease } from '../lab/release/index.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { labelsSeen, unpacked, whileMounted } from '../support/judges/images.ts';
import { bothPolicies, type Policy } from '../support/judges/policies.ts';
import { fedoraContexts } from '../support/policies/fedoraContexts.ts';
import { json } from '../support/program.ts';
import { singleFile } from '../support/singleFile.ts';
import { makeTree, put } from '../support/trees/hostTrees.ts';

const policy = fedoraContexts();

/**
 * The judge is setfiles with the file contexts of Fedora's targeted policy and container-selinux. The labels are only xattrs here (this
 * kernel enforces nothing): spec/vm shows on a running policy that they suffice for a VMM.
 */
describe('labels of an offline Fedora tree', function () {
  this.timeout(900_000);
  let folder: string;
  let root: string;
  let engine: string;
  let file: string;
  let policies: Policy[];

  before(async function () {
    policies = await bothPolicies(this);
    file = await singleFile();
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-labels-'));
    root = join(folder, 'host');
    engine = makeTree('fcos', root);
    put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\n');
    put(root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
    put(root, 'etc/selinux/config', 'SELINUX=enforcing\nSELINUXTYPE=targeted\n');
    const files = join(root, 'etc/selinux/targeted/contexts/files');
    mkdirSync(files, { recursive: true });
    for (const name of ['file_contexts', 'file_contexts.subs_dist']) copyFileSync(join(policy, name), join(files, name));
    setfiles('-F', '-r', root, contexts(), root);
  });
  after(() => folder !== undefined && rmSync(folder, { recursive: true, force: true }));

  it('a relabel of /usr, /etc and /var finds nothing of ours to change, after install, upgrade and rollback; uninstall leaves no trace', async () => {
    const before = fingerprint(root);
    const [v1, v2] = [await tinyRelease(folder, { version: FIRST }), await tinyRelease(folder, { version: SECOND })];
    const wrong: string[] = [];

    await json(['install', v1, '--root', root, '--engine', engine], 0, { file });
    wrong.push(...wouldChange());
    await json(['install', v2, '--root', root, '--engine', engine], 0, { file });
    wrong.push(...wouldChange());
    await json(['rollback', '--root', root, '--engine', engine], 0, { file });
    wrong.push(...wouldChange());
    const shim = label('var/usrlocal/libexec/kata-sysext/tree', 'containerd-shim-kata-v2');
    const kernel = label('var/usrlocal/libexec/kata-sysext/tree', 'vmlinuz-*');
    const program = label('var/usrlocal/libexec/kata-sysext/bin', 'kata-sysext');
    execFileSync('setfattr', [
      '-n',
      'security.selinux',
      '-v',
      'system_u:object_r:tmp_t:s0',
      join(root, 'var/lib/kata-sysext/generations/1/manifest.json'),
    ]);
    const control = wouldChange();
    await json(['uninstall', '--purge', '--root', root, '--engine', engine], 0, { file });

    assert.deepEqual(wrong, []);
    assert.equal(control.length, 1, 'the judge sees a wrong label');
    assert.match(shim, /:bin_t:/);
    assert.match(kernel, /:usr_t:/);
    assert.match(program, /:bin_t:/);
    assert.deepEqual(differences(before, fingerprint(root)), []);
  });

  for (const format of ['squashfs', 'erofs']) {
    it(`${format}: what is in an image is labelled as both families label it below /usr, and a relabel changes nothing around it`, async () => {
      const before = fingerprint(root);
      const v1 = await tinyRelease(folder, { version: FIRST });

      await json(['install', v1, '--root', root, '--engine', engine, '--backend', 'sysext', '--format', format], 0, { file });

      const wrong = wouldChange();
      const [image] = execFileSync('find', [join(root, 'var/usrlocal'), '-name', 'kata.raw'], { encoding: 'utf8' }).split('\n');
      const inside = whileMounted(format, image!, (at) => labelsSeen(at));
      const policys = policies.map(({ contexts: of }) =>
        unpacked(format, image!, (tree) => {
          setfiles('-F', '-r', tree, of, tree);
          return labelsSeen(tree);
        }),
      );
      await json(['uninstall', '--purge', '--root', root, '--engine', engine], 0, { file });
      const below = (labels: Map<string, string>) => [...labels].filter(([path]) => path !== '.').sort();
      assert.deepEqual(wrong, []);
      assert.ok(inside.size > 10);
      for (const each of policys) assert.deepEqual(below(inside), below(each));
      assert.deepEqual(differences(before, fingerprint(root)), []);
    });
  }

  it('in folders, a relabel changes nothing where they lie nor where a merge shows them', async () => {
    const before = fingerprint(root);
    const v1 = await tinyRelease(folder, { version: FIRST });

    await json(['install', v1, '--root', root, '--engine', engine, '--backend', 'sysext'], 0, { file });

    const wrong = wouldChange();
    const merged = mkdtempSync(join(folder, 'merged-'));
    const store = join(root, 'var/usrlocal');
    const [extension] = execFileSync('find', ['.', '-path', '*/tree/*', '-prune'], { encoding: 'utf8', cwd: store }).split('\n');
    execFileSync('cp', ['-a', join(store, extension!, 'usr'), merged]);
    wrong.push(...wouldChange(merged, ['usr']));
    execFileSync('setfattr', ['-n', 'security.selinux', '-v', 'system_u:object_r:bin_t:s0', join(merged, 'usr/share/kata/VERSION')]);
    const control = wouldChange(merged, ['usr']);
    await json(['uninstall', '--purge', '--root', root, '--engine', engine], 0, { file });
    assert.deepEqual(wrong, []);
    assert.equal(control.length, 1, 'the judge sees a wrong label');
    assert.deepEqual(differences(before, fingerprint(root)), []);
  });

  it('where the policy’s own labels would keep a VMM out, the table’s fallback types are set, if the policy has them', async () => {
    const strict = contexts();
    writeFileSync(strict, `${readFileSync(strict, 'utf8')}/usr/local/libexec/kata-sysext(/.*)?\tsystem_u:object_r:var_lib_t:s0\n`);
    const v1 = await tinyRelease(folder, { version: FIRST });

    await json(['install', v1, '--root', root, '--engine', engine], 0, { file });

    assert.match(label('var/usrlocal/libexec/kata-sysext/tree', 'containerd-shim-kata-v2'), /:bin_t:/);
    assert.match(label('var/usrlocal/libexec/kata-sysext/tree', 'vmlinuz-*'), /:usr_t:/);
    assert.match(label('var/usrlocal/libexec/kata-sysext/bin', 'kata-sysext'), /:bin_t:/);
    await json(['uninstall', '--purge', '--root', root, '--engine', engine], 0, { file });
    writeFileSync(strict, readFileSync(strict, 'utf8').replaceAll('bin_t', 'bin_x').replaceAll('usr_t', 'usr_x'));
    const refused = await json(['install', v1, '--root', root, '--engine', engine], 3, { file });
    assert.equal(refused['code'], 'host-selinux-type');
  });

  it('file contexts that are a link are followed inside the tree only, and another payload’s labels stay as they are', async () => {
    const files = join(root, 'etc/selinux/targeted/contexts/files');
    const kept = join(root, 'etc/selinux/kept_contexts');
    copyFileSync(join(policy, 'file_contexts'), kept);
    const [v1, v2] = [await tinyRelease(folder, { version: FIRST }), await tinyRelease(folder, { version: SECOND })];
    rmSync(join(files, 'file_contexts'));
    symlinkSync('/etc/selinux/kept_contexts', join(files, 'file_contexts'));
    await json(['install', v1, '--root', root, '--engine', engine], 0, { file });
    const [shim] = execFileSync('find', [root, '-name', 'containerd-shim-kata-v2', '-type', 'f'], { encoding: 'utf8' }).split('\n');
    execFileSync('setfattr', ['-n', 'security.selinux', '-v', 'system_u:object_r:tmp_t:s0', shim!]);

    await json(['install', v2, '--root', root, '--engine', engine], 0, { file });

    const labels = execFileSync('getfattr', ['--absolute-names', '--only-values', '-n', 'security.selinux', shim!], { encoding: 'utf8' });
    const all = execFileSync(
      'find',
      [join(root, 'var/usrlocal/libexec/kata-sysext/tree'), '-name', 'containerd-shim-kata-v2', '-type', 'f'],
      { encoding: 'utf8' },
    );
    const other = all.split('\n').find((path) => path !== '' && path !== shim)!;
    assert.match(labels, /:tmp_t:/);
    assert.match(
      execFileSync('getfattr', ['--absolute-names', '--only-values', '-n', 'security.selinux', other], { encoding: 'utf8' }),
      /:bin_t:/,
    );
  });

  function contexts(): string {
    return join(root, 'etc/selinux/targeted/contexts/files/file_contexts');
  }

  /** What `restorecon -Rnv` would print on the booted host. */
  function wouldChange(at = root, places = ['usr', 'etc', 'var']): string[] {
    const said = setfiles('-n', '-v', '-F', '-r', at, contexts(), ...places.map((place) => join(at, place)));
    return said.split('\n').filter((line) => /relabel/i.test(line));
  }

  function label(below: string, name: string): string {
    const [path] = execFileSync('find', [join(root, below), '-name', name, '-type', 'f'], { encoding: 'utf8' }).split('\n');
    return execFileSync('getfattr', ['--absolute-names', '--only-values', '-n', 'security.selinux', path!], { encoding: 'utf8' });
  }
});

function setfiles(...args: string[]): string {
  return execFileSync('setfiles', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
