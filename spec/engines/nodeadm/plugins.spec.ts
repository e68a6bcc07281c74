import assert from 'node:assert/strict';
import { parse as parseYaml } from 'yaml';
import { handlerTable } from '../../../cli/engines/containerd/handlers.ts';
import { nodeadm } from '../../../cli/engines/nodeadm/index.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { handler, refusalOf, treesOfSpec } from '../../support/trees/engineTree.ts';
import { newId, oldId } from '../containerdPlans.ts';
import {
  booted,
  cache,
  cached,
  folder,
  images,
  importing,
  names,
  node,
  nodeConfig,
  planned,
  planOn,
  v2,
  v3,
  wiringFile,
} from './nodeadmTree.ts';

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

    const error = await planOn(booted(tree), tree, '1.7.24').catch((thrown: unknown) => thrown);

    assert.ok(error instanceof KataError && error.code === 'engine-config-invalid', String(error));
    assert.match(error.complaint.found, /^The user data of this node .* names plugins of schema 3/);
    assert.match(error.complaint.next, /in the user data/);
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

  it('a key that containerd 2.4 removed is named with its file, or as the user data; nothing is said with 2.3', async () => {
    const cdi = `[plugins."${newId}"]\nenable_cdi = false\n`;
    const [filed, userData] = [
      await treeOf({ ...node, [`${folder}/10-cdi.yaml`]: nodeConfig(cdi), [cache]: cached(cdi) }),
      await treeOf({ ...node, [cache]: cached(cdi) }),
    ];

    const plans = [
      await planOn(booted(filed), filed, '2.4.2'),
      await planOn(booted(userData), userData, '2.4.2'),
      await planOn(booted(userData), userData, '2.3.7'),
    ];

    const found = plans.map(({ findings }) => findings.filter(({ code }) => code === 'engine-key-removed').map(({ subject }) => subject));
    assert.deepEqual(found, [[`${folder}/10-cdi.yaml`], [`the user data of this node (${cache})`], []]);
  });

  it('in a tree it says which schema of the user data would not fit, and nothing with containerd 1.x, where none but schema 2 does', async () => {
    const [bare, old] = [await treeOf(node), await treeOf({ ...node, [`${folder}/10-user.yaml`]: nodeConfig(v2) })];

    const plans = [await planOn(bare.host, bare, '2.1.9'), await planOn(old.host, old, '2.1.9'), await planOn(old.host, old, '1.7.24')];

    assert.deepEqual(
      plans.map(({ findings }) => findings.map(({ needed }) => /does not name plugins of schema (\d)/.exec(needed)?.[1])),
      [['2'], ['3'], []],
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
