import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { main } from '../../cli/commands/run.ts';
import type { Io } from '../../cli/commands/types.ts';
import { openView } from '../../cli/host/index.ts';
import { checkJson } from '../support/judges/schemas.ts';
import { needs } from '../support/needs.ts';
import { program, run } from '../support/program.ts';
import { releases, scratch, story, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

/** What a process of ours does when its surroundings go away, or when it has a fault itself. */
describe('the process', () => {
  let host: TreeHost;
  let first: string;

  before(async () => {
    ({ first } = await releases());
  });

  beforeEach(() => {
    host = treeHost('fcos');
  });

  afterEach(() => host.remove());

  it('a reader that closes the pipes early does not end a change in the middle', async () => {
    const child = spawn(process.execPath, [program(), 'install', first, ...host.flags, '--progress', 'plain'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    child.stderr.destroy();

    const status = await new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? signal)));

    assert.equal(status, 0);
    assert.equal((await host.json(['status']))['active'], 1);
  });

  it('a signal undoes the change, and the JSON says the status that the process ends with', async () => {
    const env = { ...process.env, KATA_SYSEXT_FAILPOINT: 'step/file/after=pause' };
    const child = spawn(process.execPath, [program(), 'install', first, ...host.flags, '--json'], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const stopped = () => /^State:\s+T/m.test(readStatus(child.pid!));
    while (child.exitCode === null && !stopped()) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGINT');
    child.kill('SIGCONT');

    const status = await new Promise((resolve) => child.on('close', (code) => resolve(code)));

    const error = JSON.parse(said) as Record<string, unknown>;
    checkJson(error);
    assert.deepEqual([status, error['code'], error['exitCode']], [130, 'interrupted', 130]);
    assert.equal((await host.json(['status']))['installed'], false);
  });

  it('an error that nobody caught asks the change to undo itself: 1, and the tree as it was', async function () {
    needs(this, 'getfattr');
    const before = host.fingerprint(story);
    const seen = await inProcess(['install', first, ...host.flags, '--progress', 'json'], /"name":"file"/);

    assert.equal(seen.status, 1);
    assert.match(seen.stderr, /a fault of the program: Error: out of nowhere/);
    assert.deepEqual(
      host.fingerprint([...story]).filter((line) => !line.includes('var/lib/kata-sysext')),
      before,
    );
  });

  it('a link to / is the live host, by whatever name', () => {
    const folder = scratch('link');
    symlinkSync('/', join(folder, 'root'));

    const seen = ['/', join(folder, 'root'), '/proc/self/root', host.root].map((root) => openView(root, {}));

    assert.equal(readlinkSync(join(folder, 'root')), '/');
    rmSync(folder, { recursive: true });
    assert.deepEqual(
      seen.map(({ live, root }) => [live, root]),
      [
        [true, '/'],
        [true, '/'],
        [true, '/'],
        [false, host.root],
      ],
    );
  });

  it('status does not connect to systemd, not even to hang up', async () => {
    const folder = scratch('bus');
    const path = join(folder, 'bus');
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const env = { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${path}` };

    const { status } = await run(['status', '--json'], { env });
    const byStatus = connections;
    const asked = openView('/', env);
    await asked.systemd();
    await asked.close();

    server.close();
    rmSync(folder, { recursive: true });
    assert.deepEqual([status, byStatus, connections], [0, 0, 1]);
  });

  it('programs run in a group of their own, which ends whole when their time is up', async () => {
    const view = openView(host.root, {});

    const ids = await view.run('/bin/sh', ['-c', 'echo $$; cut -d " " -f 5 /proc/$$/stat']);
    const late = await view.run('/bin/sh', ['-c', 'sleep 600 & wait'], { timeoutMs: 200, accept: [0, 137] });

    // A child that lived on would hold its output open until the time limit of this test.
    const [pid, group] = ids.stdout.split('\n').map((line) => line.trim());
    assert.equal(pid, group);
    assert.equal(late.code, 137);
  });
});

/** Runs the program in this process and reports a fault to it as soon as its progress says `when`. */
async function inProcess(argv: string[], when: RegExp): Promise<{ status: number; stderr: string }> {
  let stderr = '';
  let fault: (error: unknown) => void = () => undefined;
  let done = false;
  const io = {
    stdout: { write: () => true },
    stderr: {
      write: (text: string) => {
        stderr += text;
        if (!done && when.test(stderr)) {
          done = true;
          fault(new Error('out of nowhere'));
        }
        return true;
      },
    },
    env: {},
    cwd: '/',
    onSignal: () => () => undefined,
    onFault: (callback: (error: unknown) => void) => {
      fault = callback;
      return () => undefined;
    },
  } as unknown as Io;
  return { status: await main(argv, io), stderr };
}

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}
