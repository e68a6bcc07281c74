import assert from 'node:assert/strict';
import { type Pod, removePod, runPod } from '../lab/pods.ts';
import { stopAfter } from '../support/endings.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { containerd, dependent, handlersOf, type Live, liveHost, runsOf, startsOf } from '../support/live/liveHost.ts';
import { dropIn, rust } from '../support/trees/kataDeploy.ts';

const handler = rust.name;
const snapshotter = 'nydus-for-kata-tee.service';
const main = '/etc/containerd/config.toml';
const configurations = '/opt/kata/share/defaults/kata-containers/runtime-rs';
const units = [containerd, dependent];
/** The engine's own store, logs and times; what stays of a change is its history. */
const leftOut = ['var/lib/containerd', 'var/log', 'var/lib/systemd', 'var/tmp', 'var/cache', 'var/lib/kata-sysext', 'etc/.updated'];

/**
 * kata-deploy itself is not here: its image needs a registry, and it needs a cluster. What it does to a node with containerd 1.7 is done by hand:
 * the release, the edit in place by the text of its own editor, the copy, the snapshotter's unit, and a restart.
 */
describe('adopt kata-deploy on a live host with containerd 1.7', function () {
  this.timeout(600_000);
  let live: Live;
  let without: string[];

  before(async () => {
    live = await liveHost({ suite: 'trixie' });
    // The first pod makes the engine write what it writes once.
    await removePod(live.host, await runPod(live.host, '', 'warm'));
    without = everything();
  });
  stopAfter(() => live);

  const everything = () => fingerprint(live.host.root, ['etc', 'usr', 'opt', 'var', 'boot'], leftOut);
  const adopt = () => ['adopt', 'kata-deploy', live.bundle(live.first)];

  async function deploy(): Promise<void> {
    const text = `\n${dropIn([rust], 'io.containerd.grpc.v1.cri')}\n[proxy_plugins.nydus-for-kata-tee]\ntype = "snapshot"\naddress = "/run/nydus-for-kata-tee/containerd-nydus-grpc.sock"\n\n[debug]\nlevel = "debug"\n`;
    const unit =
      '[Unit]\nDescription=Nydus snapshotter\nBefore=containerd.service\n[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=containerd.service\n';
    await live.host.sh(`
      tar --zstd -C / -xf ${live.bundle(live.first)} ./opt/kata
      mkdir -p ${configurations}/runtimes/qemu-runtime-rs
      cp ${configurations}/configuration-qemu-runtime-rs.toml ${configurations}/runtimes/qemu-runtime-rs/
      cp ${main} ${main}.bak
      cat >> ${main} <<'END'
${text}END
      mkdir -p /var/lib/nydus-for-kata-tee
      cat > /etc/systemd/system/${snapshotter} <<'END'
${unit}END
      systemctl daemon-reload; systemctl enable --now ${snapshotter}; systemctl restart ${containerd} ${dependent}
    `);
    assert.deepEqual(await handlersOf(live), [handler, 'runc']);
  }

  const stateOf = async (unit: string) => (await live.host.run(['systemctl', 'is-active', unit], { allowFailure: true })).stdout.trim();

  async function stillDeployed(deployed: string[]): Promise<void> {
    assert.deepEqual(differences(deployed, everything()), []);
    assert.deepEqual(await handlersOf(live), [handler, 'runc']);
    assert.equal(await stateOf(snapshotter), 'active');
    for (const state of Object.values(await runsOf(live, units))) assert.match(state, /ActiveState=active/);
  }

  it('is refused under a pod of its handler, which is named, and beside a kata-deploy that runs; nothing changes', async () => {
    await deploy();
    const deployed = everything();
    const pod: Pod = await runPod(live.host, handler, 'theirs');

    const used = [await live.json(adopt(), 3), await live.json(['adopt', 'kata-deploy', '--remove'], 3)];
    await removePod(live.host, pod);
    await live.host.sh('cp /usr/bin/sleep /run/kata-deploy; systemd-run --unit lives /run/kata-deploy infinity');
    const alive = await live.json(adopt(), 3);
    await live.host.sh('systemctl stop lives; rm /run/kata-deploy');

    assert.deepEqual(
      used.map(({ code }) => code),
      ['handler-in-use', 'handler-in-use'],
    );
    for (const { found } of used) assert.match(String(found), /default\/theirs/);
    assert.equal(alive['code'], 'kata-deploy-runs');
    await stillDeployed(deployed);
  });

  it('killed once its unit is stopped and its release is set aside, then recover: all of it is back and runs', async () => {
    const deployed = everything();

    const killed = await live.kata(adopt(), { KATA_SYSEXT_FAILPOINT: 'step/set-aside/after=kill' });
    const stopped = await stateOf(snapshotter);
    await live.json(['recover']);

    assert.match(killed.stderr, /ended by signal KILL/);
    assert.equal(stopped, 'inactive');
    await stillDeployed(deployed);
  });

  it('serves its handler after one restart, and nothing of it is left; uninstall leaves the host as before kata-deploy', async () => {
    const starts = await startsOf(live, containerd);

    const change = await live.json(adopt());
    const served = await handlersOf(live);
    const pod = await runPod(live.host, handler, 'ours');
    const shims = (await live.host.sh("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep containerd-shim-kata || true")).stdout;
    await removePod(live.host, pod);
    const started = await startsOf(live, containerd);
    const state = await stateOf(snapshotter);
    await live.json(['uninstall', '--purge']);

    assert.deepEqual([change['handlers'], change['restarted'], started - starts], [[handler], [containerd], 1]);
    assert.deepEqual([served, state], [[handler, 'runc'], 'inactive']);
    assert.doesNotMatch(shims, /\/opt\/kata\//);
    assert.match(shims, /\/containerd-shim-kata-v2\n/);
    assert.deepEqual(differences(without, everything()), []);
    assert.deepEqual(await handlersOf(live), ['runc']);
  });

  it('--remove alone does the same, and installs nothing', async () => {
    await deploy();

    const change = await live.json(['adopt', 'kata-deploy', '--remove']);

    assert.deepEqual([change['handlers'], change['restarted']], [[], [containerd]]);
    assert.deepEqual(differences(without, everything()), []);
    assert.deepEqual(await handlersOf(live), ['runc']);
  });
});
