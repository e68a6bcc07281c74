import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { KataError } from '../../cli/errors/index.ts';
import { connectSystemd, dbusErrorOf, type Systemd } from '../../cli/systemd/index.ts';
import { openWire } from '../../cli/systemd/wire.ts';
import { type FakeSystemd, hasDbusDaemon, startFakeSystemd } from '../support/fakeSystemd.ts';

const nowhere = { privateSocket: '/nonexistent/private' };

describe('systemd over a private dbus-daemon, a stand-in for PID 1', () => {
  let fake: FakeSystemd;
  let systemd: Systemd;

  before(function () {
    if (hasDbusDaemon()) return;
    console.log('      skipped: dbus-daemon is missing (apt-get install dbus)');
    this.skip();
  });

  beforeEach(async () => {
    fake = await startFakeSystemd();
    const connected = await connectSystemd(fake.env, nowhere);
    assert.ok(connected);
    systemd = connected;
  });

  afterEach(async () => {
    systemd.close();
    await fake.stop();
  });

  it('tells the version', async () => {
    assert.equal(await systemd.version(), '252.39-fake');
  });

  it('reads a unit from both of its interfaces', async () => {
    const state = await systemd.unit('containerd.service');

    assert.deepEqual(state, {
      unit: 'containerd.service',
      loadState: 'loaded',
      activeState: 'active',
      queued: true,
      subState: 'running',
      result: 'success',
      mainPid: 4711,
      invocationId: '0123456789abcdef0123456789abcdef',
      restarts: 2,
      killMode: 'process',
      fragmentPath: '/usr/lib/systemd/system/containerd.service',
      dropInPaths: ['/etc/systemd/system/containerd.service.d/10.conf'],
      needDaemonReload: true,
      activeEnterMs: 1_700_000_000_123.456,
      stateChangeMs: 1_700_000_001_123.456,
      timeoutStartMs: Number.POSITIVE_INFINITY,
      timeoutStopMs: 90_000,
      environment: ['A=b'],
      wantedBy: [],
      requiredBy: ['kubelet.service'],
      boundBy: [],
      consistsOf: ['helper.service'],
      requisiteOf: [],
      propagatesStopTo: [],
    });
  });

  it('says not-found of a unit that is not there', async () => {
    const { loadState, activeState, subState, result, timeoutStartMs, timeoutStopMs } = await systemd.unit('missing.service');

    assert.deepEqual([loadState, activeState, subState, result], ['not-found', 'inactive', 'dead', 'success']);
    assert.deepEqual([timeoutStartMs, timeoutStopMs], [90_000, 90_000]);
  });

  it('lists active units only', async () => {
    assert.deepEqual(await systemd.activeUnits(), ['containerd.service', 'dev-vda.device']);
    assert.deepEqual(await systemd.activeUnits('*.service'), ['containerd.service']);
  });

  it('lists living units of a pattern', async () => {
    const found = [await systemd.livingUnits('container*'), await systemd.livingUnits('dead*'), await systemd.livingUnits('other*')];

    assert.deepEqual(found, [['containerd.service'], [], []]);
  });

  it('waits for the end of a job and tells its result', async () => {
    assert.equal(await systemd.restart('done.service', 300_000), 'done');
    assert.equal(await systemd.restart('failed-job.service', 300_000), 'failed');
    assert.equal(await systemd.restart('at-once.service', 300_000), 'done');
    assert.equal(await systemd.restart('new-result.service', 300_000), 'failed');
  });

  it('takes an infinite deadline for what it is', async () => {
    assert.equal(await systemd.restart('done.service', Number.POSITIVE_INFINITY), 'done');
    assert.deepEqual(fake.calls, ['RestartUnit done.service']);
  });

  it('cancels a job at its deadline and waits until it is gone', async () => {
    const result = await systemd.restart('slow.service', 50);

    assert.equal(result, 'deadline');
    assert.deepEqual(fake.calls, ['RestartUnit slow.service', 'CancelJob 1']);
  });

  it('runs two jobs beside each other', async () => {
    const results = await Promise.all([
      systemd.restart('done.service', 300_000),
      systemd.restart('failed-job.service', 300_000),
      systemd.restart('slow.service', 100),
    ]);

    assert.deepEqual(results, ['done', 'failed', 'deadline']);
  });

  it('passes on what systemd answers: NoSuchUnit', async () => {
    await assert.rejects(
      systemd.restart('missing.service', 1000),
      (error) => error instanceof KataError && error.code === 'failed' && dbusErrorOf(error) === 'org.freedesktop.systemd1.NoSuchUnit',
    );
  });

  it('a unit that systemd has forgotten needs no reset', async () => {
    await systemd.resetFailed('missing.service');
  });

  it('resets and reloads', async () => {
    await systemd.resetFailed('containerd.service');
    await systemd.daemonReload();

    assert.deepEqual(fake.calls, ['ResetFailedUnit containerd.service', 'Reload']);
  });

  it('ends calls and jobs when the bus dies under them', async () => {
    const silent = assert.rejects(
      systemd.restart('silent.service', 600_000),
      (error) => error instanceof KataError && error.code === 'failed',
    );
    const slow = assert.rejects(systemd.restart('slow.service', 600_000), (error) => error instanceof KataError && error.code === 'failed');
    for (const call of ['RestartUnit silent.service', 'RestartUnit slow.service']) while (!fake.calls.includes(call)) await sleep(10);

    await fake.killDaemon();
    await Promise.all([silent, slow]);

    await assert.rejects(systemd.version());
  });

  it('connects again after the bus was restarted', async () => {
    await fake.killDaemon();
    await assert.rejects(systemd.version());
    await fake.startDaemon();

    assert.equal(await systemd.version(), '252.39-fake');
    assert.equal(await systemd.restart('done.service', 300_000), 'done');
  });

  it('goes through the other door when the first one is gone for good', async () => {
    const other = await startFakeSystemd();
    const both = await connectSystemd(
      { DBUS_SYSTEM_BUS_ADDRESS: `${fake.env['DBUS_SYSTEM_BUS_ADDRESS']};${other.env['DBUS_SYSTEM_BUS_ADDRESS']}` },
      nowhere,
    );
    assert.ok(both);

    const before = await both.restart('done.service', 300_000);
    await fake.killDaemon();
    const after = await both.restart('done.service', 300_000);
    await other.killDaemon();
    const none = await both.version().catch((error: unknown) => error);

    assert.deepEqual([before, after], ['done', 'done']);
    assert.deepEqual([fake.calls, other.calls], [['RestartUnit done.service'], ['RestartUnit done.service']]);
    assert.ok(none instanceof Error);
    both.close();
    await other.stop();
  });

  it('gives up a call at its deadline', async () => {
    const wire = await openWire(fake.socket);
    const bus = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' };
    await wire.call({ ...bus, member: 'Hello' });
    const restart = {
      destination: 'org.freedesktop.systemd1',
      path: '/org/freedesktop/systemd1',
      interface: 'org.freedesktop.systemd1.Manager',
      member: 'RestartUnit',
    };

    await assert.rejects(wire.call({ ...restart, signature: 'ss', body: ['silent.service', 'replace'] }, 100), /no answer within 100 ms/);

    wire.close();
    await assert.rejects(wire.call({ ...bus, member: 'ListNames' }), /closed/);
  });

  it('lets the process end while the connection is open', async () => {
    const script = `const { connectSystemd } = await import(${JSON.stringify(new URL('../../cli/systemd/index.ts', import.meta.url).href)});
      const systemd = await connectSystemd(process.env); console.log(await systemd.version());`;

    const { stdout } = await promisify(execFile)(process.execPath, ['--import=tsx', '--input-type=module', '-e', script], {
      env: { ...process.env, ...fake.env },
      timeout: 300_000,
    });

    assert.equal(stdout, '252.39-fake\n');
  });
});

