import assert from 'node:assert/strict';
import { containerdConfig } from '../lab/containerd.ts';
import { podOutput, removePod, runPod, SOCKET, waitForCri } from '../lab/pods.ts';
import { suiteAvailable } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { etcOf, handlersOf, type Live, liveHost } from '../support/live/liveHost.ts';
import { guardEnded } from '../support/live/unitWork.ts';

const handler = 'kata-qemu-runtime-rs';
const suite = 'forky';
const main = '/etc/containerd/config.toml';
/** Outside of /etc, whose bytes are compared. */
const template = '/sysroot/generator/containerd.toml';
const text = `# Ansible managed: changes are lost at the next start\n${containerdConfig(suite)}`;

/** A stand-in for the generators of hosts and clouds: before each start of containerd it writes the main file from a template. */
const generator = `[Service]\nExecStartPre=/bin/cp ${template} ${main}\n`;

describe('a containerd 2 whose main file another program writes before each start', function () {
  this.timeout(900_000);
  let live: Live;
  let atStart: string[];

  before(async function () {
    const there = await suiteAvailable(suite);
    if (!there.ok) {
      console.log(`      left out: ${there.why}`);
      this.skip();
    }
    live = await liveHost({
      suite,
      containerdConfig: text,
      files: { [template]: text, '/etc/systemd/system/containerd.service.d/20-generator.conf': generator },
    });
    atStart = etcOf(live);
  });
  stopAfter(() => live);

  it('gets a root file: the generator writes on, and the handlers outlive each of its runs', async () => {
    const change = (await live.json(['install', live.bundle(live.first), '--backend', 'prefix'])) as { findings: { code: string }[] };
    const { engine } = (await live.json(['status'])) as { engine: { method: string } };
    await live.host.sh(`sed -i 's/^# Ansible managed.*/&, another run/' ${template}; systemctl restart containerd`);
    await waitForCri(live.host, SOCKET);

    assert.equal(engine.method, 'root file');
    assert.ok(change.findings.some(({ code }) => code === 'engine-config-generated'));
    assert.equal((await live.host.sh(`grep -c 'another run' ${main}`)).stdout.trim(), '1');
    await bothRun('restarted');
  });

  it('boots with them, and the boot guard finds nothing to do', async () => {
    await live.host.reboot();
    await waitForCri(live.host, SOCKET);
    await guardEnded(live);

    await bothRun('booted');
    assert.deepEqual((await live.json(['verify']))['drift'], []);
  });

  it('follows what the generator says, also a handler of its own', async () => {
    await live.host.sh(`printf '\\n[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.other]\\nruntime_type = "io.containerd.runc.v2"\\n' >> ${template}
systemctl restart containerd`);
    await waitForCri(live.host, SOCKET);

    assert.deepEqual(await handlersOf(live), [handler, 'other', 'runc']);
  });

  it('has its own file alone again after an uninstall', async () => {
    await live.host.sh(`cat > ${template}; systemctl restart containerd`, { input: text });
    await waitForCri(live.host, SOCKET);

    await live.json(['uninstall', '--purge']);

    assert.deepEqual(await handlersOf(live), ['runc']);
    assert.deepEqual(differences(atStart, etcOf(live)), []);
  });

  async function bothRun(name: string): Promise<void> {
    assert.deepEqual(await handlersOf(live), [handler, 'runc']);
    for (const through of [handler, '']) {
      const pod = await runPod(live.host, through, `${name}${through === '' ? '-runc' : ''}`);
      assert.match(await podOutput(live.host, pod, 'echo printed'), /printed/);
      await removePod(live.host, pod);
    }
  }
});
