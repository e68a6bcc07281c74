import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import toml from '@iarna/toml';
import { parse as parseYaml } from 'yaml';
import { readings, sameSettings, tableAt } from '../../cli/documents/toml/index.ts';
import { handlerTable } from '../../cli/engines/containerd/handlers.ts';
import { runtimesPath } from '../../cli/engines/containerd/schema.ts';
import { nodeadm } from '../../cli/engines/nodeadm/index.ts';
import { asRendered } from '../../cli/engines/nodeadm/rendered.ts';
import type { Wiring, WiringPlan } from '../../cli/engines/types.ts';
import type { HostView } from '../../cli/host/types.ts';
import { realDataFor } from '../support/engineFiles.ts';
import { type EngineTree, handler, refusalOf, treesOfSpec } from '../support/trees/engineTree.ts';
import { newId, newText, oldId } from './containerdPlans.ts';

const folder = '/etc/eks/nodeadm.d';
const wiringFile = `${folder}/90-kata-sysext.yaml`;
const cache = '/run/eks/nodeadm/config.json';
const rendered = '/etc/containerd/config.toml';
const secret = 'secret-of-the-node';
const runStart = '/usr/bin/nodeadm init --skip config --config-source imds://user-data --config-source file:///etc/eks/nodeadm.d/';
const node = {
  '/usr/bin/containerd': '',
  '/usr/lib/systemd/system/containerd.service': '[Service]\nExecStart=/usr/bin/containerd\n',
  '/etc/systemd/system/nodeadm-run.service': `[Service]\nType=oneshot\nExecStart=${runStart} --config-cache ${cache}\n`,
  '/etc/systemd/system/multi-user.target.wants/nodeadm-run.service': '',
  [`${folder}/README`]: 'spec: [',
  [`${folder}/50-old.yaml~`]: 'spec: [',
};
const names = ['kata-qemu', 'kata-clh'];

const v2 = `[plugins."${oldId}".containerd]\ndiscard_unpacked_layers = false\n`;
const v3 = `[plugins."${newId}"]\nenable_selinux = true\n`;
const images = '[plugins."io.containerd.cri.v1.images"]\nsnapshotter = "soci"\n';
const importing = 'imports = ["/etc/containerd/conf.d/*.toml"]\n';

function nodeConfig(config: string): string {
  return `---\napiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  containerd:\n    config: ${JSON.stringify(config)}\n`;
}

/** As nodeadm writes it: what it merged in this boot, and what no one else shall see. */
function cached(config: string): string {
  const cluster = { name: 'mine', certificateAuthority: secret };
  const containerd = config === '' ? {} : { config };
  return JSON.stringify({ apiVersion: 'node.eks.aws/__internal', kind: 'NodeConfig', spec: { cluster, containerd } });
}

/** A tree as the boot guard and a live change see it: nodeadm has run in this boot. */
function booted(tree: EngineTree): HostView {
  return { ...tree.host, booted: true };
}

async function planOn(host: HostView, tree: EngineTree, version: string, recorded?: Wiring, wanted = names): Promise<WiringPlan> {
  const [instance] = await nodeadm.detect(tree.host, version);
  return nodeadm.plan(host, instance!, wanted.map(handler), recorded);
}

/** The plugin of the handlers in the planned file, and what both readers find there. */
function planned(plan: WiringPlan): { text: string; plugin: string; runtimes: unknown } {
  const text = newText(plan.changes.find(({ path }) => path === wiringFile));
  const { apiVersion, kind, spec } = parseYaml(text) as { apiVersion: string; kind: string; spec: { containerd: { config: string } } };
  assert.deepEqual(
    [apiVersion, kind, Object.keys(spec), Object.keys(spec.containerd)],
    ['node.eks.aws/v1alpha1', 'NodeConfig', ['containerd'], ['config']],
  );
  const { plugins } = toml.parse(spec.containerd.config) as unknown as { plugins: Record<string, { containerd: { runtimes: unknown } }> };
  const [plugin, ...others] = Object.keys(plugins);
  assert.deepEqual(others, []);
  return { text, plugin: plugin!, runtimes: plugins[plugin!]!.containerd.runtimes };
}

