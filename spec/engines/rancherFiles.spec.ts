import assert from 'node:assert/strict';
import { readings, sameSettings, type TomlTable, union } from '../../cli/documents/toml/index.ts';
import { pluginTable } from '../../cli/engines/containerd/handlers.ts';
import type { Engine } from '../../cli/engines/contract.ts';
import { k3s } from '../../cli/engines/k3s/index.ts';
import { rke2 } from '../../cli/engines/rke2/index.ts';
import type { Instance } from '../../cli/engines/types.ts';
import { KataError } from '../../cli/errors/index.ts';
import { eachRound, mutationCount, type Random } from '../support/mutations/random.ts';
import { mutatedToml } from '../support/mutations/toml.ts';
import { baseText, realRancher, rendered } from '../support/rancher.ts';
import { loopMs, seed } from '../support/sample.ts';
import { type EngineTree, handler, treesOfSpec } from '../support/trees/engineTree.ts';
import { newId, oldId, runtimes } from './containerdPlans.ts';

/** A node: what was rendered at its last start, the template of its administrator, and what comes of a change. */
interface Node {
  name: string;
  engine: Engine;
  version: string;
  /** The configuration without a template. */
  base: string;
  template?: { name: string; text: string };
  /** Default: the template with its base, or the base. */
  main?: string;
  dataDir?: string;
  outcome: 'drop-in' | 'template' | 'range' | `engine-${string}`;
}

const v3 = 'config-v3.toml.tmpl';
const v2 = 'config.toml.tmpl';
const withBase = '{{ template "base" . }}\n';
const runsc = '\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes."runsc"]\n  runtime_type = "io.containerd.runsc.v1"\n';
const own3 = `\n# added by the admin\n\n[plugins.'${newId}'.containerd.runtimes.'other']\n  runtime_type = "io.containerd.runsc.v1"\n`;
const stub = 'imports = ["/etc/containerd/conf.d/*.toml"]\nversion = 3\n';
const importLine = 'imports = ["/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.d/*.toml"]\n';

