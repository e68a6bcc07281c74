import assert from 'node:assert/strict';
import { crioRunc, PAUSE } from '../lab/containerd.ts';
import { CRIO_SOCKET } from '../lab/crio.ts';
import { crioNetwork, networkFiles } from '../lab/network.ts';
import { suiteAvailable } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { crioHost, importImages, needCrio } from '../support/live/crioHost.ts';
import { etcOf, handlersOf, type Live } from '../support/live/liveHost.ts';
import { podHeldAt, podHost, provePods, traces } from '../support/live/podHost.ts';
import { until } from '../support/live/unitWork.ts';
import { loopMs } from '../support/sample.ts';

const handler = 'kata-qemu-runtime-rs';

describe('a pod as proof, on containerd 2', function () {
  this.timeout(loopMs);
  let live: Live;

  before(async function () {
    const forky = await suiteAvailable('forky');
    if (!forky.ok) {
      console.log(`      ${forky.why}`);
      this.skip();
    }
    live = await podHost('forky');
  });
  stopAfter(() => live);

  it('a killed install --prove pod leaves neither its pod nor its generation', async () => {
    const before = etcOf(live);
    await live.kata(['install', live.bundle(live.first), '--prove', 'pod'], { KATA_SYSEXT_FAILPOINT: 'pod/running=kill' });

    await live.json(['recover']);

    assert.deepEqual(differences(before, etcOf(live)), []);
    assert.deepEqual(await handlersOf(live), ['runc']);
    await gone(live);
  });

  it('install --prove pod and verify --pod see a pod run, and leave nothing', async () => {
    await live.json(['install', live.bundle(live.first), '--prove', 'pod']);

    const pods = await provePods(live, 0);

    assert.deepEqual(
      pods.map(({ handler: name, ok, container, image }) => [name, ok, container, image]),
      [[handler, true, 'ran', PAUSE]],
    );
    await gone(live);
  });

  it('verify --pod removes a pod of an earlier proof of which /run knows nothing, as after a loss of power', async () => {
    const held = await podHeldAt(live, 'pod/started');
    await live.host.sh(`systemctl kill --signal=KILL 'kata-sysext-pod-*'; rm -r /run/kata-sysext/pods; kill -KILL ${held.pid}`);
    held.go();
    await held.ended;
    const left = (await traces(live)).filter((line) => line.startsWith('sandbox '));

    await provePods(live, 0);

    assert.equal(left.length, 1);
    await gone(live);
  });
});

describe('a pod as proof, on CRI-O', function () {
  this.timeout(loopMs);
  let live: Live;

  before(async function () {
    await needCrio(this);
    live = await crioHost({ ...networkFiles(), ...crioNetwork(PAUSE), ...crioRunc() });
    await live.json(['install', live.bundle(live.first)]);
  });
  stopAfter(() => live);

  it('a node without the image is told the command that brings it', async () => {
    const [pod] = await provePods(live, 3);

    assert.match(pod!.findings[0]!.next, /^crictl --runtime-endpoint unix:\/\/\S*crio\.sock pull localhost\/pause:lab/);
    await gone(live, CRIO_SOCKET);
  });

  it('verify --pod has the engine run a sandbox and a container of the handler, and leaves nothing', async () => {
    await importImages(live);

    const [pod] = await provePods(live, 0);

    assert.deepEqual([pod!.handler, pod!.ok, pod!.container, pod!.image], [handler, true, 'ran', PAUSE]);
    await gone(live, CRIO_SOCKET);
  });
});

/** Watchers of killed commands need some seconds to be sure. */
async function gone(live: Live, socket?: string): Promise<void> {
  let last: string[] = [];
  const none = async () => {
    await live.json(['recover']);
    last = await traces(live, socket);
    return last.length === 0;
  };
  await until(none, 'nothing of a pod is left', 120_000).catch(() => assert.deepEqual(last, []));
}
