import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HostView, lockHolder, openView, takeLock } from '../../cli/host/index.ts';
import { changeState } from '../../cli/inspect/changeState.ts';
import { scratch } from '../support/trees/treeHost.ts';

const path = '/var/lib/kata-sysext/lock';
const since = '2026-01-01T00:00:00.000Z';

describe('whether a change runs', () => {
  let root: string;
  let host: HostView;

  beforeEach(function () {
    if (!existsSync('/usr/bin/flock')) {
      console.log('      /usr/bin/flock is not on this machine: apt-get install util-linux');
      this.skip();
    }
    root = scratch('change');
    host = openView(root, {});
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('is told with verb, process and time as long as the lock is held', async () => {
    const lock = await takeLock(host, path, 'install', { seconds: 0 });

    const running = await changeState(host);
    await lock.release();
    const ended = await changeState(host);

    const { since: began, ...rest } = running.change!;
    assert.deepEqual([rest, running.interrupted], [{ state: 'running', verb: 'install', dryRun: undefined, pid: process.pid }, []]);
    assert.ok(!Number.isNaN(Date.parse(began!)));
    assert.deepEqual(ended, { interrupted: [] });
  });

  it('is asked without a lock: a change can begin at any moment of it', async () => {
    let refused = 0;
    for (let round = 0; round < 20; round++) {
      const asking = [lockHolder(host, path), lockHolder(host, path), lockHolder(host, path)];

      const lock = await takeLock(host, path, 'gc', { seconds: 0 }).catch(() => undefined);

      await Promise.all(asking);
      if (lock === undefined) refused += 1;
      await lock?.release();
    }
    assert.equal(refused, 0);
  });

  const stale: [what: string, text: () => string][] = [
    ['a process that is gone', () => `{"pid":4194300,"verb":"install","since":"${since}"}\n`],
    ['a number that another process got since', () => `{"pid":1,"verb":"install","since":"${since}"}\n`],
    ['this very process, which has the file not open', () => `{"pid":${process.pid},"verb":"install","since":"${since}"}\n`],
    ['nothing', () => ''],
    ['no text of ours', () => `{"__proto__":{"pid":1},"pid":"x","verb":"\u001b[31m"}`],
    ['far too much', () => 'x'.repeat(1_000_000)],
  ];
  for (const [what, text] of stale)
    it(`a lock that nobody holds is none, whatever it says: ${what}`, async () => {
      mkdirSync(join(root, 'var/lib/kata-sysext/journal/7'), { recursive: true });
      writeFileSync(join(root, path), text());

      const seen = await changeState(host);

      assert.deepEqual(seen, { interrupted: [7], committed: undefined });
    });

  it('a holder that says nothing of itself is running as well', async () => {
    mkdirSync(join(root, 'var/lib/kata-sysext'), { recursive: true });
    writeFileSync(join(root, path), '');
    const holder = spawn('/usr/bin/flock', ['--no-fork', join(root, path), 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
    holder.stdin.write('held\n');
    await once(holder.stdout, 'data');

    const seen = await changeState(host);

    holder.stdin.end();
    await once(holder, 'close');
    assert.deepEqual(seen, { change: { state: 'running' }, interrupted: [] });
  });

  for (const what of ['a pipe', 'a link'])
    it(`${what} at the place of the lock is not opened`, async () => {
      mkdirSync(join(root, 'var/lib/kata-sysext'), { recursive: true });
      const made = spawn(
        what === 'a pipe' ? 'mkfifo' : 'ln',
        what === 'a pipe' ? [join(root, path)] : ['-s', '/dev/zero', join(root, path)],
      );
      await once(made, 'close');

      const seen = await changeState(host);

      assert.deepEqual(seen, { interrupted: [] });
    });

  it('an open change is told by its mark where the journal cannot be read', async () => {
    mkdirSync(join(root, 'etc'));
    writeFileSync(join(root, 'etc/.kata-sysext-unfinished'), 'kata-sysext change 12 (install, begun then) is not finished here\n');
    const denied = Object.assign(new Error('denied'), { code: 'EACCES' });
    const blind: HostView = { ...host, readdir: async () => Promise.reject(denied) };

    const seen = await changeState(blind);

    assert.deepEqual(seen, { interrupted: [12] });
  });
});
