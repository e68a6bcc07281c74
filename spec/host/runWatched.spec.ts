import assert from 'node:assert/strict';

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { openView, type WatchOptions } from '../../cli/host/index.ts';

const host = openView('/', {});
const never = (): boolean => false;

/** A shell script run as a watched program; gives its answer and what it printed. */
async function shell(
  script: string,
  options: Partial<WatchOptions> = {},
): Promise<{ reason: string; status: number; milliseconds: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const { enough = never, ...rest } = options;
  const watched = await host.watch('/bin/sh', ['-c', script], {
    deadlineMs: 300_000,
    ...rest,
    enough: (from, text, ms) => {
      if (from === 'out') out += text;
      if (from === 'err') err += text;
      return enough(from, text, ms);
    },
  });
  return { ...watched, out, err };
}

/** Processes whose command line holds the mark, as the kernel lists them. */
function marked(mark: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && Number(pid) !== process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(mark);
    } catch {
      // it ended while it was looked at
      return false;
    }
  });
}

describe('a program that is watched', function () {
  this.timeout(900_000);

  it('gives its status and both outputs apart', async () => {
    const ran = await shell('echo to out; echo to err >&2; exit 7');

    assert.deepEqual([ran.reason, ran.status, ran.out], ['ended', 7, 'to out\n']);
    // A shell may first complain that its folder is gone.
    assert.match(ran.err, /to err\n$/);
  });

  it('is ended as soon as it has shown enough, with all that it started', async () => {
    const ran = await shell(`sh -c 'sleep 300; : watched-spec-a' & echo ready; wait`, {
      enough: (_, text) => text.includes('ready'),
    });

    assert.deepEqual([ran.reason, ran.status], ['enough', 137]);
    assert.deepEqual(marked('watched-spec-a'), []);
  });

  it('is ended at its deadline even when it ignores every signal that can be ignored', async () => {
    const ran = await shell('trap "" TERM INT HUP QUIT; while :; do sleep 0.1; done # watched-spec-b', { deadlineMs: 300 });

    assert.equal(ran.reason, 'late');
    assert.deepEqual(marked('watched-spec-b'), []);
  });

  it('is ended when the caller gives up, also when he had before it began', async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 100);

    const later = await shell('sleep 300; : watched-spec-c', { signal: stop.signal });
    const before = await shell('sleep 300; : watched-spec-c', { signal: stop.signal });

    assert.deepEqual([later.reason, before.reason], ['aborted', 'aborted']);
    assert.deepEqual(marked('watched-spec-c'), []);
  });

  it('does not keep us waiting for what left its group with its output', async () => {
    const ran = await shell('setsid sleep 600 & echo $!; until [ "$(cut -d" " -f6 /proc/$!/stat)" = $! ]; do sleep 0.05; done; exit 0');
    process.kill(Number(ran.out));

    assert.deepEqual([ran.reason, ran.status], ['ended', 0]);
    assert.ok(ran.milliseconds < 300_000);
  });

  it('stands in a folder of its own with the files it was given and nothing else, which goes with it', async () => {
    const ran = await shell('pwd; ls -A; cat vm.json; stat -c "%a %s" . vm.json; touch left-behind', { files: { 'vm.json': '{}\n' } });

    const [folder, ...rest] = ran.out.trim().split('\n');
    assert.match(folder!, /^\/(run|tmp)\/kata-sysext-watch-/);
    assert.deepEqual(rest.slice(0, 2), ['vm.json', '{}']);
    assert.match(rest[2]!, /^700 /);
    assert.equal(rest[3], '600 3');
    assert.equal(existsSync(folder!), false);
  });

  it('without files it has nowhere to write', async () => {
    const ran = await shell(
      'touch x 2>/dev/null && echo written; ls -A | wc -l; readlink /proc/self/fd/0; ulimit -c; env | grep -c LD_ || true',
    );

    assert.deepEqual(ran.out.trim().split('\n'), ['0', '/dev/null', '0', '0']);
  });

  it('says what cannot be started', async () => {
    const watched = await shell('exec /nowhere/at-all');

    assert.ok([126, 127].includes(watched.status));
  });
});
