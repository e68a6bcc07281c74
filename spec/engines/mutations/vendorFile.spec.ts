import assert from 'node:assert/strict';
import { containerd } from '../../../cli/engines/containerd/index.ts';
import type { Wiring } from '../../../cli/engines/types.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { engineFiles } from '../../support/engineFiles.ts';
import { eachRound, mutationCount, type Random } from '../../support/mutations/random.ts';
import { addedTo, strictToml } from '../../support/mutations/strictToml.ts';
import { mutatedToml } from '../../support/mutations/toml.ts';
import { loopMs, seed } from '../../support/sample.ts';
import { type EngineTree, handler, treesOfSpec } from '../../support/trees/engineTree.ts';

const vendor = '/usr/share/containerd/config.toml';
const root = '/etc/containerd/kata-sysext-root.toml';
const tables = '/etc/containerd/kata-sysext.d/kata-sysext.toml';
const names = ['kata-qemu', 'kata-clh'];
const units = [
  `[Service]\nEnvironment=CONTAINERD_CONFIG=${vendor}\nExecStart=/usr/bin/containerd --config \${CONTAINERD_CONFIG}\n`,
  `[Service]\nExecStart=/usr/bin/containerd --log-level "in fo" -c '${vendor}'\n`,
  `[Service]\nEnvironment="X=y" "CONTAINERD_CONFIG=${vendor}"\nExecStart=-/usr/bin/containerd \\\n  --config=$CONTAINERD_CONFIG\n`,
];

describe('engines/containerd: a vendor’s file that is read-only, changed at random', function () {
  this.timeout(loopMs);
  const treeOf = treesOfSpec();
  const corpus = engineFiles('containerd').map(({ bytes }) => bytes.toString());

  it(`${mutationCount / 4} files are never touched: a root file imports them, or a copy has them whole (seed ${seed})`, async () => {
    const outcomes = new Map<string, number>();

    await eachRound(async (random) => {
      const text = random.once(3) ? random.pick(corpus) : mutatedToml(random.pick(corpus), random);
      const tree = await treeOf({
        '/usr/bin/containerd': '',
        '/usr/lib/systemd/system/containerd.service': random.pick(units),
        [vendor]: text,
        '/usr/share/containerd/other.toml': 'version = 3\n',
        '/etc/containerd/conf.d/x.toml': '',
      });
      const outcome = await goRound(tree, text, random);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      await tree.remove();
    }, 4);

    console.log(`      ${[...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(', ')}`);
    for (const wanted of ['root file', 'root copy']) assert.ok(mutationCount < 200 || outcomes.has(wanted), [...outcomes.keys()].join());
  });
});

async function goRound(tree: EngineTree, text: string, random: Random): Promise<string> {
  const version = random.pick(['1.6.36', '1.7.24', '2.0.14', '2.1.9', '2.3.7', '2.4.2']);
  const before = tree.everything();
  const plan = async (wanted: string[], recorded?: Wiring) => {
    const [instance] = await containerd.detect(tree.host, version);
    return containerd.plan(tree.host, instance!, wanted.map(handler), recorded);
  };
  const first = await plan(names).catch((error: unknown) => error as Error);
  if (first instanceof Error) {
    if (!(first instanceof KataError)) throw first;
    assert.deepEqual(tree.everything(), before);
    return first.code;
  }
  await tree.apply(first);
  const installed = tree.everything();
  const again = await plan(names, first.wiring);
  const fewer = await plan(names.slice(1), first.wiring);
  await tree.apply(fewer);
  const more = await plan(names, fewer.wiring);
  await tree.apply(more);
  const { method } = first.wiring!;
  const said = method === 'drop-in' ? undefined : await tree.read(method === 'root copy' ? root : tables);

  assert.deepEqual([again.changes, again.wiring?.key, more.wiring?.key], [[], first.wiring?.key, first.wiring?.key]);
  assert.deepEqual(tree.everything(), installed);
  assert.equal(await tree.read(vendor), text);
  if (method === 'root copy') assert.ok(said?.startsWith(text.trimEnd()), said);
  if (said !== undefined) {
    const added = addedTo(strictToml(method === 'root copy' ? text : ''), strictToml(said)) as {
      plugins: Record<string, { containerd: { runtimes: object } }>;
    };
    const [runtimes, ...rest] = Object.values(added.plugins).map(({ containerd: { runtimes: each } }) => Object.keys(each));
    assert.deepEqual([runtimes?.filter((name) => name !== 'runc'), rest], [names, []], said);
  }
  if (method === 'root file') {
    const [imported = ''] = strictToml(await tree.read(root))!['imports'] as string[];
    const found = new RegExp(`^${imported.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
    assert.deepEqual(
      Object.keys(before).filter((path) => found.test(path)),
      [vendor],
    );
  }
  await tree.apply(await plan([], more.wiring));
  assert.deepEqual(tree.everything(), before);
  return method;
}
