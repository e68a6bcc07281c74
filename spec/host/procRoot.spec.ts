import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openView, programFile } from '../../cli/host/index.ts';
import { scratch } from '../support/trees/treeHost.ts';

describe('the file that a process runs', () => {
  const host = { ...openView('/', {}), booted: true };

  it('is told where it is root’s, and not where it is a user’s own, which may have any size', async () => {
    const folder = scratch('own');
    const own = join(folder, 'sleep');
    copyFileSync('/bin/sleep', own);
    chmodSync(folder, 0o755);
    if (process.getuid?.() === 0) chownSync(own, 65534, 65534);
    const programs = [spawn('/bin/sleep', ['600']), spawn(own, ['600'])];
    await Promise.all(programs.map((program) => once(program, 'spawn')));

    const [roots, users] = await Promise.all(programs.map(({ pid }) => programFile(host, pid!)));

    for (const program of programs) program.kill();
    rmSync(folder, { recursive: true });
    assert.match(roots ?? '', /^\d+:\d+:\d+:/);
    assert.equal(users, undefined);
  });
});
