import assert from 'node:assert/strict';
import { BUILT, builtFiles } from '../../lab/containerd.ts';
import { beginContainerd, builtContainerd, type ContainerdRelease, containerdAvailable } from '../../lab/goPrograms.ts';
import { podOutput, removePod, runPod, SOCKET, waitForCri } from '../../lab/pods.ts';
import { type Suite, suiteAvailable } from '../../lab/roots.ts';
import { stopAfter } from '../endings.ts';
import { handlersOf, type Live, liveHost } from './liveHost.ts';
import { guardEnded } from './unitWork.ts';

const handler = 'kata-qemu-runtime-rs';
/** It stands for a vendor's file below /usr, which a lab host shares with all others. */
const vendor = '/sysroot/vendor/containerd.toml';
const root = '/etc/containerd/kata-sysext-root.toml';
const folder = '/etc/systemd/system/containerd.service.d';
const dropIn = `${folder}/zz-kata-sysext.conf`;

export interface RootFileCase {
  title: string;
  suite: Suite;
  /** Built by the lab, on a host of `suite`; without it the suite's own. */
  release?: ContainerdRelease;
  /** Of the vendor's file. */
  text: string;
}

/** The specs of one host whose main file is a vendor's and read-only: from an installation to its removal, over boots and edits of others. */
export function describeRootFile({ title, suite, release, text }: RootFileCase): void {
  if (release !== undefined) beginContainerd(release);
  describe(`${title} whose configuration is read-only and imports nothing`, function () {
    this.timeout(900_000);
    let live: Live;
    const binary = release === undefined ? '/usr/bin/containerd' : `${BUILT}/containerd`;
    /** As Flatcar's unit has it; of two values the last one counts. */
    const byVariable = `[Service]\nEnvironment=CONTAINERD_CONFIG=/nowhere.toml\nEnvironment=CONTAINERD_CONFIG=${vendor}\nExecStart=\nExecStart=${binary} --config \${CONTAINERD_CONFIG}\n`;
    const byFlag = `[Service]\nExecStart=\nExecStart=${binary} -c ${vendor} --log-level debug\n`;

    before(async function () {
      const there = [await suiteAvailable(suite), ...(release === undefined ? [] : [await containerdAvailable(release)])];
      for (const each of there)
        if (!each.ok) {
          console.log(`      left out: ${each.why}`);
          this.skip();
        }
      live = await liveHost({
        suite,
        containerdConfig: '',
        files: {
          ...(release === undefined ? {} : builtFiles()),
          [vendor]: text,
          [`${folder}/10-vendor.conf`]: byVariable,
          [`${folder}/override.conf`]: '[Service]\nEnvironment=BEFORE=y\n',
        },
        binds: release === undefined ? {} : { [await builtContainerd(release)]: BUILT },
      });
    });
    stopAfter(() => live);

    it('reads a file of kata-sysext below /etc from the install on, and nothing else of its command differs', async () => {
      const before = await command();
      const { stdout } = await live.kata(['install', live.bundle(live.first), '--backend', 'prefix', '--dry-run']);
      await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);

      assert.match(stdout, /let systemd read containerd\.service again/);
      assert.deepEqual(before, [binary, '--config', vendor]);
      assert.deepEqual(await command(), [binary, '--config', root]);
      await bothRun('first');
      assert.deepEqual((await live.json(['verify']))['drift'], []);
    });

    it('follows a unit that names it in another way and adds a flag, beside an override of the administrator', async () => {
      await write(`${folder}/10-vendor.conf`, byFlag);
      await write(`${folder}/override.conf`, '[Service]\nEnvironment=X=y\n');

      await boot();

      assert.deepEqual(await command(), [binary, '--config', root, '--log-level', 'debug']);
      await bothRun('flag');
      assert.deepEqual((await live.json(['verify']))['drift'], []);
    });

    it('follows the vendor’s file', async () => {
      await live.host.sh(`sed -i 's/^# lab host$/# an update/; $a [debug]\\nlevel = "warn"' ${vendor}`);

      await boot();

      assert.equal((await live.host.sh(`${binary} -c ${root} config dump | grep -A6 '^ *\\[debug\\]' | grep -c warn`)).stdout.trim(), '1');
      await bothRun('updated');
    });

    // containerd 1.x starts with its defaults, which the cgroups of the lab do not take.
    if (suite === 'forky' || release !== undefined)
      it('has runc and the handler, if the vendor’s file is missing in a boot', async () => {
        await live.host.sh(`mv ${vendor} ${vendor}.away`);

        await boot();
        const handlers = await handlersOf(live);
        await live.host.sh(`mv ${vendor}.away ${vendor}`);
        await boot();

        assert.deepEqual(handlers, [handler, 'runc']);
        await bothRun('back');
      });

    it('an administrator’s systemctl revert is drift, and the next change mends it', async () => {
      await live.host.sh(`rm ${dropIn}; systemctl daemon-reload`);
      const { drift } = (await live.json(['verify'], 1)) as { drift: { code: string; subject: string }[] };

      await live.json(['install', live.bundle(live.second), '--allow', 'engine-pending-edits']);

      assert.ok(
        drift.some(({ subject }) => subject === dropIn),
        JSON.stringify(drift),
      );
      assert.deepEqual(await command(), [binary, '--config', root, '--log-level', 'debug']);
      await bothRun('mended');
    });

    it('reads its own file again after rollback and uninstall, and a death in between', async () => {
      await live.json(['rollback']);
      await bothRun('rolled');
      await live.kata(['uninstall', '--purge'], { KATA_SYSEXT_FAILPOINT: 'step/restart/before=kill' });
      await live.host.reboot({ crash: true });
      await waitForCri(live.host, SOCKET);
      await guardEnded(live);
      const between = await command();
      await live.json(['uninstall', '--purge']);

      assert.deepEqual(between, [binary, '--config', root, '--log-level', 'debug']);
      assert.deepEqual(await command(), [binary, '-c', vendor, '--log-level', 'debug']);
      assert.deepEqual(await handlersOf(live), ['runc']);
      assert.equal((await live.host.sh(`ls -d ${root} /etc/containerd/kata-sysext.d ${dropIn} 2>/dev/null || true`)).stdout, '');
    });

    /** The running daemon's own. */
    async function command(): Promise<string[]> {
      const { stdout } = await live.host.sh("tr '\\0' '\\n' < /proc/$(systemctl show -P MainPID containerd)/cmdline");
      return stdout.trim().split('\n');
    }

    async function bothRun(name: string): Promise<void> {
      assert.deepEqual(await handlersOf(live), [handler, 'runc']);
      for (const through of [handler, '']) {
        const pod = await runPod(live.host, through, `${name}${through === '' ? '-runc' : ''}`);
        assert.match(await podOutput(live.host, pod, 'echo printed'), /printed/);
        await removePod(live.host, pod);
      }
    }

    async function write(path: string, text: string): Promise<void> {
      await live.host.run(['tee', path], { input: text });
    }

    async function boot(): Promise<void> {
      await live.host.reboot();
      await waitForCri(live.host, SOCKET);
      await guardEnded(live);
    }
  });
}
