import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { docPages } from '../../scripts/pages/list.ts';
import { linkedFiles, packaged } from '../../scripts/pages/packaged.ts';

const repo = join(import.meta.dirname, '../..');

describe('pages of the npm package', () => {
  it('keep links to what is there, and have only the text of all others', () => {
    const page = 'a [b](b.md), [c](../CONTRIBUTING.md#x), [d](https://e.example/f.md), [e](#here), ![i](i.png)\n[f](b.md#part)';

    const made = packaged('docs/a.md', page, new Set(['docs/a.md', 'docs/b.md']));

    assert.equal(made, 'a [b](b.md), c, [d](https://e.example/f.md), [e](#here), ![i](i.png)\n[f](b.md#part)');
  });

  it('of this repository link to nothing that the package lacks', () => {
    const files = new Set([
      'README.md',
      'CHANGELOG.md',
      'LICENSE',
      'man/kata-sysext.8',
      'examples/README.md',
      'examples/selinux/README.md',
      ...docPages(),
    ]);
    const pages = [...files].filter((path) => path.endsWith('.md'));

    const dead = pages
      .flatMap((path) => linkedFiles(path, packaged(path, readFileSync(join(repo, path), 'utf8'), files)))
      .filter((target) => !files.has(target));

    assert.deepEqual(dead, []);
    assert.ok(linkedFiles('README.md', readFileSync(join(repo, 'README.md'), 'utf8')).length > 10);
  });
});

describe('the names of what dist/ has', () => {
  it('are those that the documents use', () => {
    const texts = ['README.md', ...docPages()].map((path) => readFileSync(join(repo, path), 'utf8'));
    const made = readFileSync(join(repo, 'scripts/single.ts'), 'utf8').match(/\/(kata-sysext[^`]*linux-)\$\{arch\}`/)?.[1];

    const named = texts.flatMap((text) => text.match(/kata-sysext-[\w.]*-?linux-(?=x64|arm64)/g) ?? []);

    assert.ok(named.length > 5);
    assert.deepEqual([...new Set(named)], [made]);
  });
});
