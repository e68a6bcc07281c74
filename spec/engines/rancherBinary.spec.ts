import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { k3s } from '../../cli/engines/k3s/index.ts';
import type { Instance, WiringPlan } from '../../cli/engines/types.ts';
import { openView } from '../../cli/host/index.ts';
import { type Binary, containerdBinaries } from '../support/live/containerdBinary.ts';
import { baseText, rendered } from '../support/rancher.ts';
import { type EngineTree, engineTree, handler, refusalOf } from '../support/trees/engineTree.ts';

const binaries = containerdBinaries();
const live = openView('/', {});
const names = ['kata-qemu', 'kata-clh'];
const template = 'config-v3.toml.tmpl';
const own = '{{ template "base" . }}\n\n[proxy_plugins.mine]\n  type = "snapshot"\n  address = "/run/mine.sock"\n';

function agesFor({ version }: Binary): ['2024'] | ['2025', '2026'] {
  return version.startsWith('1.') ? ['2024'] : ['2025', '2026'];
}

/** On the real file system in a temporary folder, for a k3s that does not run. */
async function prepared(binary: Binary, age: '2024' | '2025' | '2026', text?: string) {
  const tree = await engineTree({});
  const dataDir = `${tree.root}/k3s`;
  const folder = '/k3s/agent/etc/containerd';
  const base = baseText({ program: 'k3s', age, dataDir });
  const name = age === '2024' ? 'config.toml.tmpl' : template;
  if (text !== undefined) await tree.write(`${folder}/${name}`, text);
  const start = async () =>
    tree.write(`${folder}/config.toml`, rendered(await tree.read(`${folder}/${name}`).catch(() => '{{ template "base" . }}'), base));
  await start();
  const instance: Instance = {
    engine: 'k3s',
    version: binary.version,
    binary: binary.path,
    configPath: `${tree.root}${folder}/config.toml`,
    renderer: { title: 'k3s', writes: '', when: '' },
  };
  const scratch = async (file: string, content: string) => {
    mkdirSync(join(tree.root, 'scratch'), { recursive: true });
    writeFileSync(join(tree.root, 'scratch', file), content);
    return join(tree.root, 'scratch', file);
  };
  return { tree, instance, scratch, start };
}

function inside(tree: EngineTree, plan: WiringPlan): WiringPlan {
  const cut = (path: string) => path.slice(tree.root.length);
  return {
    ...plan,
    changes: plan.changes.map((change) => ({ ...change, path: cut(change.path) })),
    makeFolders: plan.makeFolders.map((folder) => ({ ...folder, path: cut(folder.path) })),
    dropFolders: plan.dropFolders.map(cut),
  };
}

describe('engines/rancher: judged by the real binary', function () {
  this.timeout(300_000);
  before(function () {
    if (binaries.length > 0) return;
    console.log('      skipped: containerd is missing (apt-get install containerd)');
    this.skip();
  });

  for (const binary of binaries) {
    const ages = agesFor(binary);
    for (const age of ages)
      for (const text of [undefined, own])
        it(`${binary.version}, k3s of ${age}${text === undefined ? '' : ' with a template'}: what is foretold is what is there once k3s has rendered, and kata-sysext’s handlers alone`, async () => {
          const { tree, instance, scratch, start } = await prepared(binary, age, text);
          const dump = k3s.dump!;
          const before = await dump.dumpEffective(live, instance);

          const install = await k3s.plan(live, instance, names.map(handler));
          const foretold = await dump.validate(live, instance, install, scratch);
          await tree.apply(inside(tree, install));
          await start();
          const real = dump.compare(before, await dump.dumpEffective(live, instance), names);
          const again = await dump.validate(live, instance, await k3s.plan(live, instance, names.map(handler), install.wiring), scratch);
          const away = await k3s.plan(live, instance, [], install.wiring);
          const gone = await dump.validate(live, instance, away, scratch);
          await tree.apply(inside(tree, away));
          await start();
          const after = dump.compare(before, await dump.dumpEffective(live, instance), []);
          await tree.remove();

          assert.deepEqual(
            [foretold.others, foretold.warnings, real.others, again, gone.others, after.others],
            [[], [], [], { ours: [], others: [], warnings: [] }, [], []],
          );
          assert.ok(foretold.ours.some((path) => path.endsWith('runtimes.kata-qemu.options.ConfigPath')));
          assert.deepEqual(real.ours, foretold.ours);
          assert.equal(gone.ours.length, foretold.ours.length);
        });

    it(`${binary.version}: a runtime more than kata-sysext’s handlers shows as another difference`, async () => {
      const { tree, instance, scratch } = await prepared(binary, ages[0]);
      const plan = await k3s.plan(live, instance, [handler('kata-qemu')]);
      const id = ages[0] === '2024' ? '"io.containerd.grpc.v1.cri"' : "'io.containerd.cri.v1.runtime'";
      const more = plan.changes.map((change) =>
        change.after === 'absent'
          ? change
          : {
              ...change,
              after: {
                text: `${change.after.text}\n[plugins.${id}.containerd.runtimes.other]\n  runtime_type = "io.containerd.runc.v2"\n`,
              },
            },
      );

      const seen = await k3s.dump!.validate(live, instance, { ...plan, changes: more }, scratch);

      await tree.remove();
      assert.ok(
        seen.others.some((path) => path.includes('runtimes.other')),
        JSON.stringify(seen),
      );
    });
  }

  it('before a first start nothing is foretold', async () => {
    const [binary] = binaries;
    const { tree, instance, scratch } = await prepared(binary!, agesFor(binary!)[0]);
    const plan = await k3s.plan(live, instance, [handler('kata-qemu')]);
    const gone = { ...instance, configPath: `${tree.root}/elsewhere/config.toml` };

    const codes = [await refusalOf(k3s.dump!.validate(live, gone, plan, scratch)), await refusalOf(k3s.dump!.dumpEffective(live, gone))];

    await tree.remove();
    assert.deepEqual(codes, ['host-unknown', 'host-unknown']);
  });
});
