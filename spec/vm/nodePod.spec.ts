import assert from 'node:assert/strict';
import { type Denial, unexplained } from '../lab/vm/index.ts';
import { stopAfter } from '../support/endings.ts';
import { handlersOf } from '../support/live/liveHost.ts';
import { importCommand, nodeImage } from '../support/nodeImage.ts';
import { planned } from '../support/plan.ts';
import { isExpected, silent } from '../support/vm/enforcing.ts';
import { type LiveVm, liveVm } from '../support/vm/liveVm.ts';
import { machineGoods, rulesOf, withMachines } from '../support/vm/machines.ts';
import { engineSetsLabels, loadPodModule, nodePodOf, type PodMode } from '../support/vm/nodePods.ts';

const handler = 'kata-qemu-runtime-rs';
const observing = { mode: 'observe' };
interface StartedWay {
  labels: boolean;
  mode: PodMode;
}
interface Round {
  /** How pods start without the rules of the module; they get no further. */
  starts: StartedWay[];
  observes?: PodMode;
  /** The longest of all. */
  installs?: boolean;
}

/** One a run, all of them in three runs of this file. */
const rounds: Round[] = [
  {
    starts: [
      { labels: true, mode: 'confined' },
      { labels: false, mode: 'privileged' },
    ],
    observes: 'confined',
  },
  { starts: [], installs: true },
  {
    starts: [
      { labels: true, mode: 'privileged' },
      { labels: false, mode: 'confined' },
    ],
    observes: 'privileged',
  },
];
const wanted = planned(import.meta.url, rounds, 1);

describe('both containers of a node pod under SELinux enforcing, as the engine starts them', function () {
  this.timeout(3_000_000);
  let live: LiveVm;

  before(async () => {
    live = await liveVm({ goods: { ...(await machineGoods()), 'image/image.tar': (await nodeImage()).archive } });
    await withMachines(live);
    await live.host.run(importCommand('/mnt/goods/image/image.tar'), { timeoutMs: 1_200_000 });
  });
  stopAfter(() => live);

  async function deniedTo(mode: PodMode) {
    const since = await live.host.cursor();
    const ran = await nodePodOf(live, mode, observing);
    const ours = (denial: Denial) => !isExpected(denial);
    return { ...ran, rules: rulesOf(unexplained(await live.host.denials(since)).filter(ours)) };
  }

  it('under Debian’s policy neither starts: the engine may mount neither /run/dbus nor a folder of /etc', async () => {
    const { change, report, rules } = await deniedTo('confined');

    assert.match(String(change), /error mounting "\/run\/dbus".*permission denied/);
    assert.match(report, /error mounting "\/etc\/kata-sysext".*permission denied/);
    assert.deepEqual(rules, ['allow dockerd_t etc_t:dir mounton;', 'allow dockerd_t system_dbusd_runtime_t:dir mounton;']);
  });

  for (const { labels, mode } of wanted.flatMap((round) => round.starts))
    it(`Debian’s boolean for mounts, ${labels ? '' : 'no '}labels of the engine: a ${mode} pod starts, and may not ask systemd`, async () => {
      await engineSetsLabels(live, labels);
      await live.host.run(['setsebool', 'container_mounton_non_security', 'on']);
      const { change, report, domain, rules } = await deniedTo(mode);
      await live.host.run(['setsebool', 'container_mounton_non_security', 'off']);

      assert.ok(typeof change !== 'string', String(change));
      assert.equal(change.status, 1, change.log);
      assert.match(change.log, /code: +node-pod-bus/);
      assert.match(report, /no report yet/);
      assert.equal(domain, labels ? 'container_t' : 'spc_t');
      assert.deepEqual(rules, ['allow spc_t init_t:system status;']);
    });

  describe('with the rules of the module, which Fedora’s policy has', () => {
    before(async () => {
      await engineSetsLabels(live, false);
      await loadPodModule(live);
    });

    for (const mode of wanted.flatMap((round) => round.observes ?? [])) {
      it(`no labels of the engine: a ${mode} pod observes, without a denial`, async () => {
        const { change, report, domain } = await silent(live, () => nodePodOf(live, mode, observing));

        assert.ok(typeof change !== 'string', String(change));
        assert.equal(change.status, 0, change.log);
        assert.equal(report, 'the host fits\n');
        assert.equal(domain, 'spc_t');
      });
    }

    if (wanted.some((round) => round.installs === true))
      it('labels of the engine: a confined pod installs and uninstalls, without a denial', async () => {
        await engineSetsLabels(live, true);
        const config = await textOf('/etc/containerd/config.toml');
        const install = { mode: 'install', bundles: [{ from: live.bundle(live.first) }], backend: 'prefix' };
        const there = await silent(live, () => nodePodOf(live, 'confined', install));
        const [handlers, label] = [await handlersOf(live), await labelsOf()];
        const gone = await silent(live, () => nodePodOf(live, 'confined', { mode: 'uninstall' }));

        assert.deepEqual(
          [there, gone].map(({ change }) => (typeof change === 'string' ? change : change.status)),
          [0, 0],
          `${JSON.stringify([there, gone])}`,
        );
        assert.deepEqual(handlers, [handler, 'runc']);
        assert.match(label, /:etc_t:\S+ \/etc.*\n.*:var_lib_t:/);
        assert.equal(there.report, 'the node has what is requested\n');
        assert.deepEqual([there.domain, gone.domain], ['container_t', 'container_t']);
        assert.deepEqual(await handlersOf(live), ['runc']);
        assert.equal(await textOf('/etc/containerd/config.toml'), config);
      });
  });

  const textOf = async (file: string) => (await live.host.run(['cat', file])).stdout;

  async function labelsOf(): Promise<string> {
    return (await live.host.run(['ls', '-Z', '/etc/kata-sysext/report.json', '/var/lib/kata-sysext/pod/kata-sysext'])).stdout;
  }
});
