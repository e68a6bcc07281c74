import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { SOCKET, waitForCri } from '../../lab/pods.ts';
import { stopAfter } from '../../support/endings.ts';
import { handlersOf, type Live, liveHost } from '../../support/live/liveHost.ts';
import { until } from '../../support/live/unitWork.ts';

const ours = 'kata-qemu-runtime-rs';
const unit = 'kube-containerd.service';
const dropIns = '/etc/systemd/system/containerd.service.d';
const blessings = '/etc/systemd/system/kata-sysext-*.service.d/50-blessed.conf';
const text = `sed 's#^ExecStart=.*#ExecStart=/usr/bin/containerd --config /etc/kube/config.toml#' /usr/lib/systemd/system/containerd.service`;

/** An engine that runs from a unit of another name, with a configuration of its own, beside the unit and the file that are usual. */
describe('the boot guard of an engine in a unit of another name', function () {
  this.timeout(900_000);
  let live: Live;

  before(async () => {
    live = await liveHost({ suite: 'trixie' });
    await live.host.sh(
      `mkdir /etc/kube; cp -a /etc/containerd/config.toml /etc/kube/; systemctl disable --now containerd; ${text} > /etc/systemd/system/${unit}; sed -i 's/containerd.service/${unit}/g' /etc/systemd/system/node-agent.service; systemctl daemon-reload; systemctl enable --now ${unit}`,
    );
    await waitForCri(live.host, SOCKET);
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
  });
  stopAfter(() => live);

  it('the wiring stays in the file that this engine reads, and is blessed there', async () => {
    const before = configurations();

    await boot();
    await until(blessed, 'the generation is blessed');

    assert.deepEqual(configurations(), before);
    assert.deepEqual(await handlersOf(live), [ours, 'runc']);
    assert.match(await said(), /Before=kube-containerd\.service /);
  });

  it('with the containerd of Docker beside it, the files of the engine that is wired decide', async () => {
    const docker =
      'version = 2\nroot = "/var/lib/docker/containerd"\nstate = "/run/docker/containerd"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "/run/docker/containerd.sock"\n';
    await live.host.sh(`mkdir -p /etc/docker ${dropIns}; cat > /etc/docker/containerd.toml`, { input: docker });
    await live.host.sh(
      `printf '[Service]\nExecStart=\nExecStart=/usr/bin/containerd --config /etc/docker/containerd.toml\n' > ${dropIns}/docker.conf; systemctl daemon-reload; systemctl enable containerd; rm -f ${blessings}`,
    );

    await boot();
    await until(blessed, 'the generation is blessed');
    const both = (await live.host.run(['systemctl', 'is-active', unit, 'containerd.service'])).stdout;
    const seen = [await looks()];
    await live.host.sh('echo "# theirs" >> /etc/docker/containerd.toml');
    seen.push(await looks());
    await live.host.sh('echo "# theirs" >> /etc/kube/config.toml');
    seen.push(await looks());

    assert.equal(both, 'active\nactive\n');
    assert.deepEqual(seen, [false, false, true]);
    await live.host.sh(`rm -r ${dropIns}; systemctl daemon-reload; systemctl disable --now containerd`);
  });

  it('where the unit is gone, everything is left alone, and it is said', async () => {
    await live.host.sh(`rm ${blessings}`);
    await live.host.sh(`systemctl disable ${unit}; mv /etc/systemd/system/${unit} /root/; systemctl enable containerd`);
    const before = configurations();

    await boot();
    const log = (await live.host.run(['journalctl', '-b', '-u', 'kata-sysext-rewire.service', '--no-pager', '-o', 'cat'])).stdout;

    assert.deepEqual(configurations(), before);
    assert.match(log, /kube-containerd\.service.*is not on this system; nothing is changed/);
    assert.equal((await live.json(['status']))['active'], 1);
  });

  function configurations(): string[] {
    return ['/etc/kube/config.toml', '/etc/containerd/config.toml'].map((path) => readFileSync(`${live.host.root}${path}`, 'utf8'));
  }

  async function said(): Promise<string> {
    return (await live.host.run(['cat', '/etc/systemd/system/kata-sysext-rewire.service'])).stdout;
  }

  /** Whether PID 1, asked to start the second phase once more, starts its program. */
  async function looks(): Promise<boolean> {
    const guard = 'kata-sysext-rewire.service';
    await live.host.sh(`systemctl daemon-reload; rm -f /run/kata-sysext/boot; systemctl stop ${guard}; systemctl start ${guard}`);
    const { stdout } = await live.host.run(['systemctl', 'show', guard, '-p', 'ActiveState', '--value']);
    return stdout.trim() === 'active';
  }

  async function blessed(): Promise<boolean> {
    return (
      (await live.host.run(['test', '-e', '/etc/systemd/system/kata-sysext-recover.service.d/50-blessed.conf'], { allowFailure: true }))
        .code === 0
    );
  }

  async function boot(): Promise<void> {
    await live.host.reboot();
    await waitForCri(live.host, SOCKET);
  }
});
