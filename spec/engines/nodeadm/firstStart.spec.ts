import assert from 'node:assert/strict';
import { nodeadm } from '../../../cli/engines/nodeadm/index.ts';
import type { HostView } from '../../../cli/host/types.ts';
import { scriptedSystemd } from '../../support/scriptedSystemd.ts';
import { handler, treesOfSpec } from '../../support/trees/engineTree.ts';
import { cache, cached, folder, node, wiringFile } from './nodeadmTree.ts';

const usual = { 'nodeadm-config.service': 'failed', 'nodeadm-run.service': 'inactive', 'containerd.service': 'inactive' };

describe('engines/nodeadm: a builder of AMIs that has booted', () => {
  const treeOf = treesOfSpec();

  /** nodeadm found no user data of a node in this boot, so that it started nothing. */
  async function builder(files: Record<string, string> = {}, states: Record<string, string> = {}): Promise<HostView> {
    const tree = await treeOf({ ...node, ...files });
    const all: Record<string, string> = { ...usual, ...states };
    const { systemd } = scriptedSystemd((name) => ({ activeState: all[name] ?? 'inactive', loadState: 'loaded', mainPid: 0 }), {
      active: [],
    });
    const run = async () => ({ code: 0, stdout: 'containerd github.com/containerd/containerd/v2 2.1.5 0\n', stderr: '' });
    return { ...tree.host, live: true, booted: true, systemd: async () => systemd, run } as HostView;
  }

  it('its engine waits for nodeadm: the file is planned, and a note says that nothing restarts', async () => {
    const host = await builder();

    const [instance] = await nodeadm.detect(host);
    const plan = await nodeadm.plan(host, instance!, [handler('kata-qemu')]);

    assert.deepEqual([instance?.version, instance?.process, instance?.firstStart], ['2.1.5', undefined, 'nodeadm-run.service']);
    assert.deepEqual(
      plan.changes.map(({ path }) => path),
      [wiringFile],
    );
    assert.deepEqual(
      plan.findings.map(({ code, level }) => [code, level]),
      [
        ['engine-first-start', 'info'],
        ['engine-user-data', 'warning'],
      ],
    );
  });

  const others: [title: string, files: Record<string, string>, states: Record<string, string>][] = [
    ['a node on which nodeadm has run in this boot', { [cache]: cached('') }, {}],
    ['one whose containerd a target starts as well', { '/etc/systemd/system/multi-user.target.wants/containerd.service': '' }, {}],
    ['one whose containerd has failed', {}, { 'containerd.service': 'failed' }],
    ['one whose containerd is about to start', {}, { 'containerd.service': 'activating' }],
    ['one whose nodeadm runs', {}, { 'nodeadm-run.service': 'activating' }],
  ];
  for (const [title, files, states] of others)
    it(`an engine that has to be healthy is that of ${title}`, async () => {
      const [instance] = await nodeadm.detect(await builder(files, states));

      assert.deepEqual([instance?.configFolder, instance?.firstStart], [folder, undefined]);
    });
});
