import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { NodeRequest } from '../../cli/requests/index.ts';
import type { Loss } from '../lab/kube/simulated/index.ts';
import { generator } from '../lab/random.ts';
import { stopAfter } from '../support/endings.ts';
import { type SimulatedFleet, simulatedFleet, type Template } from '../support/fleet/index.ts';
import { begunOn, type Entry, mostAtOnce } from '../support/fleet/journal.ts';
import { treeWork } from '../support/fleet/treeNode.ts';
import { whereKubernetes } from '../support/live/kubernetes.ts';
import { seed } from '../support/sample.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';

const names = Array.from({ length: 13 }, (_, index) => `simulated-${index}`);
const maxUnavailable = 2;

/**
 * A real control plane with nodes that are objects: stand-ins for their kubelets run the whole program on a tree for each. Real are the
 * DaemonSet's controller, which replaces pods of nodes that lost their readiness without any budget, and what each node makes of it.
 */
describe(`waves over nodes that lose their readiness (seed ${seed})`, function () {
  this.timeout(900_000);
  const trees = new Map<string, InProcessTree>();
  const journal: Entry[] = [];
  const random = generator(seed);
  let fleet: SimulatedFleet;
  let first: string;
  let second: string;
  let bad: Template;
  let fix: Template;
  /** Those that lost their readiness under the bad release. */
  let away: string[];

  whereKubernetes(async () => {
    ({ first, second } = await plainReleases());
    fleet = await simulatedFleet({
      names,
      hostOf: (name) => {
        const tree = inProcessTree('fcos');
        trees.set(name, tree);
        return { root: tree.root, work: treeWork(name, tree, journal, isBad) };
      },
      values: { maxUnavailable },
      renewMs: 2000,
      // A node counts as lost after 20 s, not 50.
      controllers: ['--node-monitor-grace-period=20s', '--node-monitor-period=1s'],
    });
  });
  stopAfter(() => fleet);
  after(() => {
    for (const tree of trees.values()) tree.remove();
  });

  const isBad = ({ bundles, settings }: NodeRequest) => bundles?.[0]?.from === second && settings === undefined;

  const fixed = () => ({ bundles: [{ from: second }], settings: ['default_memory=4096'] });

  /** Some of the nodes, in an order by the seed. */
  function some(count: number, from: readonly string[]): string[] {
    const keyed = from.map((name) => ({ name, key: random() }));
    const sorted = keyed.sort((one, other) => one.key - other.key);
    return sorted.slice(0, count).map(({ name }) => name);
  }

  /** Half of them are cut off, the others boot; half of them come back with their pods first. */
  async function loseAndReturn(lost: readonly string[], meanwhile: () => Promise<Template>): Promise<Template> {
    await fleet.simulation.loseReadiness(new Map(lost.map((name, index): [string, Loss] => [name, index % 2 === 0 ? 'cut off' : 'boots'])));
    const template = await meanwhile();
    await fleet.goingFrom(lost);
    // A change may take its node's readiness for half a minute after the report: a return in that time tells nothing.
    await pause(Math.max(...journal.map(({ to }) => to)) + 31_000 - Date.now());
    await fleet.simulation.comeBack(lost, new Set(lost.filter((_, index) => index % 4 < 2)));
    return template;
  }

  it('observes, then installs on no more nodes at once than may be unavailable', async () => {
    await fleet.begin('1-observe', { bundles: [{ from: first }] });
    await fleet.rolledOut();
    const observed = [...journal];
    const good = await fleet.begin('2-install', { bundles: [{ from: first }] });
    await fleet.rolledOut();

    assert.deepEqual(
      observed.map(({ node, state, began }) => [node, state, began]).sort(),
      names.map((name) => [name, 'observed', false]).sort(),
    );
    assert.deepEqual(begunOn(journal, good.request).sort(), [...names].sort());
    assert.ok(mostAtOnce(journal, good.request) <= maxUnavailable);
    await proven(names);
  });

  it('begins a bad release on no node more, although ten others lose their readiness and get its pods at once', async () => {
    const template = await fleet.begin('2-install', { bundles: [{ from: second }] });
    bad = template;
    await fleet.settled(template, maxUnavailable);
    const failed = fleet.nodesOf(template, false);
    const lost = some(
      10,
      names.filter((name) => !failed.includes(name)),
    );
    away = lost;
    await loseAndReturn(lost, async () => template);
    await fleet.settled(template, lost);

    assert.deepEqual(begunOn(journal, template.request).sort(), [...failed].sort());
    assert.deepEqual(fleet.nodesOf(template, true).sort(), [...lost].sort());
    await proven(names);
  });

  it('goes on in waves with a fix and a higher retry, but on those that were away', async () => {
    fix = await fleet.begin('2-install', { ...fixed(), retry: 1 });
    await fleet.rolledOut();

    const wanted = names.filter((name) => !away.includes(name));
    assert.deepEqual(begunOn(journal, fix.request).sort(), wanted.sort());
    assert.ok(mostAtOnce(journal, fix.request) <= maxUnavailable);
    await proven(names);
  });

  it('begins the bad release on none of ten that lose their readiness while an undo leads back to it', async () => {
    const before = journal.length;
    const lost = some(10, names);
    const template = await loseAndReturn(lost, () => fleet.undo());
    await fleet.settled(template, lost);
    await fleet.settled(template, maxUnavailable);

    const begun = begunOn(journal.slice(before), bad.request);
    assert.equal(template.request, bad.request);
    assert.deepEqual(
      lost.filter((name) => begun.includes(name)),
      [],
    );
    assert.ok(begun.length <= maxUnavailable, begun.join(' '));
  });

  it('goes on in waves on all nodes with the next retry', async () => {
    await fleet.begin('2-install', { ...fixed(), retry: 2 });
    await fleet.rolledOut();

    assert.deepEqual([...new Set(begunOn(journal, fix.request))].sort(), [...names].sort());
    assert.ok(mostAtOnce(journal, fix.request) <= maxUnavailable);
    await proven(names);
  });

  /** What was proven stays labelled, by the token of each pod. */
  async function proven(wanted: readonly string[]): Promise<void> {
    const { items } = await fleet.lab.json<{ items: { metadata: { name: string } }[] }>([
      'get',
      'nodes',
      '-l',
      'katacontainers.io/kata-runtime=true',
    ]);
    assert.deepEqual(items.map(({ metadata }) => metadata.name).sort(), [...wanted].sort());
  }
});
