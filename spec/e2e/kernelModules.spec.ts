import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { release as kernelName } from 'node:os';
import { join } from 'node:path';
import { stopAfter } from '../support/endings.ts';
import { checkJson } from '../support/judges/schemas.ts';
import { handlersOf, type Live, liveHost } from '../support/live/liveHost.ts';

const file = 'etc/modules-load.d/kata-sysext.conf';
const log = '/var/tmp/modprobes';

/**
 * A stand-in for modprobe: a host of the lab shares the kernel of the machine, and cannot load modules into it. It shows a module as loaded
 * by a folder in a /sys/module of the host's own, and one of them it cannot load.
 */
const modprobe = `#!/bin/sh
echo "$*" >>${log}
[ "$2" != vhost_net ] || { echo "modprobe: ERROR: could not insert 'vhost_net': Key was rejected by service" >&2; exit 1; }
mkdir -p "/sys/module/$2"
`;

describe('kernel modules on a live host', function () {
  this.timeout(900_000);
  let live: Live;

  before(async () => {
    const dep = ['vhost_vsock', 'vhost_net', 'tun'].map((name) => `kernel/drivers/${name}.ko:\n`).join('');
    live = await liveHost({
      suite: 'trixie',
      images: false,
      files: {
        [`/var/lab/lib/modules/${kernelName()}/modules.dep`]: dep,
        [`/var/lab/lib/modules/${kernelName()}/modules.builtin`]: '',
        '/var/lab/sbin/modprobe': { text: modprobe, mode: 0o755 },
      },
    });
    // /usr of a lab host cannot be written.
    for (const folder of ['lib', 'sbin'])
      await live.host.sh(`mount -t overlay overlay -o lowerdir=/var/lab/${folder}:/usr/${folder} /usr/${folder}`);
    // The lab's /sys is a file system in memory, and has no folder of modules.
    await live.host.sh('mount -o remount,rw /sys && mkdir -p /sys/module');
  });
  stopAfter(() => live);

  /** Those of the program: the engine calls it as well. */
  const modprobes = async () => (await live.host.sh(`grep -- --use-blacklist ${log}`)).stdout.trim().split('\n');

  it('are loaded by an install, one that cannot be loaded is a warning, and the next installs and an uninstall leave them loaded', async () => {
    const plan = await live.json(['install', live.bundle(live.first), '--backend', 'prefix', '--dry-run']);
    checkJson(plan);
    const change = (await live.json(['install', live.bundle(live.first), '--backend', 'prefix'])) as {
      findings: { code: string; found: string }[];
    };
    const [asked, kept] = [await modprobes(), readFileSync(join(live.host.root, file), 'utf8')];
    const history = await live.json(['history', '1']);
    const names = await handlersOf(live);
    await live.json(['uninstall', '--purge']);

    assert.match(JSON.stringify(plan), /"kind":"modules","text":"load the kernel modules vhost_vsock, vhost_net, tun \(/);
    const told = change.findings.filter(({ code }) => code === 'handler-needs-module');
    assert.deepEqual(asked, ['--use-blacklist vhost_vsock', '--use-blacklist vhost_net', '--use-blacklist tun']);
    assert.match(kept, /\nvhost_vsock\nvhost_net\ntun\n$/);
    assert.match(told.map(({ found }) => found).join(), /modprobe --use-blacklist vhost_net ended with 1: .*Key was rejected/);
    assert.equal(told.length, 1);
    assert.match(JSON.stringify(history), /"result":"done"/);
    assert.deepEqual(names, ['kata-qemu-runtime-rs', 'runc']);
    assert.equal(existsSync(join(live.host.root, file)), false);
    assert.match((await live.host.sh('ls /sys/module')).stdout, /tun\nvhost_vsock/);
  });
});