describe('engines/nodeadm: the plugin ids of the handlers', () => {
  const treeOf = treesOfSpec();

  /** What the user data and another file of the folder say, and what fits both and containerd. */
  const rows: [title: string, version: string, user: string, file: string, plugin: string][] = [
    ['containerd 2 and nothing else', '2.1.9', '', '', newId],
    ['containerd 2 and a user with schema 2', '2.1.9', v2, '', oldId],
    ['containerd 2 and a user with schema 3', '2.3.7', v3, '', newId],
    ['containerd 2 and a user with the images of schema 3', '2.3.7', images, '', newId],
    ['containerd 2 and a file with schema 2', '2.1.9', '', v2, oldId],
    ['containerd 2 and a file with schema 3 beside a user with schema 2', '2.1.9', v2, v3, newId],
    ['containerd 2 and a user that only imports', '2.1.9', importing, '', oldId],
    ['containerd 2 and a user that imports with an empty table of schema 3', '2.1.9', `${importing}[plugins."${newId}"]\n`, '', newId],
    ['containerd 2 and a comment alone', '2.1.9', `# ${newId}\n`, '', newId],
    ['containerd 2 and a comment of the other schema', '2.1.9', `# ${newId}\n${v2}`, '', oldId],
    ['containerd 1.7 and nothing else', '1.7.24', '', '', oldId],
    ['containerd 1.7 and a user with schema 2', '1.7.24', v2, v2, oldId],
  ];
  for (const [title, version, user, file, plugin] of rows) {
    it(`${title}: ${plugin}`, async () => {
      const tree = await treeOf({
        ...node,
        [cache]: cached(user),
        ...(file === '' ? {} : { [`${folder}/10-user.yaml`]: nodeConfig(file) }),
      });

      const found = planned(await planOn(booted(tree), tree, version));

      assert.equal(found.plugin, plugin);
      assert.deepEqual(found.runtimes, Object.fromEntries(names.map((name) => [name, handlerTable(handler(name))])));
      // nodeadm looks for the name in the whole text, comments included.
      assert.equal(found.text.includes('io.containerd.cri.v1'), plugin === newId);
      assert.doesNotMatch(found.text.slice(0, found.text.indexOf('config: |')), /io\.containerd/);
    });
  }

  it('containerd 1.7 with plugins of schema 3 is refused: the node would not join', async () => {
    const tree = await treeOf({ ...node, [cache]: cached(v3) });

    assert.equal(await refusalOf(planOn(booted(tree), tree, '1.7.24')), 'engine-config-invalid');
  });

  it('a version that nodeadm reads from its file wins, and an unknown one is refused', async () => {
    const tree = await treeOf({
      ...node,
      '/etc/eks/containerd-version.txt': 'containerd github.com/containerd/containerd 1.7.29 442cb34\n',
    });
    const [instance] = await nodeadm.detect(tree.host);
    const told = planned(await nodeadm.plan(tree.host, instance!, names.map(handler)));
    await tree.write('/etc/eks/containerd-version.txt', 'none');

    const unknown = await refusalOf(nodeadm.detect(tree.host).then(([each]) => nodeadm.plan(tree.host, each!, names.map(handler))));

    assert.deepEqual([instance?.version, told.plugin, unknown], ['1.7.29', oldId, 'engine-unsupported']);
  });

  it('in a tree, where no user data is known, it is schema 3 for containerd 2, and the plan says what it does not know', async () => {
    const tree = await treeOf({ ...node, [cache]: cached(v2) });

    const plan = await planOn(tree.host, tree, '2.1.9');

    assert.equal(planned(plan).plugin, newId);
    assert.deepEqual(
      plan.findings.map(({ code, level }) => [code, level]),
      [['engine-user-data', 'warning']],
    );
  });

  it('user data that comes later changes them, says so, and the way back needs nothing', async () => {
    const tree = await treeOf(node);
    const first = await planOn(tree.host, tree, '2.1.9');
    await tree.apply(first);
    await tree.write(cache, cached(v2));

    const next = await planOn(booted(tree), tree, '2.1.9', first.wiring);
    await tree.apply(next);
    const merged = `${v2}${parseYaml(await tree.read(wiringFile)).spec.containerd.config}`;
    await tree.write(cache, cached(merged));
    const again = await planOn(booted(tree), tree, '2.1.9', next.wiring);

    assert.equal(planned(next).plugin, oldId);
    assert.deepEqual(
      next.findings.map(({ code }) => code),
      ['engine-config-mixed'],
    );
    assert.notEqual(next.wiring?.key, first.wiring?.key);
    assert.deepEqual([again.changes, again.findings, again.wiring?.key], [[], [], next.wiring?.key]);
  });

  it('what nodeadm merged of kata-sysext is no setting of the user', async () => {
    const tree = await treeOf(node);
    const first = await planOn(tree.host, tree, '2.1.9');
    await tree.apply(first);
    const { config } = parseYaml(await tree.read(wiringFile)).spec.containerd;
    await tree.write(cache, cached(importing + config));

    const kept = await planOn(booted(tree), tree, '2.1.9', first.wiring);

    assert.deepEqual(kept.changes, []);
  });
});