const [of2024, of2025, of2026] = (['2024', '2025', '2026'] as const).map((age) => baseText({ program: 'k3s', age }));
const own: Node[] = [
  { name: 'imports a folder', engine: k3s, version: '2.2.3', base: of2026!, outcome: 'drop-in' },
  { name: 'imports a folder, RKE2', engine: rke2, version: '2.3.3', base: baseText({ program: 'rke2', age: '2026' }), outcome: 'drop-in' },
  {
    name: 'has another data folder',
    engine: k3s,
    version: '2.2.3',
    base: baseText({ program: 'k3s', age: '2026', dataDir: '/data/k3s' }),
    dataDir: '/data/k3s',
    outcome: 'drop-in',
  },
  { name: 'imports nothing', engine: k3s, version: '2.1.5', base: of2025!, outcome: 'template' },
  { name: 'has containerd 1.7', engine: k3s, version: '1.7.23', base: of2024!, outcome: 'template' },
  {
    name: 'a template, no import',
    engine: k3s,
    version: '2.1.5',
    base: of2025!,
    template: { name: v3, text: withBase + own3 },
    outcome: 'range',
  },
  {
    name: 'a template, an import',
    engine: k3s,
    version: '2.2.3',
    base: of2026!,
    template: { name: v3, text: withBase + own3 },
    outcome: 'drop-in',
  },
  {
    name: 'a template of 1.7',
    engine: k3s,
    version: '1.7.23',
    base: of2024!,
    template: { name: v2, text: withBase + runsc },
    outcome: 'range',
  },
  {
    name: 'a template of schema 2 on containerd 2',
    engine: k3s,
    version: '2.2.3',
    base: baseText({ program: 'k3s', age: '2026', schema: 2 }),
    template: { name: v2, text: withBase + runsc },
    outcome: 'drop-in',
  },
  {
    name: 'a template of schema 2 on containerd 2, no import',
    engine: k3s,
    version: '2.1.5',
    base: baseText({ program: 'k3s', age: '2025', schema: 2 }),
    template: { name: v2, text: withBase + runsc },
    outcome: 'range',
  },
  {
    name: 'a template with actions and CRLF',
    engine: k3s,
    version: '2.1.5',
    base: of2025!,
    template: {
      name: v3,
      text: `{{/* ours\n of 2024 */}}\r\n{{- template "base" . -}}\r\n${own3.replaceAll('\n', '\r\n')}  snapshotter = "{{ "overlayfs" }}"`,
    },
    main: rendered(`${withBase}${own3}  snapshotter = "overlayfs"\n`, of2025!),
    outcome: 'range',
  },
  {
    name: 'a stub without the base',
    engine: k3s,
    version: '2.2.3',
    base: of2026!,
    template: { name: v3, text: stub },
    main: stub,
    outcome: 'engine-unsupported',
  },
  {
    name: 'own imports before the base',
    engine: k3s,
    version: '2.2.3',
    base: of2025!,
    template: { name: v3, text: `${importLine}\n${withBase}` },
    outcome: 'engine-unsupported',
  },
  {
    name: 'own imports before a base with imports',
    engine: k3s,
    version: '2.2.3',
    base: of2026!,
    template: { name: v3, text: `${importLine}\n${withBase}` },
    outcome: 'engine-unsupported',
  },
  {
    name: 'own imports after the base',
    engine: k3s,
    version: '2.1.5',
    base: of2025!,
    template: { name: v3, text: `${withBase}\n# hooks\n${importLine}` },
    outcome: 'engine-unsupported',
  },
  {
    name: 'a carriage return alone at its end',
    engine: k3s,
    version: '2.1.5',
    base: of2025!,
    template: { name: v3, text: `${withBase.trimEnd()}\r` },
    outcome: 'engine-unsupported',
  },
  {
    name: 'the base twice',
    engine: k3s,
    version: '2.1.5',
    base: of2025!,
    template: { name: v3, text: withBase + withBase },
    outcome: 'engine-unsupported',
  },
  {
    name: 'a table of the base again',
    engine: k3s,
    version: '2.1.5',
    base: of2025!,
    template: { name: v3, text: `${withBase}\n[plugins.'${newId}'.containerd.runtimes.runc]\n  runtime_type = "io.containerd.runc.v2"\n` },
    outcome: 'engine-config-invalid',
  },
  {
    name: 'a handler of the same name',
    engine: k3s,
    version: '2.1.5',
    base: of2025!,
    template: {
      name: v3,
      text: `${withBase}\n[plugins.'${newId}'.containerd.runtimes.kata-qemu]\n  runtime_type = "io.containerd.kata.v2"\n`,
    },
    outcome: 'engine-foreign-handler',
  },
];

/** Real files: base, template, version, outcome. */
const real: [engine: Engine, base: string, template: string | undefined, version: string, outcome: Node['outcome']][] = [
  [k3s, 'import-v3.default', undefined, '2.2.3', 'drop-in'],
  [k3s, 'import-v3.data-dir', undefined, '2.2.3', 'drop-in'],
  [k3s, 'import-v3.nvidia', undefined, '2.3.7', 'drop-in'],
  [k3s, 'import-v3.selinux-registries', undefined, '2.4.2', 'drop-in'],
  [k3s, 'import-v3.user-template-with-base', v3, '2.2.3', 'engine-foreign-handler'],
  [k3s, 'import-v3.user-template-without-base', v3, '2.2.3', 'engine-unsupported'],
  [k3s, 'import-v3.user-template-own-imports-before-base.INVALID', v3, '2.2.3', 'engine-unsupported'],
  [k3s, 'import-v2-on-containerd2.user-template-with-base', v2, '2.2.3', 'drop-in'],
  [k3s, 'noimport-v3-2025-08.default', undefined, '2.1.5', 'template'],
  [k3s, 'noimport-v3-2025-08.nvidia-operator-default-runtime', undefined, '2.1.5', 'template'],
  [k3s, 'noimport-v3-2025-08.user-template-imports-after-base.DEAD-KEY', v3, '2.1.5', 'engine-unsupported'],
  [k3s, 'noimport-v3-2025-08.user-template-imports-then-base', v3, '2.1.5', 'engine-unsupported'],
  [k3s, 'v2-2024-11.default', undefined, '1.7.23', 'template'],
  [k3s, 'v2-2024-11.selinux-registries', undefined, '1.7.23', 'template'],
  [k3s, 'v2-2024-11.user-template-with-base', v2, '1.7.23', 'range'],
  [rke2, 'import-v3.default', undefined, '2.3.3', 'drop-in'],
  [rke2, 'import-v3.selinux-nvidia', undefined, '2.3.3', 'drop-in'],
  [rke2, 'noimport-v3-2025-08.selinux-crun', undefined, '2.1.5', 'template'],
  [rke2, 'v2-2024-11.default', undefined, '1.7.23', 'template'],
];

