import assert from 'node:assert/strict';
import { podOutput, removePod, runPod, SOCKET, waitForCri } from '../lab/pods.ts';
import type { SampleRelease } from '../lab/release/index.ts';
import { suiteAvailable } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { checkJson } from '../support/judges/schemas.ts';
import { containerd, etcOf, handlersOf, type Live, liveHost, runsOf, startsOf } from '../support/live/liveHost.ts';
import { guardEnded } from '../support/live/unitWork.ts';

const handler = 'kata-qemu-runtime-rs';
const alias = 'refused-by-the-unit';
const dropIn = '/etc/systemd/system/containerd.service.d/refuses.conf';
const report = '/etc/kata-sysext/report.json';

describe('a node that is given requests', function () {
  this.timeout(900_000);
  let live: Live;
  let atStart: string[];

  before(async function () {
    const available = await suiteAvailable('trixie');
    if (!available.ok) {
      console.log(`      ${available.why}`);
      return this.skip();
    }
    live = await liveHost({ suite: 'trixie' });
    atStart = etcOf(live);
  });
  stopAfter(() => live);

  /** A lab host has no KVM. */
  function of(release: SampleRelease, more: object = {}): object {
    return { mode: 'install', bundles: [{ from: live.bundle(release) }], backend: 'prefix', allow: ['host-no-kvm'], ...more };
  }

  async function apply(request: object, status = 0): Promise<Record<string, unknown>> {
    const value = { apiVersion: 'kata-sysext/v1', kind: 'Request', ...request };
    checkJson(value);
    await live.host.run(['tee', '/root/request.json'], { input: JSON.stringify(value) });
    return live.json(['apply', '/root/request.json', '--wait', '120'], status);
  }

  it('is unsuitable without KVM, and nothing is changed', async () => {
    const { allow: _none, ...strict } = of(live.first) as Record<string, unknown>;
    const said = await apply(strict);

    assert.deepEqual([said['state'], said['ready'], said['code']], ['unsuitable', true, 'host-no-kvm']);
    assert.deepEqual(await handlersOf(live), ['runc']);
  });

  it('says what an install would do, does it by one restart, and nothing again', async () => {
    const observed = await apply(of(live.first, { mode: 'observe' }));
    const before = await runsOf(live);
    const done = await apply(of(live.first));
    const runs = await runsOf(live);
    const again = await apply(of(live.first));

    assert.deepEqual([observed['state'], observed['wouldRestart']], ['observed', [containerd]]);
    assert.notDeepEqual(runs, before);
    assert.deepEqual([done['state'], done['restarts'], again['state'], again['restarts']], ['done', 1, 'done', 1]);
    assert.deepEqual(await runsOf(live), runs);
    assert.ok((await handlersOf(live)).includes(handler));
  });

  it('tries a request that the engine does not come up with once: two restarts, and none in ten more runs and a boot', async () => {
    await live.host.sh(
      `mkdir -p ${dropIn.replace(/\/[^/]+$/, '')}; printf '[Service]\nExecStartPre=/bin/sh -c "! grep -rqs ${alias} /etc/containerd"\n' >${dropIn}; systemctl daemon-reload`,
    );
    const refused = of(live.second, { aliases: [`${alias}=qemu-runtime-rs`] });

    const failed = await apply(refused, 1);
    const starts = await startsOf(live, containerd);
    const repeated: Record<string, unknown>[] = [];
    for (let times = 0; times < 10; times += 1) repeated.push(await apply(refused, 1));
    const after = await startsOf(live, containerd);
    await live.host.reboot();
    await waitForCri(live.host, SOCKET, 120_000);
    await guardEnded(live);
    const booted = await startsOf(live, containerd);
    const later = await apply(refused, 1);
    const held = await apply(of(live.second));

    assert.deepEqual([failed['state'], failed['ready'], failed['restarts']], ['failed', false, 2]);
    assert.deepEqual(new Set(repeated.map(({ state, reason }) => `${state} ${reason}`)), new Set([`failed ${failed['reason']}`]));
    assert.equal(after, starts);
    assert.deepEqual([later['state'], held['state'], await startsOf(live, containerd)], ['failed', 'held', booted]);
    assert.deepEqual(await handlersOf(live), [handler, 'runc']);
    assert.match((await live.host.run(['cat', report])).stdout, /^ {2}"ready": true,$/m);
  });

  it('goes on with a higher retry, and back to what it had without a restart of the engine', async () => {
    await live.host.sh(`rm -r ${dropIn.replace(/\/[^/]+$/, '')}; systemctl daemon-reload`);
    const done = await apply(of(live.second, { retry: 1 }));
    const runs = await runsOf(live);
    const back = await apply(of(live.first));
    const pod = await runPod(live.host, handler, 'back');
    const printed = await podOutput(live.host, pod, 'echo printed');
    await removePod(live.host, pod);

    assert.deepEqual(
      [done['state'], done['release'], back['state'], back['release']],
      ['done', live.second.version, 'done', live.first.version],
    );
    assert.deepEqual(await runsOf(live), runs);
    assert.match(printed, /printed/);
  });

  it('is uninstalled by a request: only the report stays', async () => {
    const gone = await apply({ mode: 'uninstall' });
    const left = differences(atStart, etcOf(live));

    assert.deepEqual([gone['state'], gone['generation']], ['done', undefined]);
    assert.deepEqual(
      left.filter((line) => !line.includes('etc/kata-sysext')),
      [],
    );
    assert.deepEqual(await handlersOf(live), ['runc']);
  });
});
