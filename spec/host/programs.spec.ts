import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KataError } from '../../cli/errors/index.ts';
import { openHost } from '../../cli/host/index.ts';
import { runProgram } from '../../cli/host/programs.ts';
import { watchProgram } from '../../cli/host/runWatched.ts';

/** An object with these own properties, and the others by inheritance. */
function inheriting<T extends object>(own: T, inherited: object): T {
  return Object.assign(Object.create(inherited) as T, own);
}

const env = { LD_PRELOAD: '/x.so', PLANTED: '1' };

describe('host: options are what the caller wrote', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-options-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('a program gets no inherited environment, folder, input, exit status or time', async () => {
    const options = inheriting({}, { env, cwd: '/proc', input: 'planted', accept: [3], timeoutMs: 1 });

    const { stdout } = await runProgram('/bin/sh', ['-c', 'env; pwd; cat'], options);
    const refused = await runProgram('/bin/sh', ['-c', 'exit 3'], options).catch((error: { code: string }) => error.code);

    assert.equal(/LD_PRELOAD|PLANTED|planted/.test(stdout), false);
    assert.ok(stdout.split('\n').includes(process.cwd()));
    assert.equal(refused, 'failed');
  });

  it('a program gets the own ones, without what the environment inherits', async () => {
    const options = { env: inheriting({ MINE: '2' }, env), cwd: '/' };

    const { stdout } = await runProgram('/bin/sh', ['-c', 'env; pwd'], options);

    assert.equal(/LD_PRELOAD|PLANTED/.test(stdout), false);
    assert.ok(stdout.split('\n').includes('MINE=2') && stdout.split('\n').includes('/'));
  });

  it('a program of a domain of its own writes into a pipe, and keeps its arguments, status and words', async () => {
    const target = 'printf "%s|" "$@"; readlink /proc/self/fd/1 /proc/self/fd/2 | cut -d: -f1; exit 3';
    const run = () => runProgram('/bin/sh', ['-c', target, 'sh', '$(id) "', ''], { throughPipe: true, accept: [3] });

    assert.equal((await run()).stdout, '$(id) "||pipe\npipe\n');
    const failed = runProgram('/bin/sh', ['-c', 'echo no module >&2; exit 3'], { throughPipe: true });
    await assert.rejects(failed, (error: KataError) => error.complaint.found.endsWith('ended with 3: no module'));
  });

  it('a watched program gets no inherited files', async () => {
    let said = '';
    const enough = (_from: string, text: string) => {
      said += text;
      return false;
    };
    const options = inheriting({ deadlineMs: 60_000, enough }, { files: { planted: 'x' }, env });

    await watchProgram('/bin/sh', ['-c', 'ls -A; env'], options);

    assert.equal(/planted|LD_PRELOAD|PLANTED/i.test(said), false);
  });

  it('a file gets no inherited owner', async () => {
    const host = openHost(folder, {});
    const meta = inheriting({ mode: 0o640 }, { mode: 0o777, uid: 12345, gid: 12345 });

    await host.writeFile('/x', 'text', meta);

    const { mode, uid } = statSync(join(folder, 'x'));
    assert.equal(readFileSync(join(folder, 'x'), 'utf8'), 'text');
    assert.deepEqual([mode & 0o7777, uid], [0o640, process.getuid?.()]);
  });
});
