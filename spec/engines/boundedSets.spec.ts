import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tomlLimits } from '../../cli/documents/toml/index.ts';
import { filesView } from '../../cli/engines/common/filesView.ts';
import { loadSet } from '../../cli/engines/containerd/loader.ts';
import { loadSet as loadCrioSet } from '../../cli/engines/crio/loader.ts';
import { openView } from '../../cli/host/index.ts';

const isInvalid = (error: { code?: string }) => error.code === 'engine-config-invalid';
const main = '/etc/containerd/config.toml';
const dense = `a = [${'1,'.repeat(40_000)}]\n`;

describe('files that an engine reads together', () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-sets-'));
    mkdirSync(join(root, 'etc/containerd/conf.d'), { recursive: true });
    mkdirSync(join(root, 'etc/crio/crio.conf.d/deep'), { recursive: true });
  });

  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function put(path: string, text: string): void {
    writeFileSync(join(root, path), text);
  }

  function loaded() {
    return loadSet(filesView(openView(root, {})), main);
  }

  it('containerd: a pattern that matches too many is refused before any of them is parsed', async () => {
    put(main, 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n');
    for (let index = 0; index < tomlLimits.files; index++) put(`etc/containerd/conf.d/${index}.toml`, 'version = 2\n');

    await assert.rejects(loaded(), isInvalid);

    rmSync(join(root, 'etc/containerd/conf.d/0.toml'));
    assert.equal((await loaded()).files.length, tomlLimits.files);
  });

  it('containerd: files that import each other without end, and too long a list', async () => {
    put(
      main,
      `version = 2\nimports = [${Array.from({ length: 2 * tomlLimits.files }, (_, index) => `"conf.d/${index}.toml"`).join(',')}]\n`,
    );

    await assert.rejects(loaded(), isInvalid);
  });

  it('containerd: each file within its limits, and all of them beyond', async () => {
    put(main, 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n');
    for (let index = 0; index < 3; index++) put(`etc/containerd/conf.d/${index}.toml`, dense);

    await assert.rejects(loaded(), isInvalid);
  });

  it('CRI-O: too many files, and too much in them', async () => {
    const instance = { engine: 'crio', configPath: '/etc/crio/crio.conf', configFolder: '/etc/crio/crio.conf.d', socket: '/run/crio.sock' };
    const view = openView(root, {});
    for (let index = 0; index < 3; index++) put(`etc/crio/crio.conf.d/deep/${index}`, dense);

    await assert.rejects(loadCrioSet(view, instance), isInvalid);

    for (let index = 0; index < 3; index++) rmSync(join(root, `etc/crio/crio.conf.d/deep/${index}`));
    for (let index = 0; index <= tomlLimits.files; index++) put(`etc/crio/crio.conf.d/deep/${index}`, '');
    await assert.rejects(loadCrioSet(view, instance), isInvalid);
  });
});
