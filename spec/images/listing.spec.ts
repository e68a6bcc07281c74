import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unlike } from '../../cli/images/index.ts';
import { type Listed, listed, listing } from '../../cli/images/listing.ts';
import { textFiles } from '../support/textFiles.ts';

describe('what find(1) lists of a mounted image', () => {
  const files = textFiles();

  it('names with any bytes, kinds, modes, sizes and targets come as they are', () => {
    const tree = join(files.folder, 'tree');
    mkdirSync(join(tree, 'a\nb'), { recursive: true });
    chmodSync(join(tree, 'a\nb'), 0o750);
    writeFileSync(join(tree, 'a\nb/%s "q"'), 'four');
    chmodSync(join(tree, 'a\nb/%s "q"'), 0o4711);
    symlinkSync('to\\0\n', join(tree, 'link'));
    execFileSync('mkfifo', ['-m', '600', join(tree, 'pipe')]);

    const seen = listed(execFileSync('find', [tree, ...listing], { encoding: 'utf8' }));

    const rows = seen.map(({ path, kind, mode, sizeBytes, target }) => [path, kind, mode, kind === 'file' ? sizeBytes : target]);
    assert.deepEqual(rows.sort(), [
      ['a\nb', 'directory', 0o750, ''],
      ['a\nb/%s "q"', 'file', 0o4711, 4],
      ['link', 'symlink', 0o777, 'to\\0\n'],
      ['pipe', 'other', 0o600, ''],
    ]);
  });

  it('an empty folder has nothing', () => {
    const tree = join(files.folder, 'empty');
    mkdirSync(tree);

    assert.deepEqual(listed(execFileSync('find', [tree, ...listing], { encoding: 'utf8' })), []);
  });
});

describe('how a mounted image differs from its manifest', () => {
  const entries = [
    { path: 'bin', kind: 'directory', mode: 0o755 },
    { path: 'bin/shim', kind: 'file', mode: 0o755, sizeBytes: 4 },
    { path: 'link', kind: 'symlink', mode: 0o777, target: 'bin/shim' },
  ] as const;
  const same: Listed[] = [
    { path: 'bin', kind: 'directory', mode: 0o755, sizeBytes: 60, target: '' },
    { path: 'bin/shim', kind: 'file', mode: 0o755, sizeBytes: 4, target: '' },
    { path: 'link', kind: 'symlink', mode: 0o777, sizeBytes: 8, target: 'bin/shim' },
  ];
  const changed = (path: string, change: Partial<Listed>) => same.map((each) => (each.path === path ? { ...each, ...change } : each));
  const more: Listed = { path: 'bin/su', kind: 'file', mode: 0o4755, sizeBytes: 4, target: '' };

  const rows: [what: string, there: Listed[], said: string | undefined][] = [
    ['the same, in another order', [...same].reverse(), undefined],
    ['a folder of another size', changed('bin', { sizeBytes: 4096 }), undefined],
    ['another mode of a link', changed('link', { mode: 0o755 }), undefined],
    ['one file more', [...same, more], 'bin/su is in it, and its manifest does not list that'],
    ['one file less', same.slice(0, 1).concat(same[2]!), 'bin/shim is listed in its manifest and is not in it'],
    [
      'a link in place of a file',
      changed('bin/shim', { kind: 'symlink' }),
      'bin/shim is of another kind (symlink) than its manifest says (file)',
    ],
    ['a device', changed('bin/shim', { kind: 'other' }), 'bin/shim is of another kind (other) than its manifest says (file)'],
    ['a set-uid bit', changed('bin/shim', { mode: 0o4755 }), 'bin/shim has the mode 4755, and its manifest says 0755'],
    ['a folder that others may write', changed('bin', { mode: 0o777 }), 'bin has the mode 0777, and its manifest says 0755'],
    ['another size', changed('bin/shim', { sizeBytes: 5 }), 'bin/shim has 5 bytes, and its manifest says 4'],
    ['another target', changed('link', { target: '/etc' }), 'link does not point at bin/shim, as its manifest says'],
    ['nothing at all', [], 'bin is listed in its manifest and is not in it; and 2 more of the kind'],
  ];
  for (const [what, there, said] of rows)
    it(`${what}: ${said ?? 'no difference'}`, () => {
      assert.equal(unlike([...entries], there), said);
    });
});
