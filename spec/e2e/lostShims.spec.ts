import assert from 'node:assert/strict';
import { JUDGE } from '../lab/judge.ts';
import { runPod, startContainer } from '../lab/pods.ts';
import { stopAfter } from '../support/endings.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { containerd, handlersOf, type Live, liveHost } from '../support/live/liveHost.ts';

/** What an administrator added: no shim outlives a stop of the engine. */
const killer = `[Service]\nExecStopPost=-/usr/bin/pkill -KILL containerd-shim\nExecStopPost=-/usr/bin/pkill -KILL -x pause\n`;

describe('shims that are gone after a restart of the engine', function () {
  this.timeout(900_000);
  let live: Live;
  let untouched: string[];
  let container: string;

  before(async () => {
    live = await liveHost({ suite: 'trixie', files: { [`/etc/systemd/system/${containerd}.d/50-killer.conf`]: killer } });
    container = await startContainer(live.host, await runPod(live.host, '', 'web'), 'sleep 36000', 'main');
    untouched = fingerprint(live.host.root, ['etc']);
  });
  stopAfter(() => live);

  it('are a loss while a container ran: the change is undone', async () => {
    const failed = await live.json(['install', live.bundle(live.first)], 1);

    assert.match(JSON.stringify(failed), /\(web\) lost its shim/);
    assert.match(String(failed['found']), /the host is as it was/);
    assert.deepEqual(await handlersOf(live), ['runc']);
    assert.deepEqual(differences(untouched, fingerprint(live.host.root, ['etc'])), []);
  });

  it('are none where the pod was ending: its containers had stopped before', async () => {
    container = await startContainer(live.host, await runPod(live.host, '', 'job'), 'sleep 36000', 'main');
    await live.host.run([JUDGE, 'stop', container]);

    const done = await live.json(['install', live.bundle(live.first)]);
    const { items } = JSON.parse((await live.host.run([JUDGE, 'pods'])).stdout) as {
      items: { metadata: { name: string }; state: string }[];
    };

    assert.equal(done['kind'], 'Change');
    assert.equal(items.find(({ metadata }) => metadata.name === 'job')?.state, 'SANDBOX_NOTREADY');
  });
});
