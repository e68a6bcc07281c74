import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runHelper } from '../../cli/host/helper.ts';

describe('the folder that a helper is started from', () => {
  let base: string;

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'kata-sysext-helper-spec-'));
  });
  afterEach(() => rmSync(base, { recursive: true }));

  function place(name: string, mode: number): string {
    mkdirSync(join(base, name));
    chmodSync(join(base, name), mode);
    return join(base, name);
  }

  it('is none in which another user could exchange it, nor a link', async () => {
    const open = [place('open', 0o777), place('group', 0o775)];
    symlinkSync(place('shut', 0o700), join(base, 'link'));

    const answer = await runHelper(readFileSync('/bin/true'), { deadlineMs: 60_000 }, [...open, join(base, 'link')]);

    assert.equal(answer.kind, 'unstarted');
    assert.equal(answer.kind === 'unstarted' && answer.why.split('may exchange').length - 1, 3);
  });

  it('may be sticky, as /tmp is, and nothing stays there', async () => {
    const sticky = place('sticky', 0o1777);

    const answer = await runHelper(readFileSync('/bin/true'), { deadlineMs: 60_000 }, [sticky]);

    // Where the temporary folder is noexec, nothing starts.
    if (answer.kind === 'unstarted') assert.match(answer.why, /: EACCES$/);
    assert.deepEqual(readdirSync(sticky), []);
  });
});
