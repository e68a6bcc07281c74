import assert from 'node:assert/strict';
import { join } from 'node:path';
import { valueAt } from '../../cli/documents/toml/index.ts';
import { dumpOf } from '../../cli/engines/containerd/dump.ts';
import { containerd } from '../../cli/engines/containerd/index.ts';
import { beginContainerd, builtContainerd, type ContainerdRelease, containerdAvailable, containerdReleases } from '../lab/goPrograms.ts';
import { engineFiles } from '../support/engineFiles.ts';
import type { Binary } from '../support/live/containerdBinary.ts';
import { machine, prepared, roundByDump, wantedHandlers } from '../support/live/containerdRounds.ts';
import { eachRound, mutationCount } from '../support/mutations/random.ts';
import { mutatedToml } from '../support/mutations/toml.ts';
import { loopMs, sample, seed } from '../support/sample.ts';
import { engineTree } from '../support/trees/engineTree.ts';

const config = '/etc/containerd/config.toml';
const [old, runtime] = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.runtime'];
const live = { ...machine, booted: true };
const newest = '2.4.2';
const of3or4 = (schema: number) => `version = ${schema}\n[plugins.'${runtime}'.containerd.runtimes.runc.options]\nSystemdCgroup = true\n`;
const of2 = `version = 2\n[plugins."${old}"]\nsandbox_image = "pause"\n[plugins."${old}".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n`;

/** States of the main file: what others have there, and by what method the handlers come. `*`: the text of each schema. */
const states: [what: string, imports: string | undefined, files: Record<string, string>, method: string][] = [
  ['no imports', '', {}, 'drop-in and import'],
  ['an empty list', 'imports = []\n', {}, 'drop-in and import'],
  ['a folder', 'imports = ["/etc/containerd/conf.d/*.toml"]\n', {}, 'drop-in'],
  ['a relative folder', "imports = ['conf.d/*.toml']\n", { '/etc/containerd/conf.d/10.toml': '[debug]\nlevel = "info"\n' }, 'drop-in'],
  [
    'a file by its name',
    'imports = ["/etc/containerd/a.toml"]\n',
    { '/etc/containerd/a.toml': '[debug]\nlevel = "info"\n' },
    'drop-in and import',
  ],
  [
    'a list over lines',
    'imports = [\n  "/etc/containerd/a.toml", # one\n  # two\n]\n',
    { '/etc/containerd/a.toml': '' },
    'drop-in and import',
  ],
  ['itself', 'imports = ["/etc/containerd/config.toml"]\n', {}, 'drop-in and import'],
  [
    'a file that imports it',
    'imports = ["/etc/containerd/a.toml"]\n',
    { '/etc/containerd/a.toml': 'imports = ["config.toml"]\n' },
    'drop-in and import',
  ],
  ['a file that is not there', 'imports = ["/etc/containerd/a.toml"]\n', {}, 'engine-config-invalid'],
  ['nothing, and has no CRI', 'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n', {}, 'engine-unsupported'],
];

const others = containerdReleases.filter((each) => each !== newest);

