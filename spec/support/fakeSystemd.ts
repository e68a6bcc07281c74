import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import dbus, { type MessageBus } from 'dbus-next';

const { Interface } = dbus.interface;
const managerPath = '/org/freedesktop/systemd1';
const containerdPath = `${managerPath}/unit/containerd_2eservice`;
const missingPath = `${managerPath}/unit/missing_2eservice`;
const jobPath = (id: number) => `${managerPath}/job/${id}`;

/** A private message bus (the real dbus-daemon) on which a stand-in answers as org.freedesktop.systemd1. */
export interface FakeSystemd {
  env: Record<string, string>;
  socket: string;
  /** Calls that changed something, in order: 'RestartUnit containerd.service'. */
  calls: string[];
  killDaemon(): Promise<void>;
  startDaemon(): Promise<void>;
  stop(): Promise<void>;
}

export function hasDbusDaemon(): boolean {
  return existsSync('/usr/bin/dbus-daemon');
}

export async function startFakeSystemd(): Promise<FakeSystemd> {
  const folder = await mkdtemp(join(tmpdir(), 'kata-sysext-bus-'));
  const socket = join(folder, 'bus');
  const config = join(folder, 'bus.conf');
  await writeFile(config, busConfig(socket));
  const calls: string[] = [];
  let daemon: ChildProcess | undefined;
  let bus: MessageBus | undefined;

  const startDaemon = async () => {
    daemon = spawn('/usr/bin/dbus-daemon', [`--config-file=${config}`, '--nofork'], { stdio: 'ignore' });
    // The socket's file is there a moment before anybody listens on it.
    for (let tries = 0; !(await answers(socket)) && tries < 15_000; tries++) await sleep(10);
    bus = dbus.sessionBus({ busAddress: `unix:socket=${socket}` } as Parameters<typeof dbus.sessionBus>[0]);
    bus.on('error', () => undefined);
    await answerAsSystemd(bus, calls);
  };
  const killDaemon = async () => {
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const ended = once(daemon, 'exit');
    daemon.kill('SIGKILL');
    await ended;
    await rm(socket, { force: true });
  };
  await startDaemon();
  return {
    env: { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${socket}` },
    socket,
    calls,
    killDaemon,
    startDaemon,
    async stop() {
      await killDaemon();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.on('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.on('error', () => resolve(false));
  });
}

function busConfig(socket: string): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`;
}

async function answerAsSystemd(bus: MessageBus, calls: string[]): Promise<void> {
  class Manager extends Interface {
    Version = '252.39-fake';
    lastJob = 0;
    Subscribe() {}
    Reload() {
      calls.push('Reload');
    }
    ResetFailedUnit(unit: string) {
      calls.push(`ResetFailedUnit ${unit}`);
      if (unit === 'missing.service') throw noSuchUnit(unit);
    }
    LoadUnit(unit: string) {
      return unit === 'containerd.service' ? containerdPath : missingPath;
    }
    ListUnitsByPatterns(states: string[], [pattern = '*']: string[]) {
      const row = (name: string, state: string) => [name, '', 'loaded', state, 'running', '', containerdPath, 0, '', '/'];
      const rows = [row('containerd.service', 'active'), row('dead.service', 'failed'), row('dev-vda.device', 'active')];
      const named = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
      return rows.filter(([name, , , state]) => states.includes(String(state)) && named.test(String(name)));
    }
    /** Units by name: done, failed-job, at-once (the job ends before the answer is read), slow (until it is cancelled), stubborn (done in spite of that). */
    RestartUnit(unit: string) {
      calls.push(`RestartUnit ${unit}`);
      if (unit === 'missing.service') throw noSuchUnit(unit);
      if (unit === 'silent.service') return new Promise<string>(() => {});
      const id = ++this.lastJob;
      if (unit === 'done.service') setTimeout(() => this.JobRemoved(id, jobPath(id), unit, 'done'), 30);
      if (unit === 'failed-job.service') setTimeout(() => this.JobRemoved(id, jobPath(id), unit, 'failed'), 30);
      if (unit === 'new-result.service') setTimeout(() => this.JobRemoved(id, jobPath(id), unit, 'frozen'), 30);
      if (unit === 'at-once.service') this.JobRemoved(id, jobPath(id), unit, 'done');
      return jobPath(id);
    }
    CancelJob(id: number) {
      calls.push(`CancelJob ${id}`);
      setTimeout(() => this.JobRemoved(id, jobPath(id), 'slow.service', 'canceled'), 30);
    }
    JobRemoved(id: number, path: string, unit: string, result: string) {
      return [id, path, unit, result];
    }
  }
  Manager.configureMembers({
    properties: { Version: { signature: 's', access: 'read' } },
    methods: {
      Subscribe: {},
      Reload: {},
      ResetFailedUnit: { inSignature: 's' },
      LoadUnit: { inSignature: 's', outSignature: 'o' },
      ListUnitsByPatterns: { inSignature: 'asas', outSignature: 'a(ssssssouso)' },
      RestartUnit: { inSignature: 'ss', outSignature: 'o' },
      CancelJob: { inSignature: 'u' },
    },
    signals: { JobRemoved: { signature: 'uoss' } },
  } as Parameters<typeof Manager.configureMembers>[0]);

  class Unit extends Interface {
    LoadState = 'loaded';
    ActiveState = 'active';
    SubState = 'running';
    Job: [number, string] = [17, '/org/freedesktop/systemd1/job/17'];
    FragmentPath = '/usr/lib/systemd/system/containerd.service';
    DropInPaths = ['/etc/systemd/system/containerd.service.d/10.conf'];
    NeedDaemonReload = true;
    ActiveEnterTimestamp = 1_700_000_000_123_456n;
    StateChangeTimestamp = 1_700_000_001_123_456n;
    InvocationID = Buffer.from('0123456789abcdef0123456789abcdef', 'hex');
    RequiredBy = ['kubelet.service'];
    BoundBy: string[] = [];
    ConsistsOf = ['helper.service'];
  }
  Unit.configureMembers({
    properties: {
      LoadState: { signature: 's' },
      ActiveState: { signature: 's' },
      SubState: { signature: 's' },
      Job: { signature: '(uo)' },
      FragmentPath: { signature: 's' },
      DropInPaths: { signature: 'as' },
      NeedDaemonReload: { signature: 'b' },
      ActiveEnterTimestamp: { signature: 't' },
      StateChangeTimestamp: { signature: 't' },
      InvocationID: { signature: 'ay' },
      RequiredBy: { signature: 'as' },
      BoundBy: { signature: 'as' },
      ConsistsOf: { signature: 'as' },
    },
  });

  class Service extends Interface {
    MainPID = 4711;
    NRestarts = 2;
    KillMode = 'process';
    Result = 'success';
    TimeoutStartUSec = 0xffff_ffff_ffff_ffffn;
    TimeoutStopUSec = 90_000_000n;
    Environment = ['A=b'];
  }
  Service.configureMembers({
    properties: {
      MainPID: { signature: 'u' },
      NRestarts: { signature: 'u' },
      KillMode: { signature: 's' },
      Result: { signature: 's' },
      TimeoutStartUSec: { signature: 't' },
      TimeoutStopUSec: { signature: 't' },
      Environment: { signature: 'as' },
    },
  });

  class Missing extends Interface {
    LoadState = 'not-found';
    ActiveState = 'inactive';
  }
  Missing.configureMembers({ properties: { LoadState: { signature: 's' }, ActiveState: { signature: 's' } } });

  bus.export(managerPath, new Manager('org.freedesktop.systemd1.Manager'));
  bus.export(containerdPath, new Unit('org.freedesktop.systemd1.Unit'));
  bus.export(containerdPath, new Service('org.freedesktop.systemd1.Service'));
  bus.export(missingPath, new Missing('org.freedesktop.systemd1.Unit'));
  bus.export(missingPath, new Service('org.freedesktop.systemd1.Service'));
  await bus.requestName('org.freedesktop.systemd1', 0);
}

function noSuchUnit(unit: string): Error {
  return new dbus.DBusError('org.freedesktop.systemd1.NoSuchUnit', `Unit ${unit} not loaded.`);
}
