import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { nodeadm } from '../../../cli/engines/nodeadm/index.ts';
import { readNodeConfig } from '../../../cli/engines/nodeadm/nodeConfig.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { refusalOf, treesOfSpec } from '../../support/trees/engineTree.ts';
import { newId, oldId } from '../containerdPlans.ts';
import {
  booted,
  cache,
  cached,
  folder,
  names,
  node,
  nodeConfig,
  planOn,
  rendered,
  runStart,
  secret,
  v3,
  wiringFile,
} from './nodeadmTree.ts';

describe('engines/nodeadm: its folder', () => {
  const treeOf = treesOfSpec();

  const unreadable: [title: string, name: string, text: string][] = [
    ['no YAML', '10-a.yaml', 'spec: ['],
    ['no NodeConfig', '10-a.yml', 'apiVersion: v1\nkind: ConfigMap\n'],
    ['a template', '10-a.yaml', `${nodeConfig('')}  cluster:\n    name: {{ cluster }}\n`],
    ['JSON that is cut', '10-a.json', '{"kind":'],
    ['an upper-case name', '10-A.YAML', 'spec: ['],
    ['TOML that does not parse', '10-a.yaml', nodeConfig(`version = \nkey = "${secret}"`)],
    [
      'a configuration that is no text',
      '10-a.yaml',
      `apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: {containerd: {config: [${secret}]}}\n`,
    ],
    ['another version', '10-a.yaml', nodeConfig('').replace('v1alpha1', 'v1beta1')],
    ['a version with more behind it', '10-a.yaml', nodeConfig('').replace('v1alpha1', 'v1alpha1/x')],
    ['a list of settings', '10-a.yaml', `apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: [${secret}]\n`],
    ['a list for containerd', '10-a.yaml', `apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: { containerd: [${secret}] }\n`],
    ['a key that is nothing', '10-a.yaml', `${nodeConfig('')}  null: ${secret}\n`],
    ['a control character', '10-a.yaml', `${nodeConfig('')}  x: "${secret}\0"\n`],
    ['JSON with a comma too many', '10-a.json', '{"apiVersion":"node.eks.aws/v1alpha1","kind":"NodeConfig",}'],
    ['an alias without an anchor', '10-a.yaml', `${nodeConfig('')}  x: *${secret}\n`],
    ['an alias inside of what it names', '10-a.yaml', `${nodeConfig('')}  x: &a [${secret}, *a]\n`],
    ['a merge of what is no table', '10-a.yaml', `${nodeConfig('')}  x: { <<: ${secret} }\n`],
    ['a key of every object', '10-a.yaml', `${nodeConfig('')}__proto__: {}\n`],
  ];
  for (const [title, name, text] of unreadable)
    it(`a file that nodeadm cannot take, or that is not read, is refused, and nothing of it is shown: ${title}`, async () => {
      const tree = await treeOf({ ...node, [`${folder}/${name}`]: text });

      const error = await planOn(tree.host, tree, '2.1.9').then(
        () => undefined,
        (cause: { code: string; complaint: { subject: string } }) => cause,
      );

      assert.deepEqual([error?.code, error?.complaint.subject], ['engine-config-invalid', `${folder}/${name}`]);
      assert.ok(!JSON.stringify(error).includes(secret));
    });

  const head = 'apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n';
  /** With what the config chain of nodeadm itself (81fec2e8) gave for the same text. */
  const aliased: [title: string, text: string, config: string][] = [
    ['an alias', `${head}  x: &a |\n    [debug]\n    level = "info"\n  containerd:\n    config: *a\n`, '[debug]\nlevel = "info"\n'],
    ['an anchor that is set twice', `${head}  x: &a 1\n  z: &a { config: "a = 1" }\n  containerd: *a\n`, 'a = 1'],
    ['a merge key', `${head}  x: &a { config: "a = 1" }\n  containerd:\n    <<: *a\n`, 'a = 1'],
    ['a merge key before the same key', `${head}  x: &a { config: "a = 1" }\n  containerd:\n    <<: *a\n    config: "b = 2"\n`, 'b = 2'],
    [
      'a merge key with a list',
      `${head}  x: &a { config: "a = 1" }\n  y: &b { config: "b = 1" }\n  containerd: { <<: [*a, *b] }\n`,
      'a = 1',
    ],
    ['a merge key with a table', `${head}  containerd:\n    <<: { config: "a = 1" }\n`, 'a = 1'],
    ['a key in quotes that merges nothing', `${head}  x: &a { config: "a = 1" }\n  containerd:\n    "<<": *a\n`, ''],
    ['the version of its own cache', 'apiVersion: node.eks.aws/__internal\nkind: NodeConfig\n', ''],
  ];
  for (const [title, text, config] of aliased)
    it(`reads as nodeadm does: ${title}`, async () => {
      assert.equal((await readNodeConfig(text, `${folder}/10-a.yaml`)).config, config);
    });

  const laughs = (line: (name: string, before: string) => string) =>
    Array.from({ length: 12 }, (_, at) => line(`a${at}`, `a${at - 1}`).replaceAll('*a-1', '{ b: 1 }')).join('');
  const ten = (word: string) => Array(10).fill(word).join(', ');
  const others: [title: string, text: string, found: RegExp][] = [
    [
      'lists of lists',
      `${head}${laughs((name, before) => `  ${name}: &${name} [${ten(`*${before}`)}]\n`)}`,
      /with its aliases it has more than 100000 values/,
    ],
    [
      'tables that merge tables',
      `${head}${laughs((name, before) => `  ${name}: &${name} { <<: [${ten(`*${before}`)}] }\n`)}`,
      /more than 100000 values/,
    ],
    [
      'a tower of aliases',
      `${head}${Array.from({ length: 100 }, (_, at) => `  a${at}: &a${at} [${at === 0 ? '' : `*a${at - 1}`}]\n`).join('')}`,
      /nested more than 64 deep/,
    ],
    [
      'a merge key behind a key',
      `${head}  x: &a { config: "a = 1" }\n  containerd: { config: "b = 2", <<: *a }\n`,
      /merge key is not the first .*line 5, column 34/,
    ],
    ['a MIME document', 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="B"\n\n--B--\n', /it is a MIME document/],
    ['a deep document', `${head}  x: ${'['.repeat(70)}${']'.repeat(70)}\n`, /nested more than 64 deep/],
  ];
  for (const [title, text, found] of others)
    it(`what nodeadm may take and kata-sysext does not read is refused in these words, soon: ${title}`, async () => {
      const started = performance.now();
      const tree = await treeOf({ ...node, [`${folder}/10-a.yaml`]: text });

      const error = await planOn(tree.host, tree, '2.1.9').catch((cause: unknown) => cause);

      assert.ok(error instanceof KataError && error.code === 'engine-config-invalid', String(error));
      assert.match(error.complaint.found, new RegExp(`^kata-sysext cannot read .*${found.source}`));
      assert.ok(performance.now() - started < 10_000);
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

  it('a nodeadm that does not read it: on containerd 2.x a root file, which outlives what nodeadm writes at a boot', async () => {
    const tree = await treeOf({
      ...node,
      [rendered]: 'version = 3\n',
      '/etc/systemd/system/nodeadm-run.service': '[Service]\nExecStart=/usr/bin/nodeadm init --skip config\n',
    });
    const before = tree.everything();

    const [instance] = await nodeadm.detect(tree.host, '2.1.9');
    const install = await planOn(tree.host, tree, '2.1.9');
    await tree.apply(install);
    await tree.write(rendered, 'version = 3\n[plugins."io.containerd.cri.v1.images"]\nsnapshotter = "soci"\n');
    const again = await planOn(tree.host, tree, '2.1.9', install.wiring);
    const found = await nodeadm.findRecorded(tree.host, install.wiring!);
    await tree.write(rendered, 'version = 3\n');
    await tree.apply(await planOn(tree.host, tree, '2.1.9', install.wiring, []));

    assert.deepEqual([instance?.effect, instance?.renderer?.title], [undefined, 'nodeadm']);
    assert.deepEqual([install.wiring?.engine, install.wiring?.method], ['nodeadm', 'root file']);
    assert.equal(
      install.changes.some(({ path }) => path === rendered || path.startsWith(folder)),
      false,
    );
    assert.deepEqual(again.changes, []);
    assert.deepEqual([found?.engine, found?.configPath], ['nodeadm', '/etc/containerd/kata-sysext-root.toml']);
    assert.deepEqual(tree.everything(), before);
  });

  it('a nodeadm that does not read it, beside containerd 1.x, and one that does not run at a boot, are refused', async () => {
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

    const codes = await Promise.all([
      ...[old, other].map((tree) => refusalOf(planOn(tree.host, tree, '1.7.24'))),
      refusalOf(planOn(disabled.host, disabled, '2.1.9')),
    ]);

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