for (const release of [newest, ...sample<ContainerdRelease>(others, 1, 'containerd')] as const) {
  beginContainerd(release);
  describe(`containerd ${release}, by its own dump`, function () {
    this.timeout(loopMs);
    let binary: Binary;
    const highest = release >= '2.3' ? 4 : 3;
    const schemas = [2, 3, 4].filter((schema) => schema <= highest);

    before(async function () {
      const there = await containerdAvailable(release);
      if (!there.ok) {
        console.log(`      left out: ${there.why}`);
        this.skip();
      }
      binary = { path: join(await builtContainerd(release), 'containerd'), version: release };
    });

    for (const [what, imports, files, wanted] of states)
      it(`a main file that imports ${what}: ${wanted}`, async () => {
        const outcomes: string[] = [];

        for (const schema of schemas) {
          const text = schema === 2 ? of2 : of3or4(schema);
          for (const main of [`${imports}${text}`, text.replace('\n', `\n${imports}`)])
            outcomes.push(await roundByDump(binary, { [config]: main, ...files }, live));
        }

        assert.deepEqual(new Set(outcomes), new Set([wanted]));
      });

    it('no main file, an empty one, and one of comments alone', async () => {
      const none = await roundByDump(binary, {}, live);
      const empty = await roundByDump(binary, { [config]: '' }, live);
      const comments = await roundByDump(binary, { [config]: '# version = 2\n#[plugins]' }, live);
      const versionAlone = await Promise.all(schemas.map((schema) => roundByDump(binary, { [config]: `version = ${schema}` }, live)));

      assert.deepEqual([none, empty, comments], ['file', 'range', 'range']);
      assert.deepEqual(new Set(versionAlone), new Set(['drop-in and import']));
    });

    it('files of several schemas: only where its dump has every handler', async () => {
      const below = (folder: string) => ({ '/etc/containerd/conf.d/99-other.toml': folder });
      const importing = 'imports = ["/etc/containerd/conf.d/*.toml"]\n';
      const other3 = `version = 3\n[plugins.'${runtime}'.containerd.runtimes.crun]\nruntime_type = 'io.containerd.runc.v2'\n`;
      const other2 = `version = 2\n[plugins."${old}".containerd.runtimes.crun]\nruntime_type = "io.containerd.runc.v2"\n`;
      const of = (main: string, other: string, host = live) => roundByDump(binary, { [config]: importing + main, ...below(other) }, host);

      const outcomes = [await of(of2, other3), await of(of3or4(3), other2)];
      const onTree = [await of(of2, other3, { ...machine, booted: false }), await of(of3or4(3), other2, { ...machine, booted: false })];

      // 2.0 to 2.2 take the last version for all files, 2.3.4 does not start with the first set.
      const wanted: Record<ContainerdRelease, string[]> = {
        '2.0.14': ['engine-config-mixed', 'drop-in'],
        '2.3.4': ['refused by the binary', 'drop-in'],
        '2.3.7': ['drop-in', 'drop-in'],
        '2.4.2': ['drop-in', 'drop-in'],
      };
      assert.deepEqual(outcomes, wanted[release]);
      assert.deepEqual(onTree, ['engine-config-mixed', 'engine-config-mixed']);
    });

    it('keys that 2.4 removed are told and stay, and none of them is a handler’s', async () => {
      const text = `version = ${highest}\n[plugins.'${runtime}']\nenable_cdi = false\n[plugins.'${runtime}'.cni]\nbin_dir = '/opt/mine/bin'\n`;
      const moved = `version = 2\n[plugins."${old}".cni]\nbin_dir = "/opt/mine/bin"\n`;
      const told = async (main: string) => {
        const { tree, instance } = await prepared(binary, { [config]: main });
        const { findings } = await containerd.plan(machine, instance, wantedHandlers);
        const dump = await dumpOf(machine, binary.path, instance.configPath);
        await tree.remove();
        return { findings: findings.map(({ code, found }) => [code, /has (\S+) in/.exec(found)?.[1]]), dump: dump.value };
      };

      const [here, old2] = [await told(text), await told(moved)];
      const outcome = await roundByDump(binary, { [config]: text }, live);

      const cni = ['plugins', runtime, 'cni'];
      const isRead = (dump: Record<string, unknown>) =>
        ['bin_dir', 'bin_dirs'].some((key) => String(valueAt(dump, [...cni, key])).includes('mine'));
      assert.equal(outcome, 'drop-in and import');
      assert.equal(isRead(old2.dump), true);
      assert.equal(isRead(here.dump), release !== newest);
      assert.deepEqual(old2.findings, []);
      assert.deepEqual(here.findings, release === newest ? ['cni.bin_dir', 'enable_cdi'].map((key) => ['engine-key-removed', key]) : []);
    });

    it('a root file means what the vendor’s file means, and the handlers', async () => {
      for (const schema of schemas) {
        const vendor = '/usr/share/containerd/config.toml';
        const tree = await engineTree({
          '/usr/bin/containerd': '',
          '/usr/lib/systemd/system/containerd.service': `[Service]\nExecStart=/usr/bin/containerd -c ${vendor}\n`,
          [vendor]: schema === 2 ? of2 : of3or4(schema),
        });
        const [instance] = await containerd.detect(tree.host, release);
        const plan = await containerd.plan(tree.host, instance!, wantedHandlers);
        await tree.apply(plan);
        const root = '/etc/containerd/kata-sysext-root.toml';
        await tree.write(root, (await tree.read(root)).replaceAll(/"(?=\/)/g, `"${tree.root}`));

        const before = await dumpOf(machine, binary.path, join(tree.root, vendor));
        const after = await dumpOf(machine, binary.path, join(tree.root, root));
        const names = wantedHandlers.map(({ name }) => name);
        const { ours, others } = containerd.dump!.compare(before.value, after.value, names);
        await tree.remove();

        assert.equal(plan.wiring?.method, 'root file');
        assert.deepEqual(others, []);
        for (const name of names)
          assert.ok(
            ours.some((path) => path.endsWith(`${name}.options.ConfigPath`)),
            ours.join(),
          );
      }
    });

    it('every whole file, installed, changed and removed, differs in the handlers only', async () => {
      const outcomes: string[] = [];

      for (const { name, bytes } of engineFiles('containerd'))
        outcomes.push(`${await roundByDump(binary, { [config]: bytes.toString() })} ${name}`);

      assert.deepEqual(
        outcomes.filter((outcome) => outcome.startsWith('refused')),
        [],
      );
      assert.ok(outcomes.filter((outcome) => !outcome.startsWith('engine-')).length >= 12, outcomes.join('\n'));
    });

    it(`files that were changed at random: the same, or they are refused untouched (seed ${seed})`, async () => {
      const outcomes = new Map<string, number>();
      const corpus = engineFiles('containerd').map(({ bytes }) => bytes.toString());

      await eachRound(async (random) => {
        const outcome = await roundByDump(binary, {
          [config]: mutatedToml(random.pick(corpus), random),
          '/etc/containerd/conf.d/x.toml': '',
        });
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }, 10);

      console.log(`      ${[...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(', ')}`);
      assert.ok(mutationCount < 200 || outcomes.has('drop-in and import'));
    });
  });
}
