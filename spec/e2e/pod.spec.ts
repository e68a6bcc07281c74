import assert from 'node:assert/strict';
import { importImages } from '../lab/image.ts';
import { JUDGE } from '../lab/judge.ts';
import { generator } from '../lab/random.ts';
import { killGroup } from '../lab/run.ts';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { checkJson } from '../support/judges/schemas.ts';
import { etcOf, handlersOf, kataSysext, type Live } from '../support/live/liveHost.ts';
import { type Pod, podHeldAt, podHost, provePods, traces } from '../support/live/podHost.ts';
import { until } from '../support/live/unitWork.ts';
import { all, loopMs, seed } from '../support/sample.ts';

const handler = 'kata-qemu-runtime-rs';
const pause = 'localhost/pause:lab';
/** Its shims end with this one's status. */
const refusing = '/run/systemd/system/containerd.service.d/50-refusing.conf';

describe('a pod as proof, on containerd 1.7', function () {
  this.timeout(loopMs);
  let live: Live;
  let install: string[];

  before(async () => {
    live = await podHost('trixie');
    install = ['install', live.bundle(live.first), '--prove', 'pod'];
  });
  stopAfter(() => live);

  async function withRefusingShim(work: () => Promise<void>): Promise<void> {
    await live.host.sh(
      `mkdir -p ${refusing.replace(/[^/]*$/, '')}; printf '[Service]\\nEnvironment=LAB_RUNC_SHIM=/bin/false\\n' > ${refusing}`,
    );
    await live.host.sh('systemctl daemon-reload; systemctl restart containerd');
    try {
      await work();
    } finally {
      await live.host.sh(`rm ${refusing}; systemctl daemon-reload; systemctl restart containerd`);
    }
  }

  it('install --prove pod puts the host back where the pod does not start, and keeps what the engine answered', async () => {
    const before = etcOf(live);

    await withRefusingShim(async () => {
      const error = await live.json(install, 1);

      assert.equal(error['code'], 'gate-failed');
      assert.match(String(error['found']), /RunPodSandbox.*stand-in shim.*the host is as it was/s);
    });

    assert.deepEqual(differences(before, etcOf(live)), []);
    assert.deepEqual(await handlersOf(live), ['runc']);
    const told = JSON.stringify(await live.json(['history', '1']));
    assert.match(told, /"pod: kata-qemu-runtime-rs: its sandbox did not start/);
    await gone();
  });

  it('install --prove pod commits when the pod ran', async () => {
    const change = await live.json(install);

    checkJson(change);
    const [pod, ...others] = change['pods'] as Pod[];
    assert.deepEqual([pod!.handler, pod!.ok, pod!.container, others], [handler, true, 'ran', []]);
    await gone();
  });

  it('verify --pod has the engine run a sandbox and a container of the handler, with a network, and removes them', async () => {
    const held = await podHeldAt(live, 'pod/running');

    const { items } = await judge<{ items: { id: string; runtimeHandler: string; state: string }[] }>('pods');
    const { containers } = await judge<{ containers: { podSandboxId: string; state: string }[] }>('ps');
    const networks = (await live.host.run(['ls', '/run/lab-cni'])).stdout;
    held.go();
    const { status, stdout } = await held.ended;

    assert.deepEqual(
      items.map(({ runtimeHandler, state }) => [runtimeHandler, state]),
      [[handler, 'SANDBOX_READY']],
    );
    assert.deepEqual(
      containers.map(({ podSandboxId, state }) => [podSandboxId, state]),
      [[items[0]!.id, 'CONTAINER_RUNNING']],
    );
    assert.match(networks, new RegExp(items[0]!.id));
    assert.equal(status, 0, stdout);
    const [pod] = (JSON.parse(stdout) as { pods: Pod[] }).pods;
    assert.equal(pod!.image, pause);
    assert.equal(pod!.kernel, (await live.host.run(['uname', '-r'])).stdout.trim());
    // The stand-in starts no hypervisor, and that is said.
    assert.deepEqual(
      pod!.findings.map(({ code, level }) => [code, level]),
      [['pod-on-host-kernel', 'warning']],
    );
    await gone();
  });

  it('a pod that another program removes meanwhile, as the kubelet does, counts by its sandbox', async () => {
    const held = await podHeldAt(live, 'pod/started');
    const { items } = await judge<{ items: { id: string }[] }>('pods');
    await live.host.run([JUDGE, 'stopp', items[0]!.id]);
    await live.host.run([JUDGE, 'rmp', items[0]!.id]);

    held.go();
    const { status, stdout } = await held.ended;

    const [pod] = (JSON.parse(stdout) as { pods: Pod[] }).pods;
    assert.deepEqual([status, pod!.ok, pod!.container], [0, true, 'removed']);
    await gone();
  });

  it('SIGTERM ends it: the pod is removed first', async () => {
    const held = await podHeldAt(live, 'pod/started');

    await live.host.run(['kill', '-TERM', String(held.pid)]);
    held.go();
    const { status } = await held.ended;

    assert.equal(status, 128 + 15);
    await gone();
  });

  it('fails with what the engine answered where the shim refuses', async () => {
    await withRefusingShim(async () => {
      const [pod] = await provePods(live, 1);

      assert.match(pod!.findings[0]!.found, /its sandbox did not start: .*RunPodSandbox: .*stand-in shim/s);
      assert.equal(pod!.findings[0]!.code, 'pod-failed');
      await gone();
    });
  });

  it('fails where the running engine does not have the handler', async () => {
    await live.host.sh(
      'cp -a /etc/containerd/config.toml /root/wired.toml; sed -i "/BEGIN kata-sysext/,/END kata-sysext/d" /etc/containerd/config.toml',
    );
    await live.host.sh('systemctl restart containerd');

    const [pod] = await provePods(live, 1);

    await live.host.sh('cp -a /root/wired.toml /etc/containerd/config.toml; rm /root/wired.toml; systemctl restart containerd');
    assert.match(pod!.findings[0]!.found, /has no handler of the name/);
    await gone();
  });

  it('pulls nothing: a node without the image is told the command that brings it', async () => {
    await live.host.run(['ctr', '-n', 'k8s.io', 'images', 'rm', '--sync', pause]);

    const [pod] = await provePods(live, 3);
    const refused = await live.json(['rollback', '--to', '2', '--prove', 'pod'], 1);

    await importImages(live.host);
    assert.equal(pod!.findings[0]!.code, 'pod-image-missing');
    assert.match(
      pod!.findings[0]!.next,
      /^ctr --address \/run\/containerd\/containerd\.sock --namespace k8s\.io images pull localhost\/pause:lab/,
    );
    assert.match(JSON.stringify(refused), /does not have the image/);
    await gone();
  });

  it('without a CNI configuration it says so and boots the guest instead', async () => {
    await live.host.sh('mv /etc/cni/net.d/10-lab.conflist /root/');
    await until(async () => !(await networkReady()), 'the engine has no network');

    const answer = await live.json(['verify', '--pod'], 3);

    await live.host.sh('cat /root/10-lab.conflist > /etc/cni/net.d/10-lab.conflist; rm /root/10-lab.conflist');
    await until(networkReady, 'the engine has its network back');
    checkJson(answer);
    const [pod] = answer['pods'] as Pod[];
    assert.deepEqual(
      pod!.findings.map(({ code, level }) => [code, level]),
      [['pod-no-network', 'warning']],
    );
    assert.equal((answer['guests'] as { handler: string }[])[0]!.handler, handler);
    await gone();
  });

  it('with /run full it fails, as every pod does there', async () => {
    await live.host.sh(
      'mount -o remount,size=$(($(df --output=used -k /run | tail -1) + 2048))k /run; dd if=/dev/zero of=/run/full bs=4k || true',
    );

    const [pod] = await provePods(live, 1);

    await live.host.sh('rm /run/full; mount -o remount,size=25% /run');
    assert.match(pod!.findings[0]!.found, /file system of the node is full/);
    await gone();
  });

  it('killed at any moment it leaves nothing after the next command: 50 times with `npm run test:all`, else 5', async () => {
    const next = generator(seed);
    const points = ['pod/noted', 'pod/watched', 'pod/started', 'pod/running', 'pod/removed'];
    const rounds = all ? 50 : 5;
    const outcomes: string[] = [];

    for (let round = 0; round < rounds; round++) {
      const [choice, pauseMs, watcher] = [next() % 10, next() % 700, next() % 5 < 2];
      const point = points[choice];
      if (point === undefined) await killedAfter(pauseMs);
      else await live.kata(['verify', '--pod'], { KATA_SYSEXT_FAILPOINT: `${point}=kill` });
      if (watcher) await live.host.sh("systemctl kill --signal=KILL 'kata-sysext-pod-*' || true");
      await live.json(['recover']);
      outcomes.push(`${point ?? `${pauseMs} ms`}${watcher ? ' and its watcher' : ''}`);
    }

    console.log(`      ${outcomes.join('; ')}`);
    await gone();
  });

  /** Some ms after it has said that it starts a pod. */
  async function killedAfter(ms: number): Promise<void> {
    const child = live.host.spawn([kataSysext, 'verify', '--pod', '--progress', 'plain']);
    const ended = new Promise((resolve) => child.on('close', resolve));
    await new Promise<void>((resolve) => {
      child.stderr?.on('data', (chunk: Buffer) => chunk.toString().includes('starting a pod') && resolve());
      child.on('close', () => resolve());
    });
    await new Promise((resolve) => setTimeout(resolve, ms));
    killGroup(child);
    await live.host.sh(`pkill -KILL -f '^${kataSysext} verify --pod --progress' || true`);
    await ended;
  }

  async function judge<T>(verb: string): Promise<T> {
    return JSON.parse((await live.host.run([JUDGE, verb])).stdout) as T;
  }

  async function networkReady(): Promise<boolean> {
    return /"type": "NetworkReady",\s*"status": true/.test((await live.host.run([JUDGE, 'info'])).stdout);
  }

  /** Watchers of killed commands need some seconds to be sure. */
  async function gone(): Promise<void> {
    let last: string[] = [];
    await until(
      async () => {
        await live.json(['recover']);
        last = await traces(live);
        return last.length === 0;
      },
      'nothing of a pod is left',
      120_000,
    ).catch(() => assert.deepEqual(last, []));
  }
});
