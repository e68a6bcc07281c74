import assert from 'node:assert/strict';
import toml from '@iarna/toml';
import { parseDocument } from '../../../cli/documents/toml/index.ts';
import { writerOf } from '../../../cli/engines/index.ts';
import { k0s } from '../../../cli/engines/k0s/index.ts';
import type { Wiring, WiringPlan } from '../../../cli/engines/types.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { isMarked } from '../../../cli/store/index.ts';
import { type EngineTree, handler, refusalOf, treesOfSpec } from '../../support/trees/engineTree.ts';
import { folder, instanceOn, k0sFiles, main, microk8sFiles, ours, unit, unitText } from './k0sFiles.ts';

const wanted = [handler('kata-qemu'), handler('kata-clh')];
const oldId = 'io.containerd.grpc.v1.cri';
const newId = 'io.containerd.cri.v1.runtime';
const usual = { '/usr/local/bin/k0s': '', [unit]: unitText, [`${folder}/10-mine.toml`]: '[debug]\nlevel = "info"' };

async function planOn(tree: EngineTree, version: string | undefined, handlers = wanted, recorded?: Wiring): Promise<WiringPlan> {
  return k0s.plan(tree.host, await instanceOn(tree.host, version), handlers, recorded);
}

/** The file of k0s 1.26, whose MD5 later ones know. */
const earliest = `
# This is a placeholder configuration for k0s managed containerD.
# If you wish to customize the config replace this file with your custom configuration.
# For reference see https://github.com/containerd/containerd/blob/main/docs/man/containerd-config.toml.5.md
version = 2
`;

/** By a reader of TOML 1.0 that is not the program's. */
function read(text: string): { version?: number; plugins: Record<string, { containerd: { runtimes: Record<string, object> } }> } {
  return toml.parse(text) as never;
}

/** What k0s from 1.36 on refuses in a drop-in before it starts. */
function isRefusedBy136(text: string): boolean {
  const { version, plugins } = read(text);
  return (version !== undefined && version !== 3) || Object.hasOwn(plugins, oldId);
}

