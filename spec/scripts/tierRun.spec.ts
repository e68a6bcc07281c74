import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repo } from '../support/program.ts';

describe('a tier', function () {
  this.timeout(300_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tier-run-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('lets a hook before all build what is not there yet; a test keeps the time of its suite', () => {
    const file = join(folder, 'slow.spec.ts');
    const wait = 'async () => new Promise((done) => setTimeout(done, 1000))';
    writeFileSync(
      file,
      `describe('slow', function () { this.timeout(200); before(${wait}); it('first', () => {}); it('second', ${wait}); });`,
    );

    const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', 'scripts/tierProcess.ts', 'unit'], {
      cwd: repo,
      encoding: 'utf8',
      env: { ...process.env, KATA_SYSEXT_FILE: file, KATA_SYSEXT_SEED: '1' },
    });

    assert.match(stdout, /✔\S* first/);
    assert.match(stdout, /Timeout of 200ms exceeded/);
    assert.match(stdout, /\n1 passed, \d failed, 0 skipped\n$/);
  });
});
