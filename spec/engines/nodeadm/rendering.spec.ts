import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readings, sameSettings, tableAt } from '../../../cli/documents/toml/index.ts';
import { handlerTable } from '../../../cli/engines/containerd/handlers.ts';
import { runtimesPath } from '../../../cli/engines/containerd/schema.ts';
import { nodeadm } from '../../../cli/engines/nodeadm/index.ts';
import { asRendered } from '../../../cli/engines/nodeadm/rendered.ts';
import { realDataFor } from '../../support/engineFiles.ts';
import { handler, treesOfSpec } from '../../support/trees/engineTree.ts';
import { newId, newText, oldId } from '../containerdPlans.ts';
import { folder, names, node, planned, planOn, rendered } from './nodeadmTree.ts';

/** As nodeadm renders: its template, and what containerd's migration makes of it (indented, with numbers that are no integers). */
const templates: Record<string, string> = {
  'template.toml': `version = 3\nroot = "/var/lib/containerd"\n\n[plugins.'${newId}'.containerd]\ndefault_runtime_name = "runc"\n\n[plugins.'${newId}'.containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n\n[plugins.'${newId}'.containerd.runtimes.runc.options]\nSystemdCgroup = true\n\n[plugins.'${newId}'.cni]\nbin_dir = "/opt/cni/bin"\n`,
  'merged.toml': `version = 3\n\n[plugins]\n[plugins.'${newId}'.containerd]\n[plugins.'${newId}'.containerd.runtimes]\n[plugins.'${newId}'.containerd.runtimes.kata-clh]\nruntime_type = 'old'\n\n[plugins.'${newId}'.containerd.runtimes.kata-clh.options]\nConfigPath = '/old'\n\n[plugins.'${newId}'.containerd.runtimes.runc]\nruntime_type = 'io.containerd.runc.v2'\n`,
  'migrated.toml': `version = 4\nimports = ['/etc/containerd/conf.d/*.toml']\n\n[plugins]\n  [plugins.'${newId}']\n    enable_cdi = true\n\n    [plugins.'${newId}'.containerd]\n      [plugins.'${newId}'.containerd.runtimes]\n        [plugins.'${newId}'.containerd.runtimes.runc]\n          runtime_type = 'io.containerd.runc.v2'\n\n  [plugins.'io.containerd.gc.v1.scheduler']\n    pause_threshold = 0.02\n`,
  'v2.toml': `version = 2\n[plugins."${oldId}".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"`,
};

describe('engines/nodeadm: what it will render', () => {
  const treeOf = treesOfSpec();

  /** The planned file with nothing but the handlers added or changed, by two parsers. */
  async function check(name: string, text: string): Promise<void> {
    const tree = await treeOf({ ...node, [rendered]: text });
    const [instance] = await nodeadm.detect(tree.host, '2.3.7');
    const plan = await nodeadm.plan(tree.host, instance!, names.map(handler));

    const after = newText((await asRendered(tree.host, instance!, plan)).changes[0]);
    await tree.apply(plan);
    const away = await nodeadm.plan(tree.host, instance!, [], plan.wiring);
    await tree.write(rendered, after);
    const bare = newText((await asRendered(tree.host, instance!, away)).changes[0]);

    const schema = readings(text, name)[0]?.['version'] ?? 3;
    const path = runtimesPath(Number(schema) >= 3 ? newId : oldId);
    readings(after, name).forEach((is, index) => {
      const was = readings(text, name)[index]!;
      const [now, before] = [tableAt(is, path), tableAt(was, path)];
      for (const each of names) {
        assert.ok(sameSettings(tableAt(now, [each]), handlerTable(handler(each))), `${name}: ${each}`);
        delete now[each];
        delete before[each];
      }
      assert.ok(sameSettings(is, { version: schema, ...was }), name);
      assert.ok(sameSettings(readings(bare, name)[index]!, is), `${name} without them`);
    });
    assert.equal(await tree.read(rendered), after);
  }

  for (const [name, text] of Object.entries(templates))
    it(`${name}: the handlers and nothing else, in its schema, and away again`, async () => {
      for (const variant of [text, text.trimEnd(), `# first\n${text}`, text.replaceAll('\n', '\r\n')]) await check(name, variant);
    });

  it('a file with an inline table where the handlers go is none that nodeadm renders', async () => {
    const tree = await treeOf({ ...node, [rendered]: 'version = 3\nplugins = {}\n' });
    const [instance] = await nodeadm.detect(tree.host, '2.3.7');
    const plan = await nodeadm.plan(tree.host, instance!, names.map(handler));

    await assert.rejects(asRendered(tree.host, instance!, plan), { code: 'engine-unsupported' });
  });

  it('an absent file, before nodeadm has run at all', async () => {
    const tree = await treeOf(node);
    const [instance] = await nodeadm.detect(tree.host, '1.7.24');
    const plan = await nodeadm.plan(tree.host, instance!, names.map(handler));

    const [change] = (await asRendered(tree.host, instance!, plan)).changes;

    const [value] = readings(newText(change), rendered);
    assert.equal(value?.['version'], 2);
    assert.deepEqual(Object.keys(tableAt(value, runtimesPath(oldId))), names);
  });

  it('every file of the real ones', async function () {
    const real = join(realDataFor(this), 'cri/eks-nodeadm');
    const files = readdirSync(real).filter((name) => name.endsWith('.config.toml'));

    for (const name of files) {
      const text = readFileSync(join(real, name), 'utf8');
      for (const variant of [text, text.trimEnd(), text.replaceAll('\n', '\r\n')]) await check(name, variant);
    }

    assert.ok(files.length >= 9);
  });

  it('every real NodeConfig of a folder is read, and the one of Kata takes its name', async function () {
    const real = join(realDataFor(this), 'cri/eks-nodeadm');
    const outcome: Record<string, string> = {};
    for (const name of readdirSync(real).filter((each) => each.endsWith('.yaml'))) {
      const tree = await treeOf({ ...node, [`${folder}/50-real.yaml`]: readFileSync(join(real, name), 'utf8') });
      const plan = planOn(tree.host, tree, '2.1.9', undefined, ['kata']);
      outcome[name] = await plan.then((each) => planned(each).plugin).catch((error: { code: string }) => error.code);
    }

    assert.deepEqual(outcome, {
      'nodeadm.d.10-rlimits-base-runtime-spec.yaml': newId,
      'nodeadm.d.50-imports-only-TRAP.yaml': oldId,
      'nodeadm.d.50-kata-v3-ids.yaml': 'engine-foreign-handler',
    });
  });
});
