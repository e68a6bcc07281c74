import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { labelled, recipeFor } from '../../cli/images/index.ts';
import type { Labelled } from '../../cli/images/types.ts';
import { needs } from '../support/needs.ts';

const payload = `sha256:${'0123456789abcdef'.repeat(4)}` as const;
const base = { tree: '/t', image: '/i', epoch: 7, payload, at: (name: string) => `/at/${name}` };

describe('how the programs that make images are called', () => {
  const entries = labelled(
    [
      { path: 'usr', kind: 'directory', mode: 0o755 },
      { path: 'usr/lib', kind: 'directory', mode: 0o755 },
      { path: 'usr/share', kind: 'directory', mode: 0o755 },
      { path: 'usr/share/kata/bin/qemu', kind: 'file', mode: 0o755 },
      { path: 'usr/share/kata/link', kind: 'symlink', mode: 0o777, target: 'x' },
    ],
    'fedora-targeted',
  );

  it('folders that a merge shows have their stock labels as well', () => {
    const types = entries.map(({ path, context }) => `${path} ${context.split(':')[2]}`);

    assert.deepEqual(types, [
      'usr usr_t',
      'usr/lib lib_t',
      'usr/share usr_t',
      'usr/share/kata/bin/qemu bin_t',
      'usr/share/kata/link usr_t',
    ]);
  });

  for (const [version, listed] of [
    [[4, 4], false],
    [[4, 5, 1], false],
    [[4, 6], true],
    [[4, 10], true],
    [[5, 0], true],
  ] as const) {
    it(`mksquashfs ${version.join('.')} ${listed ? 'is told the labels' : 'takes them from the tree'}`, () => {
      const recipe = recipeFor('squashfs', { ...base, contents: entries, version: [...version] });

      assert.equal(recipe.labelTree, !listed);
      assert.equal(recipe.args.includes('-pf'), listed);
      const texts = Object.values(recipe.files).join('');
      assert.equal(texts.includes('"usr/share/kata/link" x security.selinux=system_u:object_r:usr_t:s0\n'), listed);
    });
  }

  it('a list for mksquashfs escapes what a name may hold', () => {
    const contents: Labelled[] = [{ path: 'usr/a "b" \\c', kind: 'file', mode: 0o644, context: 'u:r:t:s0' }];

    const { files } = recipeFor('squashfs', { ...base, contents, version: [4, 6] });

    assert.match(files['labels']!, /^"usr\/a \\"b\\" \\\\c" x security\.selinux=u:r:t:s0$/m);
  });

  it('mkfs.erofs labels files whatever their names are', function () {
    needs(this, 'root', 'mkfs.erofs', 'getfattr');
    const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-recipe-'));
    const names = ['plain', 'with space', 'a+b(c)[d]{e}^$|?*', 'back\\slash', 'umläut', '.hidden.so.1'];
    mkdirSync(join(folder, 'tree'));
    mkdirSync(join(folder, 'mounted'));
    for (const name of names) writeFileSync(join(folder, 'tree', name), name);
    symlinkSync('plain', join(folder, 'tree', 'link'));
    const contents = [...names, 'link'].map(
      (path): Labelled => ({ path, kind: 'file', mode: 0o644, context: 'system_u:object_r:bin_t:s0' }),
    );
    const [tree, image] = [join(folder, 'tree'), join(folder, 'image')];
    const recipe = recipeFor('erofs', { ...base, tree, image, contents, version: [1, 5], at: (name) => join(folder, name) });
    for (const [name, text] of Object.entries(recipe.files)) writeFileSync(join(folder, name), text);

    execFileSync('mkfs.erofs', recipe.args);
    execFileSync('mount', ['-t', 'erofs', '-o', 'ro,loop', image, join(folder, 'mounted')]);
    const seen = execFileSync('getfattr', ['-Rhn', 'security.selinux', '--only-values', '.'], {
      cwd: join(folder, 'mounted'),
      encoding: 'utf8',
    });
    execFileSync('umount', [join(folder, 'mounted')]);
    rmSync(folder, { recursive: true });

    assert.equal(seen.split('bin_t').length - 1, names.length + 1);
    assert.equal(seen.split('usr_t').length - 1, 1);
  });
});
