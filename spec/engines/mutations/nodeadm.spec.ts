import assert from 'node:assert/strict';
import toml from '@iarna/toml';
import { parse as parseYaml } from 'yaml';
import { nodeadm } from '../../../cli/engines/nodeadm/index.ts';
import { asRendered } from '../../../cli/engines/nodeadm/rendered.ts';
import type { Wiring, WiringPlan } from '../../../cli/engines/types.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { realFiles } from '../../support/mutations/corpus.ts';
import { eachRound, mutationCount } from '../../support/mutations/random.ts';
import { strictToml, type Table } from '../../support/mutations/strictToml.ts';
import { mutatedToml } from '../../support/mutations/toml.ts';
import { mutatedYaml } from '../../support/mutations/yaml.ts';
import { loopMs, seed } from '../../support/sample.ts';
import { type EngineTree, handler, treesOfSpec } from '../../support/trees/engineTree.ts';
import { newId, newText, oldId } from '../containerdPlans.ts';

const folder = '/etc/eks/nodeadm.d';
const wiringFile = `${folder}/90-kata-sysext.yaml`;
const cache = '/run/eks/nodeadm/config.json';
const rendered = '/etc/containerd/config.toml';
const names = ['kata-qemu', 'kata-clh'];
const node = {
  '/usr/bin/containerd': '',
  '/usr/lib/systemd/system/containerd.service': '[Service]\nExecStart=/usr/bin/containerd\n',
  '/etc/systemd/system/nodeadm-run.service': `[Service]\nExecStart=/usr/bin/nodeadm init --config-source file:///etc/eks/nodeadm.d/ --config-cache ${cache}\n`,
  '/etc/systemd/system/multi-user.target.wants/nodeadm-run.service': '',
};

const header = 'apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  containerd:\n';
const configs = [
  ...realFiles(['eks-nodeadm'], /\.yaml$/).map(({ text }) => text),
  `---\n${header}    config: |\n      [plugins."${newId}".containerd]\n      discard_unpacked_layers = false\n`,
  `${header}    config: "[plugins.\\"${oldId}\\"]\\nsandbox_image = 'x'\\n"\n`,
  `${header}    baseRuntimeSpec:\n      process:\n        rlimits:\n          - { type: RLIMIT_NOFILE, soft: 1024, hard: 1024 }\n`,
  '{"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": {"containerd": {"config": "imports = [\\"/x/*.toml\\"]\\n"}}}\n',
];
const renderedTexts = [
  ...realFiles(['eks-nodeadm'], /\.config\.toml$/).map(({ text }) => text),
  `version = 3\nroot = "/var/lib/containerd"\n[plugins.'${newId}'.containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n`,
];
const userConfigs = [
  '',
  `[plugins."${oldId}".containerd]\ndiscard_unpacked_layers = false\n`,
  `[plugins."${newId}"]\nenable_selinux = true\n`,
];

describe('engines/nodeadm: files that others changed', function () {
  this.timeout(loopMs);
  const treeOf = treesOfSpec();

  it(`${mutationCount} that were changed at random keep every byte; the NodeConfig says the handlers alone (seed ${seed})`, async () => {
    const outcomes = new Map<string, number>();

    await eachRound(async (random) => {
      const text = mutatedYaml(random.pick(configs), random);
      const user = random.once(3) ? mutatedToml(random.pick(userConfigs), random) : random.pick(userConfigs);
      const name = random.pick(['10-a.yaml', '95-a.YML', '50-a.json']);
      const tree = await treeOf({
        ...node,
        [`${folder}/${name}`]: text,
        [cache]: JSON.stringify({ kind: 'NodeConfig', spec: { containerd: user === '' ? {} : { config: user } } }),
        [rendered]: random.pick(renderedTexts),
      });
      const outcome = await goRound(tree, random.pick(['1.7.29', '2.1.9', '2.3.7']), text);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      await tree.remove();
    });

    console.log(`      ${[...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(', ')}`);
    for (const outcome of ['planned', 'engine-config-invalid']) assert.ok(mutationCount < 200 || outcomes.has(outcome), outcome);
  });

  it('of a rendered file that was changed at random, the plan for containerd has the handlers and all that was there', async () => {
    const outcomes = new Map<string, number>();

    await eachRound(async (random) => {
      const text = mutatedToml(random.pick(renderedTexts), random);
      const tree = await treeOf({ ...node, [rendered]: text });
      const outcome = await renderRound(tree, text);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      await tree.remove();
    }, 2);

    console.log(`      ${[...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(', ')}`);
    assert.ok(mutationCount < 200 || outcomes.has('rendered'));
  });
});