describe('engines/nodeadm: its folder', () => {
  const treeOf = treesOfSpec();

  const unreadable: [title: string, name: string, text: string][] = [
    ['no YAML', '10-a.yaml', 'spec: ['],
    ['no NodeConfig', '10-a.yml', 'apiVersion: v1\nkind: ConfigMap\n'],
    ['JSON that is cut', '10-a.json', '{"kind":'],
    ['an upper-case name', '10-A.YAML', 'spec: ['],
    ['TOML that does not parse', '10-a.yaml', nodeConfig(`version = \nkey = "${secret}"`)],
    [
      'a configuration that is no text',
      '10-a.yaml',
      `apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: {containerd: {config: [${secret}]}}\n`,
    ],
    ['aliases', '10-a.yaml', `a: &a [${secret}]\nb: [*a,*a]\n`],
    ['a key of every object', '10-a.yaml', `${nodeConfig('')}__proto__: {}\n`],
  ];
  for (const [title, name, text] of unreadable)
    it(`a file that nodeadm cannot take is refused, and nothing of it is shown: ${title}`, async () => {
      const tree = await treeOf({ ...node, [`${folder}/${name}`]: text });

      const error = await planOn(tree.host, tree, '2.1.9').then(
        () => undefined,
        (cause: { code: string; complaint: { subject: string } }) => cause,
      );

      assert.deepEqual([error?.code, error?.complaint.subject], ['engine-config-invalid', `${folder}/${name}`]);
      assert.ok(!JSON.stringify(error).includes(secret));
    });

  it('a link to nothing is refused, a folder of such a name is not read', async () => {
    const tree = await treeOf(node);
    mkdirSync(join(tree.root, folder, '20-folder.yaml'));
    const passed = await refusalOf(planOn(tree.host, tree, '2.1.9'));
    symlinkSync('nowhere', join(tree.root, folder, '10-link.yaml'));

    assert.deepEqual([passed, await refusalOf(planOn(tree.host, tree, '2.1.9'))], ['no error', 'engine-config-invalid']);
  });

  it('a handler that a file or the user data names is taken, under either plugin, whatever it says', async () => {
    const codes: string[] = [];
    for (const plugin of [oldId, newId]) {
      const taken = `[plugins."${plugin}".containerd.runtimes.kata-clh]\nruntime_type = "io.containerd.runc.v2"\n`;
      const file = await treeOf({ ...node, [`${folder}/99-mine.json`]: JSON.stringify(parseYaml(nodeConfig(taken))) });
      const user = await treeOf({ ...node, [cache]: cached(taken) });
      codes.push(await refusalOf(planOn(file.host, file, '2.1.9')), await refusalOf(planOn(booted(user), user, '2.1.9')));
    }

    assert.deepEqual(codes, Array(4).fill('engine-foreign-handler'));
  });

  it('is made where it is missing, and stays when kata-sysext goes, even empty', async () => {
    const tree = await treeOf(node);
    rmSync(join(tree.root, folder), { recursive: true });
    rmSync(join(tree.root, '/etc/eks'), { recursive: true });

    const plan = await planOn(tree.host, tree, '2.1.9');
    await tree.apply(plan);
    const away = await planOn(tree.host, tree, '2.1.9', plan.wiring, []);
    await tree.apply(away);

    assert.deepEqual(
      plan.makeFolders.map(({ path }) => path),
      ['/etc/eks', folder],
    );
    assert.deepEqual([plan.wiring?.folders, away.dropFolders, readdirSync(join(tree.root, folder))], [[], [], []]);
  });

  it('never holds a temporary file, and the rendered file is never written', async () => {
    const tree = await treeOf({ ...node, [rendered]: 'version = 3\n' });

    const plan = await planOn(tree.host, tree, '2.1.9');

    assert.deepEqual(
      plan.changes.map(({ path, foreign }) => [path, foreign]),
      [[wiringFile, false]],
    );
    assert.notEqual(plan.changes[0]?.tmpDir, folder);
  });

  it('a nodeadm that does not read it, and one that does not run at a boot, are refused', async () => {
    const old = await treeOf({
      ...node,
      '/etc/systemd/system/nodeadm-run.service': '[Service]\nExecStart=/usr/bin/nodeadm init --skip config\n',
    });
    const other = await treeOf({
      ...node,
      '/etc/systemd/system/nodeadm-run.service': `[Service]\nExecStart=${runStart.replace('nodeadm.d/', 'nodeadm.d.old/')}\n`,
    });
    const disabled = await treeOf({
      ...node,
      '/etc/systemd/system/nodeadm-config.service': '[Service]\n',
      '/etc/systemd/system/multi-user.target.wants/nodeadm-config.service': '',
    });
    rmSync(join(disabled.root, '/etc/systemd/system/multi-user.target.wants/nodeadm-run.service'));

    const codes = await Promise.all([old, other, disabled].map((tree) => refusalOf(planOn(tree.host, tree, '2.1.9'))));

    assert.deepEqual(codes, Array(3).fill('engine-unsupported'));
  });

  it('an edit by another program stays while it leads to the handlers; without them it is refused', async () => {
    const tree = await treeOf(node);
    const first = await planOn(tree.host, tree, '2.1.9');
    await tree.apply(first);
    await tree.write(wiringFile, `# mine\n${await tree.read(wiringFile)}`);
    const kept = await planOn(tree.host, tree, '2.1.9', first.wiring);

    const fewer = await refusalOf(planOn(tree.host, tree, '2.1.9', first.wiring, names.slice(1)));

    assert.deepEqual([kept.changes, kept.findings.map(({ code }) => code), fewer], [[], ['foreign-edit'], 'foreign-edit']);
  });

  it('a file of that name that is not recorded is refused, and secrets of the user data are in no plan', async () => {
    const tree = await treeOf({
      ...node,
      [cache]: cached(`${v3}[debug]\nlevel = "${secret}"\n`),
      [`${folder}/10-a.yaml`]: nodeConfig(`# ${secret}`),
    });

    const plan = await planOn(booted(tree), tree, '2.1.9');
    await tree.write(wiringFile, nodeConfig(''));

    assert.ok(!JSON.stringify(plan).includes(secret));
    assert.equal(await refusalOf(planOn(tree.host, tree, '2.1.9')), 'foreign-file');
  });
});

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

    for (const name of files) await check(name, readFileSync(join(real, name), 'utf8'));

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
