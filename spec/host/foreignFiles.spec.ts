import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileLimits, openView } from '../../cli/host/index.ts';

type Code = { code?: string };
const isUnfit = (error: Code) => error.code === 'host-file-unfit';

describe('files of the host', () => {
  let root: string;
  let view: ReturnType<typeof openView>;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-files-'));
    mkdirSync(join(root, 'etc'));
    view = openView(root, {});
  });

  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('a named pipe is refused at once, whatever reads it', async () => {
    spawnSync('mkfifo', [join(root, 'etc/os-release')]);

    await assert.rejects(view.readText('/etc/os-release'), isUnfit);
    await assert.rejects(view.readFile('/etc/os-release'), isUnfit);
    await assert.rejects(view.readHead('/etc/os-release', 20), isUnfit);
    await assert.rejects(view.digest('/etc/os-release'), isUnfit);
  });

  it('a folder in the place of a file is refused', async () => {
    mkdirSync(join(root, 'etc/os-release'));

    await assert.rejects(view.readText('/etc/os-release'), isUnfit);
    await assert.rejects(view.readHead('/etc/os-release', 20), isUnfit);
    await assert.rejects(view.digest('/etc/os-release'), isUnfit);
  });

  it('a device that the tree leads to is never opened', async () => {
    symlinkSync('/dev/zero', join(root, 'etc/config.toml'));
    const live = openView('/', {});

    // The link leads to /dev/zero inside the tree, where nothing is.
    assert.equal(await view.readText('/etc/config.toml'), undefined);
    await assert.rejects(live.readText('/dev/zero'), isUnfit);
    await assert.rejects(live.digest('/dev/zero'), isUnfit);
  });

  it('/dev/null is an empty file: systemd masks files by it', async () => {
    const live = openView('/', {});

    assert.equal(await live.readText('/dev/null'), '');
  });

  for (const [kind, limit] of Object.entries(fileLimits)) {
    it(`${kind}: ${limit} bytes are read, one more is refused`, async () => {
      const path = join(root, 'etc/file');
      writeFileSync(path, Buffer.alloc(limit, 'a'));
      const text = await view.readText('/etc/file', kind as keyof typeof fileLimits);
      writeFileSync(path, Buffer.alloc(limit + 1, 'a'));

      assert.equal(text?.length, limit);
      await assert.rejects(view.readText('/etc/file', kind as keyof typeof fileLimits), isUnfit);
    });
  }

  it('of a sparse file of gigabytes only the head is read', async () => {
    const path = join(root, 'etc/program');
    writeFileSync(path, 'head of a program');
    truncateSync(path, 8 * 2 ** 30);

    const head = await view.readHead('/etc/program', 20);

    assert.equal(head?.toString(), 'head of a program\0\0\0');
    await assert.rejects(view.readFile('/etc/program'), isUnfit);
  });

  it('files of /proc, which have no size, are read whole', async () => {
    const live = openView('/', {});

    const read = await live.readText('/proc/self/limits');

    assert.equal(read, readFileSync('/proc/self/limits', 'utf8'));
  });

  it('a folder is told as Node tells it, and what is not there is undefined', async () => {
    await assert.rejects(view.readFile('/etc'), (error: Code) => error.code === 'EISDIR');
    assert.equal(await view.readText('/etc/none'), undefined);
    assert.equal(await view.readText('/none/none'), undefined);
  });
});