function realNodes(): Node[] {
  return real.flatMap(([engine, name, templateName, version, outcome]) => {
    const main = realRancher(`${engine.name}/${name}.config.toml`);
    if (main === undefined) return [];
    const text = templateName === undefined ? undefined : realRancher(`${engine.name}/${name}.${templateName}`)!;
    const template = text === undefined ? {} : { template: { name: templateName!, text } };
    // The default of its time is what stands for the base.
    const base =
      text === undefined
        ? main
        : (realRancher(`${engine.name}/${name.replace(/\.user-template.*/, '.default')}.config.toml`) ??
          baseText({ program: 'k3s', age: '2026', schema: 2 }));
    const dataDir = name.includes('data-dir') ? { dataDir: '/data/k3s' } : {};
    return [{ name: `${engine.name}/${name}`, engine, version, base, main, outcome, ...template, ...dataDir }];
  });
}

function folderOf({ engine, dataDir = `/var/lib/rancher/${engine.name}` }: Node): string {
  return `${dataDir}/agent/etc/containerd`;
}

function instanceOf(node: Node): Instance {
  return {
    engine: node.engine.name,
    version: node.version,
    configPath: `${folderOf(node)}/config.toml`,
    unit: 'k3s.service',
    renderer: { title: node.engine.title, writes: '', when: '' },
  };
}

function mainOf({ main, base, template }: Node): string {
  return main ?? (template === undefined ? base : rendered(template.text, base));
}

function filesOf(node: Node): Record<string, string> {
  const folder = folderOf(node);
  return {
    [`${folder}/config.toml`]: mainOf(node),
    ...(node.template === undefined ? {} : { [`${folder}/${node.template.name}`]: node.template.text }),
  };
}

const names = ['kata-qemu', 'kata-clh'];

/** What containerd reads once the program has rendered again, by both parsers. */
async function afterStart(tree: EngineTree, node: Node, schema: 2 | 3): Promise<TomlTable[]> {
  const folder = folderOf(node);
  const text = await tree.read(`${folder}/${schema === 3 ? v3 : v2}`).catch(() => withBase);
  const main = readings(rendered(text, node.base), 'rendered');
  const dropIn = await tree.read(`${folder}/config${schema === 3 ? '-v3' : ''}.toml.d/kata-sysext.toml`).catch(() => undefined);
  const imports = node.base.includes('imports = [');
  return dropIn === undefined || !imports ? main : readings(dropIn, 'drop-in').map((added, index) => union(main[index]!, added));
}

function schemaOf(node: Node): 2 | 3 {
  return /^version = 2$/m.test(mainOf(node)) ? 2 : 3;
}