function planOn(tree: EngineTree, version: string, wanted: string[], recorded?: Wiring): Promise<WiringPlan> {
  const host = { ...tree.host, booted: true };
  return nodeadm.detect(tree.host, version).then(([instance]) => nodeadm.plan(host, instance!, wanted.map(handler), recorded));
}

function refusal(error: unknown, before: Record<string, string>, tree: EngineTree): string {
  if (!(error instanceof KataError)) throw error;
  assert.match(error.code, /^engine-/);
  assert.deepEqual(tree.everything(), before);
  if (/no YAML|cannot be read as TOML/.test(error.complaint.found))
    assert.match(error.complaint.found, /line \d+, column \d+|has the key|marks/, error.message);
  return error.code;
}

async function goRound(tree: EngineTree, version: string, text: string): Promise<string> {
  const before = tree.everything();
  const first = await planOn(tree, version, names).catch((error: unknown) => refusal(error, before, tree));
  if (typeof first === 'string') return first;
  await tree.apply(first);
  const own = await tree.read(wiringFile);
  const again = await planOn(tree, version, names, first.wiring);
  const fewer = await planOn(tree, version, names.slice(1), first.wiring);
  await tree.apply(fewer);
  const more = await planOn(tree, version, names, fewer.wiring);
  await tree.apply(more);
  const after = tree.everything();
  await tree.apply(await planOn(tree, version, [], more.wiring));

  const { apiVersion, kind, spec } = parseYaml(own) as { apiVersion: string; kind: string; spec: { containerd: { config: string } } };
  const { plugins } = toml.parse(spec.containerd.config) as unknown as { plugins: Record<string, { containerd: { runtimes: Table } }> };
  assert.deepEqual([apiVersion, kind], ['node.eks.aws/v1alpha1', 'NodeConfig']);
  assert.equal(Object.keys(plugins).length, 1);
  assert.deepEqual(
    Object.values(plugins).map(({ containerd }) => Object.keys(containerd.runtimes)),
    [names],
  );
  assert.deepEqual([again.changes, more.wiring?.key], [[], first.wiring?.key]);
  for (const [path, bytes] of Object.entries(before)) assert.equal(after[path], bytes, `${path}: ${text}`);
  assert.deepEqual(tree.everything(), before);
  return 'planned';
}

async function renderRound(tree: EngineTree, text: string): Promise<string> {
  const [instance] = await nodeadm.detect(tree.host, '2.3.7');
  const before = tree.everything();
  const plan = await nodeadm.plan(tree.host, instance!, names.map(handler)).catch((error: unknown) => refusal(error, before, tree));
  if (typeof plan === 'string') return plan;
  const shown = await asRendered(tree.host, instance!, plan).catch((error: unknown) => refusal(error, before, tree));
  if (typeof shown === 'string') return shown;
  const [was, is] = [strictToml(text), strictToml(newText(shown.changes[0]))];
  if (was === undefined) return 'read by one parser alone';
  assert.ok(is !== undefined, newText(shown.changes[0]));
  if (text.includes('.runtimes]]')) return 'lists in the place of tables';
  const [old, now] = [withoutHandlers(was), withoutHandlers(is)];
  assert.deepEqual(JSON.parse(JSON.stringify({ version: 3, ...now.rest })), JSON.parse(JSON.stringify({ version: 3, ...old.rest })), text);
  assert.ok(
    names.every((name) => now.runtimes.includes(name)),
    newText(shown.changes[0]),
  );
  return 'rendered';
}

/** Under both plugins; tables that are empty without them count for nothing. */
function withoutHandlers(value: Table): { rest: Table; runtimes: string[] } {
  const copy = JSON.parse(JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each))) as Table;
  const runtimes: string[] = [];
  for (const id of [oldId, newId]) {
    const table = ((copy['plugins'] as Table | undefined)?.[id] as { containerd?: { runtimes?: Table } } | undefined)?.containerd?.runtimes;
    for (const name of names)
      if (table !== undefined && Object.hasOwn(table, name)) {
        runtimes.push(name);
        delete table[name];
      }
  }
  return { rest: pruned(copy) as Table, runtimes };
}

function pruned(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const kept = Object.entries(value).map(([key, inner]) => [key, pruned(inner)] as const);
  const full = kept.filter(
    ([, inner]) => !(typeof inner === 'object' && inner !== null && !Array.isArray(inner) && Object.keys(inner).length === 0),
  );
  return Object.fromEntries(full);
}
