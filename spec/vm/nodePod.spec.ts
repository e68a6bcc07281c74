import assert from 'node:assert/strict';
import { stopAfter } from '../support/endings.ts';
import { changeMounts, endOf, removeNodePod, reportMounts, startIn, startNodePod } from '../support/live/nodePod.ts';
import { importCommand, nodeImage } from '../support/nodeImage.ts';
import { silent } from '../support/vm/enforcing.ts';
import { type LiveVm, liveVm } from '../support/vm/liveVm.ts';

const request = { apiVersion: 'kata-sysext/v1', kind: 'Request', mode: 'observe' };
const env = { KATA_SYSEXT_REQUEST: JSON.stringify(request) };

describe('a node pod under SELinux enforcing, Debian’s policy, an engine that sets no labels', function () {
  this.timeout(1_200_000);
  let live: LiveVm;

  before(async () => {
    live = await liveVm({ goods: { 'image/image.tar': (await nodeImage()).archive } });
    await live.host.run(importCommand('/mnt/goods/image/image.tar'), { timeoutMs: 600_000 });
  });
  stopAfter(() => live);

  it('has the node run its program with the label of /var/lib, and makes a report with that of /etc, without a denial', async () => {
    await live.host.run(['mkdir', '-p', '/var/lib/kata-sysext']);
    const ran = await silent(live, () => live.kata(['node-pod', 'change'], env));
    const label = await live.host.run(['ls', '-Z', '/var/lib/kata-sysext/pod/kata-sysext', '/etc/kata-sysext/report.json']);

    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^✓ (?:observed|unsuitable): /);
    assert.match(label.stdout, /:etc_t:\S+ \/etc.*\n.*:var_lib_t:/);
  });

  it('is not started by the engine, which this policy lets mount neither /run/dbus nor a folder of /etc', async () => {
    const since = await live.host.cursor();
    const pod = await startNodePod(live.host, 'enforced', 'of the node');
    const rows = [
      { name: 'change', command: ['/kata-sysext', 'node-pod', 'change'], env, mounts: changeMounts, uid: 0 },
      { name: 'probe', command: ['/report', 'ready'], mounts: reportMounts, uid: 65_534 },
    ];
    const said: string[] = [];
    for (const row of rows)
      said.push(await startIn(live.host, pod, row).then((id) => endOf(live.host, pod, row.name, id).then(({ log }) => log), String));
    await removeNodePod(live.host, pod);
    const denied = (await live.host.denials(since)).filter(({ permissions }) => permissions.includes('mounton'));

    assert.deepEqual(
      said.map((each) => /error mounting "(?<folder>[^"]+)".*permission denied/.exec(each)?.groups?.['folder']),
      ['/run/dbus', '/etc/kata-sysext'],
    );
    assert.deepEqual(
      denied.map(({ source, target }) => `${source} ${target}`),
      ['dockerd_t system_dbusd_runtime_t', 'dockerd_t etc_t'],
    );
  });
});
