import assert from 'node:assert/strict';
import { basename, dirname } from 'node:path';
import { stopAfter } from '../support/endings.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { handlersOf, kataSysext, type Live, liveHost } from '../support/live/liveHost.ts';
import { heldAt, unitsActive, until } from '../support/live/unitWork.ts';

/** Live work is done by a transient unit: who asked for it may die. The prober of the kill is the lab, from outside. */
describe('a change outlives whoever asked for it', function () {
  this.timeout(900_000);
  let live: Live;
  let untouched: string[];

  before(async () => {
    live = await liveHost({ suite: 'trixie' });
    untouched = fingerprint(live.host.root, ['etc']);
  });
  stopAfter(() => live);

  it('SIGKILL of the command while it follows: the unit finishes', async () => {
    // Called by a relative name, which Node puts where a script's name stands: it must not become a word of the unit's command line.
    const [folder, name] = [dirname(kataSysext), `./${basename(kataSysext)}`];
    const follower = live.host.spawn(['sh', '-c', `cd ${folder} && exec ${name} install "$0"`, live.bundle(live.first)], {});
    await until(() => unitsActive(live), 'the unit runs');
    const unit = await live.host.run(['systemctl', 'show', '--property=ExecStart', 'kata-sysext-install-*']);
    await live.host.sh(`pkill -KILL -f '^${name} install' --oldest`);
    follower.kill('SIGKILL');

    await until(async () => !(await unitsActive(live)), 'the unit has ended');

    assert.match(unit.stdout, new RegExp(`argv\\[\\]=/usr/bin/nice -n 0 ${kataSysext} install /mnt/first/`));
    assert.equal((await live.json(['status']))['active'], 1);
    assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
    const { entries } = (await live.json(['history'])) as { entries: { result: string }[] };
    assert.equal(entries.at(-1)?.result, 'done');
  });

  it('the terminal is lost while the command follows: the command ends, the unit finishes', async () => {
    await live.json(['uninstall', '--purge']);
    // script(1) gives it a terminal of its own; when it dies, the kernel hangs up.
    const terminal = live.host.spawn(
      ['script', '--quiet', '--command', `exec ${kataSysext} install ${live.bundle(live.first)}`, '/dev/null'],
      {},
    );
    await until(() => unitsActive(live), 'the unit runs');
    const followers = () => live.host.sh(`pgrep -f '^${kataSysext} install' | xargs -rn1 sh -c 'readlink /proc/$0/fd/2 || true'`);
    const before = await followers();
    await live.host.run(['pkill', '-KILL', '-x', 'script']);
    await until(async () => !(await followers()).stdout.includes('/dev/pts/'), 'the command has ended');
    const worked = await unitsActive(live);

    await until(async () => !(await unitsActive(live)), 'the unit has ended');

    terminal.kill('SIGKILL');
    assert.match(before.stdout, /^\/dev\/pts\/\d+$/m);
    assert.equal(worked, true, 'the command ended while the unit worked');
    assert.equal((await live.json(['status']))['active'], 1);
    assert.deepEqual(await handlersOf(live), ['kata-qemu-runtime-rs', 'runc']);
    const { entries } = (await live.json(['history'])) as { entries: { result: string }[] };
    assert.equal(entries.at(-1)?.result, 'done');
  });

  it('SIGKILL of the unit: recover puts everything back', async () => {
    await live.json(['uninstall', '--purge']);
    const follower = start('install');
    await until(
      async () => (await live.host.sh('grep -c kata-sysext /etc/containerd/config.toml || true')).stdout.trim() !== '0',
      'the wiring is written',
    );
    await live.host.sh(`systemctl kill --signal=KILL 'kata-sysext-install-*'`);
    const status = await new Promise((resolve) => follower.on('close', resolve));

    const recovered = await live.json(['recover']);

    assert.notEqual(status, 0);
    assert.deepEqual(recovered['recovered'], [{ id: 1, verb: 'install', result: 'undone' }]);
    assert.deepEqual(differences(untouched, fingerprint(live.host.root, ['etc'])), []);
    assert.deepEqual(await handlersOf(live), ['runc']);
  });

  it('holds a shutdown back while it works, and no longer: not after its end, not after its death', async () => {
    const held = await heldAt(live, ['install', live.bundle(live.first)], 'step/file/after@1');
    const during = await inhibitors();
    const asked = await live.host.run(['systemctl', 'poweroff', '--check-inhibitors=yes'], { allowFailure: true });
    await held.go();
    const { status } = await held.ended;
    const after = await inhibitors();
    const again = await heldAt(live, ['uninstall', '--purge'], 'step/file/after@1');
    await live.host.run(['kill', '-KILL', String(again.pid)]);
    await again.ended;
    await until(async () => (await inhibitors()) === '', 'nothing holds a shutdown back');
    await live.json(['recover']);
    await live.json(['uninstall', '--purge']);

    assert.match(during, /^kata-sysext .* shutdown .*install is running.* block$/m);
    assert.notEqual(asked.code, 0);
    assert.match(asked.stderr, /kata-sysext/);
    assert.deepEqual([status, after], [0, '']);
    assert.deepEqual(differences(untouched, fingerprint(live.host.root, ['etc'])), []);
  });

  it('a signal to the command is one to the unit: 128 + signal, interrupted, and every byte back', async () => {
    const wired = 'grep -q kata-sysext /etc/containerd/config.toml';
    for (const [signal, number, moment] of [
      ['TERM', 15, 'true'],
      ['INT', 2, wired],
      ['QUIT', 3, wired],
    ] as const) {
      const ran = await live.host.sh(
        `${kataSysext} install ${live.bundle(live.first)} --json & pid=$!; until ${moment}; do sleep 0.05; done; kill -${signal} $pid; wait $pid`,
        { allowFailure: true, timeoutMs: 600_000 },
      );
      await until(async () => !(await unitsActive(live)), 'the unit has ended');

      assert.equal(ran.code, 128 + number, `${signal}: ${ran.stdout}`);
      // One that comes before the command listens ends it as the kernel does.
      if (moment === wired) assert.deepEqual((JSON.parse(ran.stdout) as { code: string }).code, 'interrupted');
      assert.deepEqual(differences(untouched, fingerprint(live.host.root, ['etc'])), []);
      assert.deepEqual(await handlersOf(live), ['runc']);
    }
  });

  it('the message bus is restarted in between: whatever the change becomes, it is told and it is whole', async () => {
    const ran = await live.host.sh(
      `${kataSysext} install ${live.bundle(live.first)} --json & pid=$!; while ! grep -q kata-sysext /etc/containerd/config.toml; do sleep 0.05; done; systemctl restart dbus; wait $pid`,
      { allowFailure: true, timeoutMs: 600_000 },
    );
    await until(async () => !(await unitsActive(live)), 'the unit has ended');

    const answer = JSON.parse(ran.stdout) as { kind: string };
    const installed = (await live.json(['status']))['installed'];
    assert.equal(answer.kind, ran.code === 0 ? 'Change' : 'Error', ran.stdout);
    assert.equal(installed, ran.code === 0);
    assert.deepEqual(await handlersOf(live), installed === true ? ['kata-qemu-runtime-rs', 'runc'] : ['runc']);
    if (installed === true) await live.json(['uninstall', '--purge']);
    assert.deepEqual(differences(untouched, fingerprint(live.host.root, ['etc'])), []);
  });

  it('a program that only the caller’s own mounts show cannot be started by PID 1: it is told, and nothing is changed', async () => {
    const before = await followed();
    const ran = await live.host.sh(
      `unshare --mount sh -c 'mount -t tmpfs none /srv && cp ${kataSysext} /srv/kata-sysext && exec /srv/kata-sysext install ${live.bundle(live.first)} --json'`,
      { allowFailure: true, timeoutMs: 600_000 },
    );

    const error = JSON.parse(ran.stdout) as { code: string; found: string; next: string };
    assert.deepEqual([ran.code, error.code], [1, 'failed']);
    assert.match(error.found, /could not start \/srv\/kata-sysext .*status (?:127|203)/);
    assert.match(error.next, /ls -l \/proc\/1\/root\/srv\/kata-sysext/);
    assert.deepEqual(differences(untouched, fingerprint(live.host.root, ['etc'])), []);
    assert.equal(await followed(), before);
  });

  it('a bundle that only the caller’s own mounts show is refused with what PID 1 sees, and nothing is changed', async () => {
    const ran = await live.host.sh(
      `unshare --mount sh -c 'mount -t tmpfs none /srv && cp ${live.bundle(live.first)} /srv/kata.tar.zst && exec ${kataSysext} install /srv/kata.tar.zst --json'`,
      { allowFailure: true, timeoutMs: 600_000 },
    );

    const error = JSON.parse(ran.stdout) as { code: string; found: string; next: string };
    assert.deepEqual([ran.code, error.code], [4, 'bundle-missing']);
    assert.match(error.found, /seen from here, but PID 1/);
    assert.match(error.next, /ls -l \/proc\/1\/root\/srv\/kata\.tar\.zst/);
    assert.deepEqual(differences(untouched, fingerprint(live.host.root, ['etc'])), []);
  });

  it('SIGINT asks the change to undo: status 130, every byte back', async () => {
    const ran = live.host.sh(
      `${kataSysext} install ${live.bundle(live.first)} --json & pid=$!; while ! grep -q kata-sysext /etc/containerd/config.toml; do sleep 0.05; done; kill -INT $pid; wait $pid`,
      { allowFailure: true, timeoutMs: 600_000 },
    );

    const { code, stdout } = await ran;

    assert.equal(code, 130, stdout);
    assert.equal((JSON.parse(stdout) as { code: string }).code, 'interrupted');
    assert.deepEqual(differences(untouched, fingerprint(live.host.root, ['etc'])), []);
    assert.deepEqual(await handlersOf(live), ['runc']);
    assert.equal((await live.json(['status']))['installed'], false);
  });

  /** What logind says: a line for each of ours. */
  async function inhibitors(): Promise<string> {
    const { stdout } = await live.host.run(['systemd-inhibit', '--list', '--no-legend', '--no-pager']);
    return stdout
      .split('\n')
      .filter((line) => line.startsWith('kata-sysext'))
      .join('\n');
  }

  /** What units have written for those who follow them; a follower that was killed leaves its files. */
  async function followed(): Promise<string> {
    return (await live.host.sh('ls /run/kata-sysext 2>/dev/null || true')).stdout;
  }

  function start(verb: string) {
    return live.host.spawn([kataSysext, verb, live.bundle(live.first)], {});
  }
});
