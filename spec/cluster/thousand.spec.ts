import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { removeAfter, stopAfter } from '../support/endings.ts';
import { type Asked, askedBetween, sumOf } from '../support/fleet/audit.ts';
import { decidingWork } from '../support/fleet/decidingNode.ts';
import { type SimulatedFleet, simulatedFleet, type Template } from '../support/fleet/index.ts';
import { begunOn, type Entry, mostAtOnce } from '../support/fleet/journal.ts';
import { whereKubernetes } from '../support/live/kubernetes.ts';
import { all } from '../support/sample.ts';

const count = Number(process.env['KATA_SYSEXT_NODES'] ?? 1000);
const names = Array.from({ length: count }, (_, index) => `simulated-${index}`);
/** Of the chart: 5 %, which the DaemonSet's controller rounds up. */
const maxUnavailable = Math.ceil(count * 0.05);
const restMs = 120_000;

/**
 * Nodes that are objects, and for each the steps of the node pod on files of its own: the rules of a fleet, and what they cost an API server.
 * Stand-ins are the kubelets, and the installation itself.
 */
function thousandNodes(this: Mocha.Suite): void {
  this.timeout(7_200_000);
  const journal: Entry[] = [];
  let folder: string | undefined;
  let fleet: SimulatedFleet;
  let good: Template;

  whereKubernetes(async () => {
    const roots = mkdtempSync(join(tmpdir(), 'kata-sysext-thousand-'));
    folder = roots;
    fleet = await simulatedFleet({
      names,
      hostOf: (name) => {
        const root = join(roots, name);
        const work = decidingWork(name, root, journal, ({ bundles = [] }) => bundles.some(({ from }) => from === 'kata@4.2.0'));
        return { root, work, changed: () => tellHandlers(name) };
      },
      values: {},
      renewMs: 30_000,
      // One process has the leases of all nodes. The usual 20 requests a second would make each wave last ten seconds.
      controllers: ['--node-monitor-grace-period=180s', '--kube-api-qps=200', '--kube-api-burst=400'],
      audit: true,
    });
  });
  stopAfter(() => fleet);
  removeAfter(() => folder);

  it('have at most five requests of a node for an installation, one restart, and 5 % of them in a change at once', async () => {
    const [start, begin] = [Date.now(), (mode: '1-observe' | '2-install') => fleet.begin(mode, { bundles: [{ from: 'kata@4.1.0' }] })];
    await begin('1-observe');
    await fleet.rolledOut(3600);
    const observed = Date.now();
    good = await begin('2-install');
    await fleet.rolledOut(3600);
    const installed = Date.now();

    const asked = await askedBetween(fleet.lab.auditLog, observed, installed);
    tell(`observed in ${seconds(observed - start)}, installed in ${seconds(installed - observed)}`, asked);
    assert.deepEqual(begunOn(journal, good.request).sort(), [...names].sort());
    assert.ok(mostAtOnce(journal, good.request) <= maxUnavailable, String(mostAtOnce(journal, good.request)));
    assert.ok(journal.every(({ restarts }) => restarts <= 1));
    assert.equal(asked.program.size, count);
    assert.ok(Math.max(...asked.program.values()) <= 5);
  });

  it('stop at a bad request: after its first failure no more nodes are touched than may be unavailable, and all rests', async () => {
    const bad = await fleet.begin('2-install', { bundles: [{ from: 'kata@4.2.0' }] });
    await fleet.settled(bad, maxUnavailable);
    const stopped = Date.now();
    await pause(restMs);
    const asked = await askedBetween(fleet.lab.auditLog, stopped + 5000, stopped + restMs);

    tell(`at rest for ${seconds(restMs - 5000)}`, asked);
    const failures = journal.filter(({ request, state }) => request === bad.request && state === 'failed');
    const firstFailure = Math.min(...failures.map(({ to }) => to));
    const touched = journal.filter(({ request, began, from }) => request === bad.request && began && from >= firstFailure);
    assert.equal(failures.length, maxUnavailable);
    assert.ok(touched.length <= maxUnavailable, String(touched.length));
    assert.ok(begunOn(journal, bad.request).length <= maxUnavailable);
    const most = Math.max(0, ...asked.program.values());
    assert.ok(most <= (restMs - 5000) / 60_000, `${most} requests of a node at rest`);
  });

  /** Every fiftieth kubelet says which handlers it has, as with containerd 2, and learns of new ones some seconds after the restart. */
  async function tellHandlers(name: string): Promise<void> {
    if (names.indexOf(name) % 50 !== 0) return;
    const isInstalled = journal.some(({ node, began, state }) => node === name && began && state === 'done');
    if (!isInstalled) return fleet.simulation.sayHandlers(name, []);
    setTimeout(() => void fleet.simulation.sayHandlers(name, ['kata-qemu']).catch(() => undefined), 6000).unref();
  }

  function tell(what: string, { program, kubelets, others }: Asked): void {
    const most = Math.max(0, ...program.values());
    const text = (counts: Map<string, number>) => [...counts].map(([key, sum]) => `${key} ${sum}`).join(', ');
    console.log(`      ${what}; of the program ${sumOf(program)} requests, of one node at most ${most}`);
    console.log(`      kubelets: ${text(kubelets)}; others: ${text(others)}`);
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

// `npm run test:all`: ten minutes, and 2.5 GB of memory.
if (all) describe(`${count} nodes`, thousandNodes);
