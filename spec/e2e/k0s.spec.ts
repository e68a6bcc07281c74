import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import toml from '@iarna/toml';
import { JUDGE } from '../lab/judge.ts';
import { K0S_SOCKET, type K0sVersion, k0sFolder } from '../lab/k0s.ts';
import { type Pod, podRuns, removePod, runPod, waitForCri } from '../lab/pods.ts';
import { debianRoot } from '../lab/roots.ts';
import { run as runInLab } from '../lab/run.ts';
import { stopAfter } from '../support/endings.ts';
import { realDataFor } from '../support/engineFiles.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { allBetween, type Between, between } from '../support/live/between.ts';
import { installK0s, k0sHost, k0sUnit, needK0s, processesOf, updateK0s } from '../support/live/k0sHost.ts';
import { etcOf, handlersOf, type Live } from '../support/live/liveHost.ts';
import { scratch } from '../support/trees/treeHost.ts';

const handler = 'kata-qemu-runtime-rs';
const mine = '/etc/k0s/containerd.d/10-mine.toml';

describe('the stand-in for k0s renders as k0s did', function () {
  this.timeout(1_800_000);
  const dropIn = '1.34.containerd.d.50-kata-v2.toml';
  /** Each file that k0s wrote, the version that wrote it, which one of its files it is, and whether the drop-in was there. */
  const rows: [file: string, version: K0sVersion, what: 'main' | 'cri', besides: boolean][] = [
    ['1.34.managed.containerd.toml', 'older', 'main', false],
    ['1.34.run.containerd-cri.toml', 'older', 'cri', false],
    ['1.34.run.containerd-cri.with-kata-dropin.toml', 'older', 'cri', true],
    ['1.36.managed.containerd.toml', 'newer', 'main', true],
  ];

  let real: string;
  before(async function () {
    real = join(realDataFor(this), 'cri/k0s');
    await needK0s(this);
  });

  it('these are all files that k0s wrote; the drop-in was written for it', () => {
    assert.deepEqual(readdirSync(real).sort(), [dropIn, ...rows.map(([file]) => file)].sort());
  });

  for (const [file, version, what, besides] of rows)
    it(`${file}, by value`, async () => {
      const folder = scratch('k0s');
      if (besides) writeFileSync(join(folder, '50-kata.toml'), readFileSync(join(real, dropIn)));
      const containerd = join(await debianRoot('trixie'), 'usr/bin/containerd');
      const defaults = (await runInLab([containerd, 'config', 'default'])).stdout;

      const { stdout } = await runInLab([join(await k0sFolder(), version, 'k0s'), 'render', what, folder], { input: defaults });

      // Debian's place for the programs of CNI, and the image that each release of k0s has.
      const same = (text: string) =>
        JSON.parse(JSON.stringify(toml.parse(text)).replace(/"(bin_dir|sandbox_image|sandbox)":"[^"]*"/g, '"$1":""')) as unknown;
      assert.deepEqual(same(stdout), same(readFileSync(join(real, file), 'utf8')));
      assert.match(stdout, what === 'main' ? /^# k0s_managed=true\n/ : /^/);
    });
});

describe('k0s, by a stand-in that renders as k0s does, with real daemons of containerd', function () {
  this.timeout(900_000);
  let live: Live;
  let atStart: string[];
  let pod: Pod;

  before(async function () {
    await needK0s(this);
    live = await k0sHost({ [mine]: '[debug]\n  level = "info"\n' });
    atStart = etcOf(live);
    pod = await runPod(live.host, 'runc', 'long');
  });
  stopAfter(() => live);

  /** What holds between any two steps: the handlers are listed, runc starts pods, and the pod of the beginning runs. */
  async function holds(handlers: string[], name: string): Promise<void> {
    await waitForCri(live.host, K0S_SOCKET);
    assert.deepEqual(await handlersOf(live), handlers);
    await podRuns(live.host, 'runc', name);
    const { stdout } = await live.host.run([JUDGE, 'pods']);
    assert.match(stdout, new RegExp(`"id": "${pod.id}"[^}]*}?[^}]*"state": "SANDBOX_READY"`, 's'));
  }

  /** Of a host whose k0s is `now`. */
  const events = (now: K0sVersion, other: K0sVersion): Between => ({
    again: async () => void (await live.host.run(['systemctl', 'restart', k0sUnit])),
    boot: () => boot(`between-${++boots}`),
    version: async (held) => {
      // Sandboxes of containerd 2.x are not ready to 1.7, with or without Kata: the pod that runs is a new one.
      await removePod(live.host, pod);
      await updateK0s(live, other);
      await waitForCri(live.host, K0S_SOCKET);
      pod = await runPod(live.host, 'runc', `between-${++boots}`);
      await held(other);
      if (other === 'newer') await removePod(live.host, pod);
      await updateK0s(live, now);
      await waitForCri(live.host, K0S_SOCKET);
      if (other === 'newer') pod = await runPod(live.host, 'runc', `between-${++boots}`);
    },
  });
  let boots = 0;

  it('is found, and the plan says who writes the file and that k0s restarts its containerd by itself; nothing is changed', async () => {
    const before = await processesOf(live);

    const checked = (await live.json(['check'])) as { ready: boolean; engine: Record<string, unknown> };
    const { stdout } = await live.kata(['install', live.bundle(live.first), '--dry-run']);

    assert.deepEqual([checked.engine['name'], checked.engine['version'], checked.engine['unit']], ['k0s', '1.34.10', k0sUnit]);
    assert.match(stdout, /rendered: k0s writes \/run\/k0s\/containerd-cri\.toml/);
    assert.match(stdout, /restarts: none; k0sworker\.service restarts \/var\/lib\/k0s\/bin\/containerd by itself/);
    assert.deepEqual(differences(atStart, etcOf(live)), []);
    assert.deepEqual(await processesOf(live), before);
  });

  it('installs: k0s starts its containerd again by itself, and only the handler differs', async () => {
    const before = await processesOf(live);
    const was = await rendered(live);

    const done = await live.json(['install', live.bundle(live.first)]);
    const after = await processesOf(live);
    const now = await rendered(live);

    assert.deepEqual([done['restarted'], after.k0s], [[], before.k0s]);
    assert.notEqual(after.containerd, before.containerd);
    const runtimes = now.plugins['io.containerd.grpc.v1.cri'].containerd.runtimes;
    assert.equal(delete runtimes[handler], true);
    assert.deepEqual(now, was);
    await holds([handler, 'runc'], 'installed');
    assert.equal((await live.kata(['verify'])).code, 0);
  });

  it('k0s starts again and renders again, the host boots, and another version comes and goes: the handler is there', async () => {
    await allBetween(events('older', 'newer'), 'installed', (name) => holds([handler, 'runc'], name));
  });

  it('upgrades without a new containerd', async () => {
    const before = await processesOf(live);

    const up = await live.json(['install', live.bundle(live.second)]);

    assert.deepEqual([up['restarted'], await processesOf(live)], [[], before]);
    await holds([handler, 'runc'], 'upgraded');
  });

  it('k0s is updated to 1.36 while it is stopped: it starts, with the handler in the schema that it takes', async () => {
    await updateK0s(live, 'newer');

    await holds([handler, 'runc'], 'newer');
    const text = readFileSync(join(live.host.root, 'etc/k0s/containerd.d/kata-sysext.toml'), 'utf8');
    assert.match(text, /^version = 3$/m);
    assert.equal((await live.kata(['verify'])).code, 0);
    const again = await live.json(['install', live.bundle(live.second)]);
    assert.equal(again['changed'], false);
  });

  it('k0s 1.36: the host boots, and a rollback needs no new containerd', async () => {
    await boot('boot-newer');
    await holds([handler, 'runc'], 'booted-newer');
    const before = await processesOf(live);

    const back = await live.json(['rollback']);

    assert.deepEqual([back['restarted'], await processesOf(live)], [[], before]);
    await holds([handler, 'runc'], 'rolled-back');
  });

  it('k0s 1.36: another name of the handler comes, and its containerd took copies of the files before', async () => {
    await between(events('newer', 'older'), 'rolled-back', (name) => holds([handler, 'runc'], name));
    const before = await processesOf(live);

    const done = await live.json(['install', live.bundle(live.first), '--alias', `kata=${handler.replace('kata-', '')}`]);
    const after = await processesOf(live);

    assert.deepEqual([done['restarted'], after.k0s], [[], before.k0s]);
    assert.notEqual(after.containerd, before.containerd);
    await holds(['kata', handler, 'runc'], 'alias');
  });

  it('a change that fails once its files are there is undone, and waits for the containerd without them', async () => {
    await between(events('newer', 'older'), 'alias', (name) => holds(['kata', handler, 'runc'], name));
    const [before, etc] = [await processesOf(live), etcOf(live)];

    const failed = await live.kata(['install', live.bundle(live.first), '--alias', 'kata='], {
      KATA_SYSEXT_FAILPOINT: 'step/restart/before=error',
    });
    const after = await processesOf(live);

    assert.equal(failed.code, 1, failed.stderr);
    assert.deepEqual(differences(etc, etcOf(live)), []);
    assert.equal(after.k0s, before.k0s);
    assert.notEqual(after.containerd, before.containerd);
    await holds(['kata', handler, 'runc'], 'undone');
  });

  it('the host boots: the handler is there, and the generation is blessed', async () => {
    await boot('booted');
    await live.host.sh('while systemctl is-active -q kata-sysext-confirm.service; do sleep 0.2; done');

    const { stdout } = await live.kata(['status']);

    assert.match(stdout, /blessed/);
    // What k0s writes again at each start does not run the guard again: its program, its containerd and the drop-ins do.
    const { stdout: watched } = await live.host.sh(
      'cat /etc/systemd/system/kata-sysext-rewire.service.d/*.conf | grep "^# with the engine of"',
    );
    assert.deepEqual(
      watched
        .trim()
        .split('\n')
        .map((line) => line.split(' ').at(-1)),
      ['/var/lib/k0s/bin/containerd', '/opt/bin/k0s', '/etc/k0s/containerd.d'],
    );
    await holds(['kata', handler, 'runc'], 'after-boot');
  });

  it('k0s goes back to 1.34 while the host is off: the boot guard cannot ask the containerd that is not unpacked yet, and leaves it', async () => {
    await boot('back', 'older');

    const { stdout } = await live.host.run(['journalctl', '-b', '-o', 'cat', '-u', 'kata-sysext-rewire.service']);

    assert.match(stdout, /has not unpacked its containerd yet: \/var\/lib\/k0s\/bin\/containerd is 2\./);
    await holds(['kata', handler, 'runc'], 'older');
    assert.match(readFileSync(join(live.host.root, 'etc/k0s/containerd.d/kata-sysext.toml'), 'utf8'), /^version = 2$/m);
  });

  it('uninstall takes its own files away, restarts nothing, and k0s goes on without the handler', async () => {
    await events('older', 'newer').again();
    await holds(['kata', handler, 'runc'], 'older-again');
    const before = await processesOf(live);

    const done = await live.json(['uninstall', '--purge']);
    const after = await processesOf(live);

    assert.deepEqual([done['restarted'], after.k0s], [[], before.k0s]);
    assert.notEqual(after.containerd, before.containerd);
    assert.deepEqual(differences(atStart, etcOf(live)), []);
    await holds(['runc'], 'gone');
    const start = await live.host.run(['systemctl', 'show', k0sUnit, '-p', 'ExecStartPre', '-p', 'NeedDaemonReload']);
    assert.doesNotMatch(start.stdout, /kata-sysext|NeedDaemonReload=yes/);
  });

  it('afterwards k0s renders again, and boots with another version: nothing of the handler comes back', async () => {
    await live.host.run(['systemctl', 'restart', k0sUnit]);
    await holds(['runc'], 'gone-restarted');
    await boot('gone-newer', 'newer');
    await holds(['runc'], 'gone-booted');

    assert.deepEqual(
      differences(atStart, etcOf(live)).filter((line) => !line.includes('/etc/k0s/containerd.toml')),
      [],
    );
  });

  /** A host that is off can get another version. The pod that runs from here on is a new one. */
  async function boot(name: string, version?: K0sVersion): Promise<void> {
    await removePod(live.host, pod);
    await live.host.reboot(version === undefined ? {} : { between: () => installK0s(live.host.root, version) });
    await waitForCri(live.host, K0S_SOCKET);
    pod = await runPod(live.host, 'runc', name);
  }
});

/** What the stand-in has written for its containerd. */
async function rendered({ host }: Live): Promise<Rendered> {
  return toml.parse((await host.run(['cat', '/run/k0s/containerd-cri.toml'])).stdout) as unknown as Rendered;
}

interface Rendered {
  plugins: Record<'io.containerd.grpc.v1.cri', { containerd: { runtimes: Record<string, unknown> } }>;
}