/** Wires, and takes it back: what is refused is untouched. Gives what came of it. */
async function goRound(tree: EngineTree, node: Node): Promise<string> {
  const before = tree.everything();
  const [instance, wanted] = [instanceOf(node), names.map(handler)];
  const plan = (handlers = wanted, recorded?: Parameters<Engine['plan']>[3]) => node.engine.plan(tree.host, instance, handlers, recorded);
  let first: Awaited<ReturnType<typeof plan>>;
  try {
    first = await plan();
  } catch (error) {
    assert.ok(error instanceof KataError, String(error));
    assert.deepEqual(tree.everything(), before);
    return error.code;
  }
  await tree.apply(first);
  const after = await afterStart(tree, node, schemaOf(node));
  const again = await plan(wanted, first.wiring);
  const fewer = await plan(wanted.slice(1), first.wiring);
  await tree.apply(fewer);
  const more = await plan(wanted, fewer.wiring);
  await tree.apply(more);
  const away = await plan([], more.wiring);
  await tree.apply(away);

  const plugin = schemaOf(node) === 3 ? newId : oldId;
  const was = node.template === undefined ? readings(mainOf(node), 'main') : readings(rendered(node.template.text, node.base), 'main');
  for (const [index, is] of after.entries())
    assert.ok(sameSettings(is, union(was[index]!, pluginTable(plugin, runtimes(names)))), `${node.name}: other settings than planned`);
  assert.deepEqual([again.changes, again.wiring?.key], [[], first.wiring?.key]);
  assert.deepEqual(tree.everything(), before);
  return first.wiring!.method;
}

describe('engines/rancher: files of k3s and RKE2', function () {
  this.timeout(loopMs);
  const treeOf = treesOfSpec();

  for (const node of [...own, ...realNodes()]) {
    it(`${node.name}: ${node.outcome}`, async () => {
      const tree = await treeOf(filesOf(node));

      const outcome = await goRound(tree, node);

      assert.equal(outcome, node.outcome);
    });
  }

  it(`${mutationCount} changed at random: wired and taken back byte for byte, or refused and untouched (seed ${seed})`, async () => {
    const nodes = [...own, ...realNodes()].filter(({ outcome }) => !outcome.startsWith('engine-'));
    const outcomes = new Map<string, number>();

    await eachRound(async (random) => {
      const node = random.pick(nodes);
      const changed = changedNode(node, random);
      const others = random.once(3) ? mutatedToml(random.pick(['', '[debug]\nlevel = "info"\n', own3]), random) : '';
      const dropIns = { [`${folderOf(node)}/config${schemaOf(node) === 3 ? '-v3' : ''}.toml.d/10-other.toml`]: others };
      const tree = await treeOf({ ...filesOf(changed), ...dropIns });
      const outcome = await goRound(tree, changed);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      await tree.remove();
    });

    console.log(`      ${[...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(', ')}`);
    for (const wanted of ['drop-in', 'range'])
      assert.ok(mutationCount < 200 || outcomes.has(wanted), `${wanted}: ${[...outcomes.keys()].join()}`);
  });
});

const pieces = [
  '# a comment\n',
  '\n\n',
  '\r\n',
  '  \t\n',
  '[a.b]\nc = 1\n',
  `[plugins.'${newId}'.containerd.runtimes.crun]\nruntime_type = "io.containerd.runc.v2"\n`,
  `[plugins."${oldId}".containerd.runtimes.crun]\nruntime_type = "io.containerd.runc.v2"\n`,
  `[plugins.'${newId}'.containerd.runtimes]\n`,
  `plugins.x = { y = 1 }\n`,
  'root = "/x"\n',
  '[[a]]\n',
  'x = """\n[plugins]\n"""\n',
  '{{/* a comment */}}\n',
  '{{ if false }}\n',
  '{{ end }}\n',
  '"\n',
  'é = "ü"',
  '\u0000',
];

/** The template as others may have left it. */
function changedNode(node: Node, random: Random): Node {
  const { pick, once } = random;
  const name = node.template?.name ?? (schemaOf(node) === 3 ? v3 : v2);
  const text = node.template?.text ?? pick(['', withBase, withBase + own3, `${withBase}${own3}`.replaceAll('\n', '\r\n')]);
  const changed = once(2) ? mutatedToml(text, random) : mutated(text, random);
  return { ...node, template: { name, text: changed }, main: rendered(changed, node.base) };
}

/** Pieces go in at line starts, or a line goes. */
function mutated(text: string, { pick, below }: Random): string {
  const lines = text.split(/(?<=\n)/);
  for (let time = 1 + below(3); time > 0; time -= 1) {
    const at = pick([...lines.keys(), lines.length]);
    if (pick([true, true, false]) || lines.length === 0) lines.splice(at, 0, pick(pieces));
    else lines.splice(at, 1);
  }
  return lines.join('');
}
