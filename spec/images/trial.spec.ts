import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KataError } from '../../cli/errors/index.ts';
import { openView } from '../../cli/host/index.ts';
import { tryImage } from '../../cli/images/index.ts';
import { needs } from '../support/needs.ts';

describe('the trial mount of an image', () => {
  let folder: string;
  before(function () {
    needs(this, 'root', 'mksquashfs');
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-trial-'));
    mkdirSync(join(folder, 'tree'));
    writeFileSync(join(folder, 'tree/file'), 'text');
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const host = openView('/', {});
  const mounts = () => readFileSync('/proc/self/mountinfo', 'utf8').includes(folder);

  it('takes what the kernel mounts, tells what is in it, and leaves no mount', async () => {
    const image = join(folder, 'good.raw');
    const tree = join(folder, 'tree');
    mkdirSync(join(tree, 'a\nb'), { mode: 0o750 });
    writeFileSync(join(tree, 'a\nb/ü'), 'four', { mode: 0o600 });
    chmodSync(join(tree, 'a\nb/ü'), 0o4711);
    symlinkSync('../file', join(tree, 'a\nb/link'));
    execFileSync('mkfifo', [join(tree, 'pipe')]);
    execFileSync('mksquashfs', [tree, image, '-quiet', '-no-progress']);

    const seen = await tryImage(host, image, 'squashfs');

    const rows = seen!.map(({ path, kind, mode, sizeBytes, target }) => [path, kind, mode, kind === 'file' ? sizeBytes : target]);
    assert.deepEqual(rows.sort(), [
      ['a\nb', 'directory', 0o750, ''],
      ['a\nb/link', 'symlink', 0o777, '../file'],
      ['a\nb/ü', 'file', 0o4711, 4],
      ['file', 'file', 0o644, 4],
      ['pipe', 'other', 0o644, ''],
    ]);
    assert.equal(mounts(), false);
  });

  it('tells what the kernel says of another file', async () => {
    const image = join(folder, 'bad.raw');
    writeFileSync(image, Buffer.alloc(8192));

    const refused = await tryImage(host, image, 'erofs').catch((error: KataError) => error);

    assert.equal((refused as KataError).code, 'image-kernel');
    assert.match((refused as KataError).complaint.found, /does not mount the image: mount: .*bad\.raw|wrong fs type/);
    assert.equal(mounts(), false);
  });
});