describe('engines/k0s: plans', () => {
  const treeOf = treesOfSpec();

  it('writes the text for this version where k0s reads it, both texts beside it, and what picks one before each start', async () => {
    const found: Record<string, unknown> = {};
    for (const version of ['1.34.10', '1.36.3', undefined]) {
      const tree = await treeOf(usual);
      const plan = await planOn(tree, version);
      await tree.apply(plan);
      const [chosen, two, three] = await Promise.all(
        [ours, '/etc/k0s/kata-sysext/schema-2.toml', '/etc/k0s/kata-sysext/schema-3.toml'].map((path) => tree.read(path)),
      );
      found[version ?? 'unknown'] = [chosen === two, chosen === three, plan.changes.at(-2)?.path];
      const tables = [read(two!).plugins[oldId], read(three!).plugins[newId]].map((plugin) => Object.keys(plugin!.containerd.runtimes));
      assert.deepEqual(
        tables,
        [wanted, wanted].map((handlers) => handlers.map(({ name }) => name)),
      );
      assert.deepEqual([isRefusedBy136(two!), isRefusedBy136(three!), read(two!).version], [true, false, 2]);
      assert.match(await tree.read(`${unit}.d/zz-kata-sysext.conf`), /^ExecStartPre=-\/bin\/sh \/etc\/k0s\/kata-sysext\/choose\.sh$/m);
      assert.match(await tree.read('/etc/k0s/kata-sysext/choose.sh'), /timeout 60 \/usr\/local\/bin\/k0s version/);
    }

    assert.deepEqual(found, { '1.34.10': [true, false, ours], '1.36.3': [false, true, ours], unknown: [false, true, ours] });
  });

  it('a path of k0s with a blank is one word of the script', async () => {
    const tree = await treeOf({ [unit]: '[Service]\nExecStart="/opt/my k0s/k0s" worker\n' });

    await tree.apply(await planOn(tree, '1.36.3'));

    const script = (await tree.read('/etc/k0s/kata-sysext/choose.sh'))!;
    assert.match(script, /timeout 60 '\/opt\/my k0s\/k0s' version/);
    assert.equal(script.split("'/opt/my k0s/k0s'").length, 4);
  });

  it('the script comes last and goes first, so that it puts nothing in place again for a start of k0s in between', async () => {
    const tree = await treeOf(usual);
    const script = '/etc/k0s/kata-sysext/choose.sh';
    const ends = ({ changes }: WiringPlan) => changes.map(({ path }) => path).filter((path) => [script, ours].includes(path));

    const first = await planOn(tree, '1.35.2');
    await tree.apply(first);
    const fewer = await planOn(tree, '1.35.2', wanted.slice(1), first.wiring);
    const removal = await planOn(tree, '1.35.2', [], first.wiring);

    assert.deepEqual([ends(first), first.changes.at(-1)?.path], [[ours, script], script]);
    assert.equal(fewer.changes.at(-1)?.path, ours);
    assert.deepEqual([ends(removal), removal.changes[0]?.path, removal.changes.length], [[script, ours], script, 5]);
  });

  it('writes an empty drop-in again, as a loss of power leaves it, and says nothing of an edit', async () => {
    const tree = await treeOf(usual);
    const before = tree.everything();
    const first = await planOn(tree, '1.36.3');
    await tree.apply(first);
    const written = await tree.read(ours);
    await tree.write(ours, '');

    const again = await planOn(tree, '1.36.3', wanted, first.wiring);
    await tree.apply(again);
    const repaired = await tree.read(ours);
    await tree.write(ours, '');
    const removal = await planOn(tree, '1.36.3', [], first.wiring);
    await tree.apply(removal);

    assert.deepEqual([repaired, again.findings, removal.findings], [written, [], []]);
    assert.ok(first.changes.find(({ path }) => path === ours)?.ours.includes(''));
    assert.deepEqual(tree.everything(), before);
  });

  it('takes either text for its own, and another version of k0s for no change of the handlers', async () => {
    const tree = await treeOf(usual);
    const before = tree.everything();
    const first = await planOn(tree, '1.35.2');
    await tree.apply(first);
    await tree.write(ours, await tree.read('/etc/k0s/kata-sysext/schema-3.toml'));

    const [mark] = first.wiring!.marks;
    const intact = isMarked(mark!, await tree.read(ours));
    const after = await planOn(tree, '1.36.3', wanted, first.wiring);
    const removal = await planOn(tree, '1.36.3', [], first.wiring);
    await tree.apply(removal);

    assert.equal(intact, true);
    assert.deepEqual([after.changes, after.wiring?.key, after.findings], [[], first.wiring?.key, []]);
    assert.deepEqual(tree.everything(), before);
  });

  it('keeps what others have in both folders, and the folder that k0s watches', async () => {
    const tree = await treeOf({ '/usr/local/bin/k0s': '', [unit]: unitText });
    const plan = await planOn(tree, '1.36.3');
    await tree.apply(plan);
    await tree.write(`${unit}.d/override.conf`, '[Service]\nExecStartPre=\n');
    await tree.write(`${folder}/20-later.toml`, 'version = 3\n');

    await tree.apply(await planOn(tree, '1.36.3', [], plan.wiring));

    const left = Object.keys(tree.everything()).filter((path) => /k0s/.test(path) && !path.endsWith('/k0s'));
    assert.deepEqual(
      left.filter((path) => path.includes('kata-sysext')),
      [],
    );
    assert.ok(left.includes(`${folder}/20-later.toml`) && left.includes(`${unit}.d/override.conf`));
  });

  it('the folders that it made go again where they are empty; the one that k0s watches stays on a live host', async () => {
    const tree = await treeOf({ '/usr/local/bin/k0s': '', [unit]: unitText });
    const before = tree.everything();
    const plan = await planOn(tree, '1.36.3');
    await tree.apply(plan);

    const instance = await instanceOn(tree.host, '1.36.3');
    const live = await k0s.plan({ ...tree.host, live: true }, instance, [], plan.wiring);
    await tree.apply(await k0s.plan(tree.host, instance, [], plan.wiring));

    assert.deepEqual(live.dropFolders, [`${unit}.d`, '/etc/k0s/kata-sysext']);
    assert.deepEqual(tree.everything(), before);
  });

  it('leaves a file alone that another program or user changed, and says so; with other handlers it refuses', async () => {
    const tree = await treeOf(usual);
    const first = await planOn(tree, '1.36.3');
    await tree.apply(first);
    await tree.write(ours, `${await tree.read(ours)}# mine\n`);

    const same = await planOn(tree, '1.36.3', wanted, first.wiring);
    const other = await refusalOf(planOn(tree, '1.36.3', wanted.slice(1), first.wiring));
    const removal = await planOn(tree, '1.36.3', [], first.wiring);

    assert.deepEqual([same.changes, same.findings.map(({ code, subject }) => [code, subject])], [[], [['foreign-edit', ours]]]);
    assert.equal(other, 'foreign-edit');
    assert.ok(removal.changes.every(({ path }) => path !== ours) && removal.changes.length === 4);
  });

  it('names drop-ins of others beside which k0s from 1.36 on does not start: before an update, and of the installed one', async () => {
    const tree = await treeOf({
      ...usual,
      [`${folder}/20-two.toml`]: `[plugins.'${oldId}']\nenable_selinux = true\n`,
      [`${folder}/30-version.toml`]: 'version = 2\n',
      [`${folder}/40-three.toml`]: 'version = 3\n',
    });

    const plans = [await planOn(tree, '1.35.9'), await planOn(tree, undefined), await planOn(tree, '1.36.0')];

    assert.deepEqual(
      plans.map(({ findings }) => findings.map(({ code, level, subject }) => [code, level, subject])),
      ['info', 'info', 'warning'].map((level) =>
        ['20-two.toml', '30-version.toml'].map((name) => ['engine-config-mixed', level, `${folder}/${name}`]),
      ),
    );
    assert.match(plans[2]!.findings[0]!.found, /k0s 1\.36\.0 does not start beside it/);
  });

  it('refuses a k0s that reads no drop-ins, a name that others have in either schema, and a path that a shell reads otherwise', async () => {
    const codes: string[] = [];
    const tree = await treeOf(usual);
    codes.push(await refusalOf(planOn(tree, '1.27.0')), await refusalOf(planOn(tree, '1.26.9')), await refusalOf(planOn(tree, '1.27.1')));
    for (const id of [oldId, newId]) {
      await tree.write(`${folder}/10-mine.toml`, `[plugins.'${id}'.containerd.runtimes.kata-clh]\nruntime_type = "x"\n`);
      codes.push(await refusalOf(planOn(tree, '1.34.10')));
    }
    const odd = await treeOf({ [unit]: '[Service]\nExecStart=/opt/$(reboot)/k0s worker\n', '/opt/$(reboot)/k0s': '' });
    codes.push(await refusalOf(planOn(odd, '1.36.3')));

    const [taken, unfit] = ['engine-foreign-handler', 'engine-unsupported'];
    assert.deepEqual(codes, [unfit, unfit, 'no error', taken, taken, unfit]);
  });

  describe('whose file containerd.toml is', () => {
    const mark = '# k0s_managed=true';
    const rows: [what: string, text: string | undefined, upTo135: boolean, from136: boolean][] = [
      ['no file', undefined, true, true],
      ['the mark first', `${mark}\nversion = 3\n`, true, true],
      ['the mark first, CRLF', `${mark}\r\nversion = 3\r\n`, true, true],
      ['the mark last and without an end', `version = 2\n${mark}`, true, false],
      ['the mark after an empty line', `\n${mark}\n`, true, false],
      ['a byte order mark before it', `\ufeff${mark}\n`, false, false],
      ['a space behind it', `${mark} \n`, false, false],
      ['a space before it', ` ${mark}\n`, false, false],
      ['another value', '# k0s_managed=false\n', false, false],
      ['nothing', '', false, false],
      ['the mark in a value', `root = "x" ${mark}\n`, false, false],
      ['what k0s before 1.27 wrote', earliest, true, false],
      ['that with another line', `${earliest}oom_score = 0\n`, false, false],
    ];
    for (const [what, text, upTo135, from136] of rows) {
      it(`${what}: ${upTo135 ? 'k0s’ up to 1.35' : 'the administrator’s'}, ${from136 ? 'k0s’ from 1.36 on' : 'the administrator’s'}`, async () => {
        const tree = await treeOf({ ...usual, ...(text === undefined ? {} : { [main]: text }) });
        const before = tree.everything();

        const codes = [await refusalOf(planOn(tree, '1.35.9')), await refusalOf(planOn(tree, '1.36.0'))];

        assert.deepEqual(tree.everything(), before);
        assert.deepEqual(
          codes,
          [upTo135, from136].map((managed) => (managed ? 'no error' : 'engine-unsupported')),
        );
      });
    }

    it('a refusal says who owns the file and what follows', async () => {
      const tree = await treeOf({ ...usual, [main]: 'version = 2\n' });

      const errors = await Promise.all(['1.35.9', '1.36.0'].map((version) => planOn(tree, version).catch((error: unknown) => error)));

      assert.deepEqual(
        errors.map((error) => (error instanceof KataError ? error.complaint.found : error)),
        [
          [`it has no line “${mark}”`, '1.35.9'],
          [`its first line is not “${mark}”`, '1.36.0'],
        ].map(
          ([sign, version]) =>
            `The administrator owns ${main}: ${sign}, so that k0s ${version} never writes it, and its containerd gets nothing from ${folder}.`,
        ),
      );
    });
  });

  for (const { origin, files } of k0sFiles()) {
    it(`${origin}: every file, alone and beside each other, comes back byte for byte; adding twice is adding once`, async () => {
      const dropIn = files['1.34.containerd.d.50-kata-v2.toml']!;
      const mains = Object.entries(files).filter(([name]) => name.includes('managed'));
      const beside: (string | undefined)[] = [undefined, dropIn, dropIn.replaceAll('\n', '\r\n'), `\t\n${dropIn.trimEnd()}`, ''];
      let tried = 0;
      for (const [name, text] of mains)
        for (const other of beside) {
          const tree = await treeOf({ ...usual, [main]: text, ...(other === undefined ? {} : { [`${folder}/50-kata.toml`]: other }) });
          const before = tree.everything();
          const version = name.startsWith('1.34') ? '1.34.10' : '1.36.3';
          const first = await planOn(tree, version);
          await tree.apply(first);
          const again = await planOn(tree, version, wanted, first.wiring);
          await tree.apply(await planOn(tree, version, [], first.wiring));

          assert.deepEqual(again.changes, []);
          assert.deepEqual(tree.everything(), before);
          tried += 1;
        }
      assert.equal(tried, 10);
    });

    it(`${origin}: a drop-in that does not parse is refused with its line and column, and is not touched`, async () => {
      const text = files['1.34.containerd.d.50-kata-v2.toml']!.replace('runtime_type = ', 'runtime_type ');
      const tree = await treeOf({ ...usual, [`${folder}/50-kata.toml`]: text });
      const before = tree.everything();

      const error = await planOn(tree, '1.34.10').catch((cause: unknown) => cause);

      assert.ok(error instanceof KataError && error.code === 'engine-config-invalid', String(error));
      assert.match(error.complaint.found, /50-kata\.toml.*(3|line 3)/s);
      assert.deepEqual(tree.everything(), before);
    });

    it(`${origin}: their writer is known, so that no first boot is rendered against them`, () => {
      const names = Object.entries(files).flatMap(([name, text]) => (name.includes('managed') ? [writerOf(text)?.title] : []));

      assert.deepEqual(names, ['k0s', 'k0s']);
    });
  }

  it('microk8s: its files are known by their text, and parse', () => {
    const own = 'version = 2\n[plugins."io.containerd.internal.v1.opt"]\npath = "/var/snap/microk8s/common/var/lib/containerd"\n';
    const texts = [{ name: 'small', text: own }, ...microk8sFiles()];

    for (const { name, text } of texts) {
      assert.equal(writerOf(text)?.title, 'microk8s', name);
      assert.ok(Object.keys(parseDocument(text, name).value).length > 0);
    }
  });
});
