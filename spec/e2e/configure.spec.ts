import assert from 'node:assert/strict';
import toml from '@iarna/toml';
import { JUDGE } from '../lab/judge.ts';
import { execIn, podOutput, removePod, runPod, startContainer } from '../lab/pods.ts';
import { suiteAvailable } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import { containerd, dependent, type Live, liveHost, runsOf, startsOf, whileProbed } from '../support/live/liveHost.ts';

const handler = 'kata-qemu-runtime-rs';

/** The file that the running engine hands to the shim of a new pod, by what it says over the CRI, and its text as the host sees it. */
async function configurationOf({ host }: Live): Promise<{ path: string; text: string }> {
  const { info } = JSON.parse((await host.run([JUDGE, 'info'])).stdout) as { info: { config: string } };
  const { containerd } = JSON.parse(info.config) as {
    containerd: { runtimes: Record<string, { options: { ConfigPath: string } }> };
  };
  const path = containerd.runtimes[handler]!.options.ConfigPath;
  return { path, text: (await host.run(['cat', path])).stdout };
}

function count(text: string, line: string): number {
  return text.split('\n').filter((each) => each === line).length;
}

/** The stand-in shim reads no configuration: what is proven is the path that the engine gives it, what stands there, and what restarts. */
describe('configure on a live trixie host', function () {
  this.timeout(900_000);
  let live: Live;

  before(async function () {
    const available = await suiteAvailable('trixie');
    if (!available.ok) {
      console.log(`      trixie cannot be installed today: ${available.why}`);
      return this.skip();
    }
    live = await liveHost({ suite: 'trixie' });
    await live.json(['install', live.bundle(live.first)]);
  });
  stopAfter(() => live);

  it('--profile debug: no restart, no failed call, the next pod gets the new file, a running one lives on', async () => {
    const running = await runPod(live.host, handler, 'stays');
    const container = await startContainer(live.host, running, 'sleep 600', 'main');
    const before = { runs: await runsOf(live), starts: await startsOf(live, containerd), file: await configurationOf(live) };
    let done: Record<string, unknown> = {};

    const probed = await whileProbed(live, async () => {
      done = await live.json(['configure', '--profile', 'debug', '--set', 'default_memory=1024']);
    });
    const after = await configurationOf(live);
    const pod = await runPod(live.host, handler, 'next');

    assert.deepEqual([done['to'], done['restarted'], Number(done['bytesWritten']) < 1_000_000], [2, [], true]);
    assert.equal(probed.failed, 0, probed.first);
    assert.deepEqual(await runsOf(live), before.runs);
    assert.equal(await startsOf(live, containerd), before.starts);
    assert.equal(after.path, before.file.path);
    assert.deepEqual([count(before.file.text, 'enable_debug = true'), count(after.text, 'enable_debug = true')], [0, 3]);
    assert.deepEqual([count(before.file.text, 'default_memory = 1024'), count(after.text, 'default_memory = 1024')], [0, 1]);
    assert.match(await podOutput(live.host, pod, 'echo printed in the pod'), /printed in the pod/);
    assert.match(await execIn(live.host, container, ['echo', 'still here']), /still here/);
    const old = (await live.host.run(['cat', `/var/lib/kata-sysext/generations/1/config/${handler}/configuration.toml`])).stdout;
    assert.equal(old, before.file.text);
    await removePod(live.host, pod);
    await removePod(live.host, running);
  });

  it('the same again writes nothing; rollback brings the earlier file back, without a restart', async () => {
    const runs = await runsOf(live);

    const again = await live.json(['configure', '--profile', 'debug', '--set', 'default_memory=1024']);
    const back = await live.json(['rollback']);
    const { text } = await configurationOf(live);

    assert.deepEqual([again['changed'], back['to'], back['restarted']], [false, 1, []]);
    assert.equal(count(text, 'enable_debug = true'), 0);
    assert.deepEqual(await runsOf(live), runs);
    assert.match(runs[dependent]!, /ActiveState=active/);
  });

  it('hugepages: what the kernel says decides', async function () {
    const pages = Number(/^HugePages_Total:\s+(\d+)/m.exec((await live.host.run(['cat', '/proc/meminfo'])).stdout)?.[1]);
    if (pages > 0) {
      console.log(`      left out: this machine has ${pages} huge pages reserved`);
      return this.skip();
    }

    const refused = await live.json(['configure', '--profile', 'hugepages'], 3);
    const allowed = await live.json(['configure', '--profile', 'hugepages', '--allow', 'host-hugepages', '--dry-run']);

    assert.equal(refused['code'], 'host-hugepages');
    assert.match(String(refused['next']), /--allow host-hugepages/);
    assert.deepEqual(
      (allowed['findings'] as { code: string; level: string }[]).map(({ code, level }) => `${level} ${code}`),
      ['warning host-hugepages'],
    );
    assert.equal((await live.json(['status']))['active'], 1);
  });

  it('a value reaches the file as it was typed, through the unit that does the work', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what systemd would expand
    const typed = 'a=$HOME b=${PATH} c=%n d=%% e=$$ f="\\x" ; g=\'h\' é';

    await live.json(['configure', '--set', `kernel_params=${typed}`]);

    const { text } = await configurationOf(live);
    const said = toml.parse(text) as { hypervisor: { qemu: { kernel_params: string } } };
    assert.equal(said.hypervisor.qemu.kernel_params, typed);
  });

  it('shows what is set without being root', async () => {
    await live.json(['configure', '--set', 'default_memory=1024']);

    // The folder of the program is root's own.
    await live.host.sh('cp -rL /mnt/program /run/program && chmod -R a+rX /run/program');
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '/run/program/kata-sysext'];

    const { stdout } = await live.host.run([...nobody, 'configure']);
    const refused = await live.host.run([...nobody, 'configure', '--set', 'default_memory=1'], { allowFailure: true });

    assert.match(stdout, /hypervisor\.qemu\.default_memory = 1024/);
    assert.equal(refused.code, 77);
  });
});