describe('systemd where there is none', () => {
  let folder: string;
  let server: Server | undefined;
  let unhandled: unknown[];
  const note = (reason: unknown) => unhandled.push(reason);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kata-sysext-socket-'));
    unhandled = [];
    process.on('unhandledRejection', note);
  });

  afterEach(async () => {
    process.off('unhandledRejection', note);
    await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
    server = undefined;
    await rm(folder, { recursive: true, force: true });
    assert.deepEqual(unhandled, []);
  });

  async function listen(answer: (socket: Socket) => void): Promise<string> {
    const path = join(folder, 'socket');
    server = createServer(answer);
    await new Promise<void>((resolve) => server?.listen(path, resolve));
    return path;
  }

  it('is undefined without any socket, and for addresses that cannot be used', async () => {
    for (const address of ['unix:path=/nonexistent/bus', 'tcp:host=localhost,port=1', 'unix:abstract=x', 'nonsense', 'unix:path=/a%ff']) {
      assert.equal(await connectSystemd({ DBUS_SYSTEM_BUS_ADDRESS: address }, nowhere), undefined);
    }
  });

  it('is undefined where both sockets hang up (PID 1 does so to another PID namespace)', async () => {
    const socket = await listen((peer) => peer.destroy());

    const systemd = await connectSystemd({ DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${socket}` }, { privateSocket: socket });

    assert.equal(systemd, undefined);
    await sleep(50);
  });

  it('gives up a peer that never finishes the handshake', async () => {
    const peers: Socket[] = [];
    const socket = await listen((peer) => peers.push(peer));

    await assert.rejects(openWire(socket, 100), /no handshake within 100 ms/);

    for (const peer of peers) peer.destroy();
    await sleep(50);
  });

  it('sends PID 1 more bytes until it answers: it may overlook a call that came with the end of the handshake', async () => {
    let said = '';
    const socket = await listen((peer) => {
      peer.on('error', () => undefined);
      peer.on('data', (bytes) => {
        said += bytes.toString('latin1');
        if (/AUTH .*\r\n$/.test(said)) peer.write('OK 00\r\n');
        if ((said.match(/Ping/g) ?? []).length === 2) peer.destroy();
      });
    });

    const systemd = await connectSystemd({ DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/nonexistent/bus' }, { privateSocket: socket });

    assert.equal(systemd, undefined);
    assert.match(said, /BEGIN\r\n.*Get.*Version.*Ping.*Ping/s);
  });

  it('survives a peer that answers nonsense', async () => {
    const socket = await listen((peer) => {
      peer.on('error', () => undefined);
      peer.on('data', () => peer.write('OK 00\r\nnonsense nonsense nonsense nonsense nonsense\r\n'));
    });

    const outcome = await Promise.race([
      openWire(socket, 500).then(async (wire) => wire.call({ path: '/', interface: 'a.b', member: 'C' }, 500)),
      sleep(100_000, 'hangs', { ref: false }),
    ]).catch((error: unknown) => error);

    assert.ok(outcome instanceof KataError);
  });
});
