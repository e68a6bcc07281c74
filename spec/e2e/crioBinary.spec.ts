import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { crio } from '../../cli/engines/crio/index.ts';
import { loadSet } from '../../cli/engines/crio/loader.ts';
import type { Instance, WiringPlan } from '../../cli/engines/types.ts';
import { KataError } from '../../cli/errors/index.ts';
import { openView } from '../../cli/host/index.ts';
import { CRIO_VERSION, crioAvailable, crioFolder } from '../lab/crio.ts';
import { engineFiles } from '../support/engineFiles.ts';
import { type EngineTree, engineTree, handler } from '../support/trees/engineTree.ts';

const live = openView('/', {});
const names = ['kata-qemu', 'kata-clh'];
const wanted = names.map(handler);
const inFolder = '/etc/crio/crio.conf.d';
const builtIn = '[crio.runtime.runtimes.crun]\nruntime_path = "/usr/bin/env"\n';

describe(`CRI-O ${CRIO_VERSION}’s own binary judges`, function () {
  this.timeout(900_000);
  let binary: string;
  let trees: EngineTree[] = [];

  before(async function () {
    this.timeout(1_800_000);
    const available = await crioAvailable();
    if (available.ok) {
      binary = join(await crioFolder(), 'crio');
      return;
    }
    console.log(`      ${available.why}`);
    this.skip();
  });
  afterEach(async () => {
    for (const tree of trees) await tree.remove();
    trees = [];
  });

  /** Plans on the real file system in a temporary folder, for a daemon that is not running. */
  async function prepared(files: Record<string, string | Buffer>) {
    const tree = await engineTree(files);
    trees.push(tree);
    const instance: Instance = {
      engine: 'crio',
      version: CRIO_VERSION,
      binary,
      configPath: join(tree.root, 'etc/crio/crio.conf'),
      configFolder: join(tree.root, inFolder),
      socket: '/nonexistent',
    };
    const scratchFolder = join(tree.root, 'scratch');
    const scratch = async (name: string, text: string) => {
      mkdirSync(scratchFolder, { recursive: true });
      writeFileSync(join(scratchFolder, name), text);
      return join(scratchFolder, name);
    };
    const accepts = async (plan: WiringPlan) => {
      rmSync(scratchFolder, { recursive: true, force: true });
      return crio.dump!.validate(live, instance, plan, scratch);
    };
    const apply = (plan: WiringPlan) => tree.apply(inside(tree, plan));
    return { tree, instance, accepts, apply, scratchFolder };
  }

  it('every small file, and every real one, installed, changed and removed: only our handlers differ', async () => {
    const judged: string[] = [];
    for (const { name, bytes } of engineFiles('crio')) {
      for (const place of ['/etc/crio/crio.conf', `${inFolder}/${name}`]) {
        const label = `${name} as ${place}`;
        const { tree, instance, accepts, apply } = await prepared({ [place]: bytes });
        const start = await crio.dump!.dumpEffective(live, instance);

        const install = await crio.plan(live, instance, wanted);
        const first = await accepts(install);
        await apply(install);
        const installed = crio.dump!.compare(start, await crio.dump!.dumpEffective(live, instance), names);
        const fewer = await crio.plan(live, instance, [wanted[1]!], install.wiring);
        const second = await accepts(fewer);
        await apply(fewer);
        const removal = await crio.plan(live, instance, [], fewer.wiring);
        const third = await accepts(removal);
        await apply(removal);
        const end = crio.dump!.compare(start, await crio.dump!.dumpEffective(live, instance), names);

        assert.deepEqual([first.others, second.others, third.others, installed.others, end.others], [[], [], [], [], []], label);
        assert.deepEqual([first.warnings, second.warnings, third.warnings], [[], [], []], label);
        assert.ok(
          first.ours.some((path) => path.startsWith('crio.runtime.runtimes.kata-qemu.')),
          label,
        );
        assert.ok(
          second.ours.every((path) => path.startsWith('crio.runtime.runtimes.kata-qemu.')),
          label,
        );
        assert.deepEqual([end.ours, tree.everything()[place]?.startsWith('file')], [[], true], label);
        judged.push(label);
      }
    }
    assert.ok(judged.length >= 14, judged.join());
  });

  it('our copies lie in the scratch folder only, in the order of the files', async () => {
    const { instance, accepts, scratchFolder } = await prepared({ '/etc/crio/crio.conf': '# main\n', [`${inFolder}/99-last`]: '# last\n' });

    await accepts(await crio.plan(live, instance, wanted));

    const copies = readdirSync(scratchFolder).map(
      (name) => `${name}: ${readFileSync(join(scratchFolder, name), 'utf8').split('\n')[0]?.slice(0, 12)}`,
    );
    assert.deepEqual(copies.sort(), ['0000.conf: ', '0001.conf: # main', '0002.conf: # Written by', '0003.conf: # last']);
  });

  it('what the daemon would drop at its start is told before it is started', async () => {
    const { tree, instance, apply } = await prepared({ [`${inFolder}/10`]: builtIn });
    const before = await crio.dump!.dumpEffective(live, instance);
    const real = (path: string) => join(tree.root, path);
    const mine = [{ name: 'kata-qemu', shim: real('/k/containerd-shim-kata-v2'), configuration: real('/k/c.toml') }];
    await apply(await crio.plan(live, instance, mine));
    const warnings: string[][] = [];

    warnings.push(crio.dump!.compare(before, await crio.dump!.dumpEffective(live, instance), ['kata-qemu']).warnings);
    await tree.write('/k/containerd-shim-kata-v2', '');
    warnings.push(crio.dump!.compare(before, await crio.dump!.dumpEffective(live, instance), ['kata-qemu']).warnings);
    await tree.write('/k/c.toml', '');
    warnings.push(crio.dump!.compare(before, await crio.dump!.dumpEffective(live, instance), ['kata-qemu']).warnings);

    assert.match(warnings[0]!.join(), /CRI-O would ignore kata-qemu: .*containerd-shim-kata-v2 is not there/);
    assert.match(warnings[1]!.join(), /c\.toml is not there/);
    assert.deepEqual(warnings[2], []);
  });

  it('a plan that says more than our handlers is found out, and one that it cannot load is rejected', async () => {
    const { instance, accepts } = await prepared({ [`${inFolder}/10`]: builtIn });
    const plan = await crio.plan(live, instance, wanted);
    const [change] = plan.changes;
    const text = (change!.after as { text: string }).text;
    const changed = (more: string) => ({ ...plan, changes: [{ ...change!, after: { text: `${text}${more}` } }] });

    const more = await accepts(changed('[crio.runtime]\nlog_level = "debug"\n'));
    const other = await accepts({ ...plan, changes: [{ ...change!, after: { text: text.replace('"vm"', '"oci"') } }] });
    const rejected = await accepts(changed('[crio.runtime]\nlog_size_max = "x"\n')).catch((error: KataError) => error.code);

    assert.deepEqual(more.others, ['crio.runtime.log_level']);
    assert.match(other.warnings.join(), /CRI-O does not take runtime_type of kata-qemu as it is written/);
    assert.equal(rejected, 'engine-rejects');
  });

  it('a configuration that the binary itself refuses is no ground to build on', async () => {
    const { instance } = await prepared({ [`${inFolder}/10`]: '[crio.runtime]\ndefault_runtime = "nothing"\n' });

    await assert.rejects(
      crio.dump!.dumpEffective(live, instance),
      (error) =>
        error instanceof KataError && error.code === 'engine-config-invalid' && /default_runtime set to "nothing"/.test(error.message),
    );
  });

  it('reads the files that we read, in the order in which we read them, whatever their names', async () => {
    const name = fc.stringMatching(/^[-.~_0-9A-Za-zä #]{1,6}$/).filter((text) => !['.', '..'].includes(text));
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(path, { minLength: 1, maxLength: 8 }), async (paths) => {
        const files = paths.filter((one) => !paths.some((other) => other.startsWith(`${one}/`)));
        const { tree, instance } = await prepared(Object.fromEntries(files.map((one) => [`${inFolder}/${one}`, '# nothing\n'])));

        const ours = (await loadSet(live, instance)).files.map((file) => file.path);

        assert.deepEqual(ours, filesRead(binary, tree));
      }),
      { numRuns: 25 },
    );
  });

  it('follows links to files, and dies of the links that we refuse', async () => {
    const { tree, instance } = await prepared({ '/elsewhere': '# linked\n', [`${inFolder}/10`]: '' });
    await symlink('/etc', join(tree.root, 'folder'));
    const entry = join(tree.root, inFolder, '20');
    const outcomes: [string, boolean][] = [];

    for (const target of [join(tree.root, 'elsewhere'), '/nowhere', '/etc', join(tree.root, 'folder')]) {
      await symlink(target, entry);
      const ours = await crio.plan(live, instance, wanted).then(
        () => 'planned',
        (error: KataError) => error.code,
      );
      outcomes.push([ours, dies(binary, tree)]);
      rmSync(entry);
    }

    assert.deepEqual(outcomes, [['planned', false], ...Array(3).fill(['engine-config-invalid', true])]);
  });
});

function inside(tree: EngineTree, plan: WiringPlan): WiringPlan {
  const cut = (path: string) => path.slice(tree.root.length);
  return {
    ...plan,
    changes: plan.changes.map((change) => ({ ...change, path: cut(change.path) })),
    makeFolders: plan.makeFolders.map((folder) => ({ ...folder, path: cut(folder.path) })),
    dropFolders: plan.dropFolders.map(cut),
  };
}

function run(binary: string, tree: EngineTree): string {
  const script = '"$1" --config "" --config-dir "$2" config 2>&1 >/dev/null';
  return execFileSync('sh', ['-c', script, 'sh', binary, join(tree.root, dirname(`${inFolder}/x`))], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin' },
  });
}

/** The drop-ins that the binary names in its log. */
function filesRead(binary: string, tree: EngineTree): string[] {
  return [...run(binary, tree).matchAll(/drop-in file: (?<path>.*?)"$/gm)].map((match) => match.groups!['path']!);
}

function dies(binary: string, tree: EngineTree): boolean {
  try {
    run(binary, tree);
    return false;
  } catch {
    return true;
  }
}
