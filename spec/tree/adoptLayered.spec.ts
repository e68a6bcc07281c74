import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import toml from '@iarna/toml';
import { type Both, bothReleases } from '../support/bothArchives.ts';
import { failAt, judged, pointsOf } from '../support/crash.ts';
import { differences } from '../support/fingerprint.ts';
import { put } from '../support/hostTrees.ts';
import { layered, origin } from '../support/layered.ts';
import { crioTree, currentConfig, machineConfig, owning } from '../support/renderedTree.ts';
import { loopMs, sample } from '../support/sample.ts';
import { releases, story, type TreeHost, treeHost } from '../support/treeHost.ts';

const folder = 'etc/crio/crio.conf.d';
const ours = `${folder}/50-kata-sysext.conf`;
const own = 'kata-qemu-runtime-rs';

type Runtimes = Record<string, { runtime_path?: string; runtime_type?: string } | undefined>;

/** A tree on which the package is layered and wired into CRI-O. */
function layeredTree(prepare: (root: string) => void = () => undefined): TreeHost {
  return crioTree('fcos', 'crio@1.34', (root) => {
    put(root, layered.shim, '#!/bin/sh\n', 0o755);
    put(root, layered.dropIn, layered.text);
    put(root, origin.path, origin.text('kata-containers;vim;'));
    prepare(root);
  });
}

/** The handlers as CRI-O would take them: a later file's table replaces an earlier one whole. Read by a TOML library, not by our editor. */
function runtimesOf(host: TreeHost): Runtimes {
  const found: Runtimes = {};
  for (const name of readdirSync(host.path(folder)).sort()) {
    const value = toml.parse(readFileSync(host.path(join(folder, name)), 'utf8')) as { crio?: { runtime?: { runtimes?: Runtimes } } };
    Object.assign(found, value.crio?.runtime?.runtimes);
  }
  return found;
}

/** Whether the shim that a handler names is there, through the links of the tree. */
function serves(host: TreeHost, name: string): boolean {
  const path = runtimesOf(host)[name]?.runtime_path;
  if (path === undefined) return false;
  const inside = /^\/etc\/kata-sysext\/current\/payload\/(.*)$/.exec(path)?.[1];
  if (inside === undefined) return existsSync(host.path(path));
  const generation = readlinkSync(host.path('etc/kata-sysext/current'));
  return existsSync(join(host.path(readlinkSync(host.path(`${generation}/payload`))), inside));
}

describe('adopt layered', function () {
  this.timeout(loopMs);
  let first: string;
  let second: string;
  let both: Both;
  let host: TreeHost;

  before(async () => {
    ({ first, second } = await releases());
    both = await bothReleases();
  });
  after(() => both.remove());
  beforeEach(() => {
    host = layeredTree();
  });
  afterEach(() => host.remove());

  it('shows the plan: ours comes, theirs goes, the package stays for now; nobody else’s text, and no byte changes', async () => {
    const before = host.fingerprint(story);

    const { stdout } = await host.run(['adopt', 'layered', first, '--dry-run']);

    const [comes, goes] = [stdout.indexOf(`create /${ours}`), stdout.indexOf(`remove /${layered.dropIn}`)];
    assert.ok(comes > 0 && comes < goes, stdout);
    assert.match(stdout, /\+\[crio\.runtime\.runtimes\.kata\]/);
    assert.doesNotMatch(stdout, /usr\/bin\/containerd-shim-kata-v2/);
    assert.match(stdout, /kata-containers stays layered.*\[layer-stays\]/);
    assert.match(stdout, /rpm-ostree uninstall kata-containers; systemctl reboot/);
    assert.deepEqual(differences(before, host.fingerprint(story)), []);
  });

  it('serves the name kata with ours in one change, and names the command that takes the package away', async () => {
    const change = await host.json(['adopt', 'layered', first]);

    const { kata, runc } = runtimesOf(host);
    assert.deepEqual([change['verb'], change['to'], change['handlers']], ['adopt', 1, ['kata', own]]);
    assert.equal(change['nextCommand'], 'rpm-ostree uninstall kata-containers');
    assert.match(String(change['undoCommand']), /^kata-sysext uninstall --root /);
    assert.equal(existsSync(host.path(layered.dropIn)), false);
    assert.match(kata?.runtime_path ?? '', /^\/etc\/kata-sysext\/current\/payload\//);
    assert.deepEqual([serves(host, 'kata'), runc?.runtime_path], [true, '/usr/bin/runc']);
    assert.deepEqual(
      ((await host.json(['status']))['generations'] as { aliases: object[] }[]).map(({ aliases }) => aliases),
      [[{ name: 'kata', handler: own }]],
    );
  });

  it('uninstall puts theirs back, byte for byte, and then nothing of ours is left', async () => {
    chmodSync(host.path(layered.dropIn), 0o640);
    const before = host.fingerprint();
    await host.json(['adopt', 'layered', first]);
    await host.json(['install', second]);

    await host.json(['uninstall', '--purge']);

    assert.equal(readFileSync(host.path(layered.dropIn), 'utf8'), layered.text);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('the copies of their files are for root alone, and go with the generation', async () => {
    await host.json(['adopt', 'layered', first]);
    const copies = host.path('var/lib/kata-sysext/generations/1/replaced');

    const modes = [copies, join(copies, '0')].map((path) => lstatSync(path).mode & 0o777);
    const record = readFileSync(host.path('var/lib/kata-sysext/generations/1/record.json'), 'utf8');

    assert.deepEqual(modes, [0o700, 0o600]);
    assert.doesNotMatch(record, /# Kata Containers/);
  });

  it('once the package is gone, its wiring does not come back', async () => {
    await host.json(['adopt', 'layered', first]);
    rmSync(host.path(layered.shim));

    await host.json(['uninstall']);

    assert.equal(existsSync(host.path(layered.dropIn)), false);
    assert.deepEqual(Object.keys(runtimesOf(host)), ['runc']);
  });

  it('a name that was let go meanwhile does not come back either', async () => {
    await host.json(['adopt', 'layered', first]);
    await host.json(['uninstall', '--handler', 'kata']);

    await host.json(['uninstall']);

    assert.deepEqual(Object.keys(runtimesOf(host)), ['runc']);
  });

  it('where ours was there already, rollback gives the name back, and twice returns', async () => {
    await host.json(['install', first]);
    const change = await host.json(['adopt', 'layered', first]);
    const adopted = runtimesOf(host);

    await host.json(['rollback']);
    const back = [readFileSync(host.path(layered.dropIn), 'utf8'), runtimesOf(host)['kata']?.runtime_path];
    await host.json(['rollback']);

    assert.match(String(change['undoCommand']), /^kata-sysext rollback/);
    assert.deepEqual(back, [layered.text, `/${layered.shim}`]);
    assert.deepEqual(runtimesOf(host), adopted);
    assert.equal(existsSync(host.path(layered.dropIn)), false);
    await host.json(['verify']);
  });

  it('a second time nothing is done, and the package is still named', async () => {
    await host.json(['adopt', 'layered', first]);
    const before = judged(host);

    const again = await host.json(['adopt', 'layered', first]);

    assert.deepEqual([again['changed'], again['nextCommand']], [false, 'rpm-ostree uninstall kata-containers']);
    assert.deepEqual(differences(before, judged(host)), []);
  });

  it('handlers and aliases are chosen as with install; every name of the package is kept', async () => {
    writeFileSync(
      host.path(layered.dropIn),
      layered.text + layered.text.replace('# Kata Containers\n', '').replace('.kata]', '.kata-old]'),
    );

    const change = await host.json([
      'adopt',
      'layered',
      ...both.first,
      '--handler',
      'qemu-runtime-rs',
      '--handler',
      'qemu',
      '--alias',
      'kata=qemu',
    ]);

    assert.deepEqual(change['handlers'], ['kata', 'kata-old', 'kata-qemu', own]);
    assert.match(runtimesOf(host)['kata']!.runtime_path!, /payload\/bin\/containerd-shim-kata-v2$/);
    assert.match(runtimesOf(host)['kata-old']!.runtime_path!, /runtime-rs\/bin\/containerd-shim-kata-v2$/);
  });

  it('a name that is a handler’s own wants that handler', async () => {
    writeFileSync(host.path(layered.dropIn), layered.text.replace('.kata]', '.kata-qemu]'));

    const refused = await host.json(['adopt', 'layered', ...both.first], 3);
    const change = await host.json(['adopt', 'layered', ...both.first, '--handler', 'qemu']);

    assert.equal(refused['code'], 'handler-not-installed');
    assert.match(String(refused['next']), /--handler kata-qemu-runtime-rs --handler kata-qemu/);
    assert.deepEqual(change['handlers'], ['kata-qemu']);
  });

  it('a file that has more than their tables keeps the rest, and gets theirs back where they stood', async () => {
    const mixed = `# mine\n[crio.runtime]\nlog_level = "info"\n\n${layered.text}\n# also mine\n[crio.image]\npause_image = "pause:3.10"\n`;
    writeFileSync(host.path(layered.dropIn), mixed);

    await host.json(['adopt', 'layered', first]);
    const during = readFileSync(host.path(layered.dropIn), 'utf8');
    await host.json(['uninstall']);

    assert.equal(
      during,
      '# mine\n[crio.runtime]\nlog_level = "info"\n\n# Kata Containers\n\n# also mine\n[crio.image]\npause_image = "pause:3.10"\n',
    );
    assert.equal(readFileSync(host.path(layered.dropIn), 'utf8'), mixed);
  });

  it('a layered package that nothing is wired to: ours gets its usual name', async () => {
    rmSync(host.path(layered.dropIn));

    const change = await host.json(['adopt', 'layered', first]);

    assert.deepEqual(change['handlers'], ['kata', own]);
    assert.equal(existsSync(host.path('var/lib/kata-sysext/generations/1/replaced')), false);
  });

  it('killed at any failpoint: the name kata is served at that very moment; then recover: the old or the new tree', async () => {
    const tried = host.copy();
    const points = await pointsOf(tried, ['adopt', 'layered', first]);
    const [old, done] = [judged(host), judged(tried)];
    tried.remove();
    const between = points.filter((point) => point.startsWith('step/file/'));

    const problems: string[] = [];
    for (const point of [...new Set([...between, ...sample(points, 5, 'adopt layered')])]) {
      const copy = host.copy();
      const { status } = await copy.run(['adopt', 'layered', first], { env: { KATA_SYSEXT_FAILPOINT: failAt(point, 'kill') } });
      if (status !== 137) problems.push(`${point}: it ended with ${status}`);
      if (!serves(copy, 'kata')) problems.push(`${point}: nothing serves kata`);
      await copy.json(['recover']);
      if (!serves(copy, 'kata')) problems.push(`${point}: nothing serves kata after recover`);
      const now = judged(copy);
      if (![old, done].some((lines) => differences(lines, now).length === 0))
        problems.push(`${point}: ${differences(old, now).join('; ')}`);
      copy.remove();
    }

    assert.equal(between.filter((point) => point.startsWith('step/file/after')).length, 2, between.join());
    assert.deepEqual(problems, []);
  });

  it('killed at any failpoint of the way back: the same', async () => {
    await host.json(['adopt', 'layered', first]);
    const tried = host.copy();
    const points = await pointsOf(tried, ['uninstall']);
    const [old, done] = [judged(host), judged(tried)];
    tried.remove();

    const problems: string[] = [];
    for (const point of [...points.filter((each) => each.startsWith('step/file/')), ...sample(points, 3, 'adopt layered, back')]) {
      const copy = host.copy();
      await copy.run(['uninstall'], { env: { KATA_SYSEXT_FAILPOINT: failAt(point, 'kill') } });
      if (!serves(copy, 'kata')) problems.push(`${point}: nothing serves kata`);
      await copy.json(['recover']);
      const now = judged(copy);
      if (![old, done].some((lines) => differences(lines, now).length === 0))
        problems.push(`${point}: ${differences(old, now).join('; ')}`);
      copy.remove();
    }

    assert.deepEqual(problems, []);
  });

  const refusals: [title: string, spoil: (root: string) => void, more: string[], status: number, code: string, found: RegExp][] = [
    ['it is not layered', (root) => put(root, origin.path, origin.text('vim;')), [], 3, 'nothing-to-adopt', /part of the image/],
    [
      'another package has a longer name',
      (root) => put(root, origin.path, origin.text('kata-containers-debug;')),
      [],
      3,
      'nothing-to-adopt',
      /not layered/,
    ],
    ['no deployment tells', (root) => rmSync(join(root, origin.path)), [], 3, 'nothing-to-adopt', /no deployment of this tree/],
    ['its shim is not there', (root) => rmSync(join(root, layered.shim)), [], 3, 'adopt-unproven', /containerd-shim-kata-v2 is not there/],
    ['--yes on a tree that does not run', () => undefined, ['--yes'], 2, 'usage', /does not run/],
    [
      'their tables stand apart',
      (root) =>
        appendFileSync(
          join(root, layered.dropIn),
          '[crio.image]\npause_image = "pause:3.10"\n[crio.runtime.runtimes.old]\nruntime_path = "/usr/bin/containerd-shim-kata-v2"\n',
        ),
      [],
      3,
      'engine-unsupported',
      /kata, old among others/,
    ],
    [
      'a MachineConfig brought the package',
      (root) => put(root, currentConfig, machineConfig({}, ['sandboxed-containers'])),
      [],
      3,
      'owned-by-machineconfig',
      /the extension sandboxed-containers.*rendered-worker-/,
    ],
    [
      'a MachineConfig brought their wiring',
      (root) => put(root, currentConfig, owning([`/${layered.dropIn}`])),
      [],
      3,
      'owned-by-machineconfig',
      /50-kata/,
    ],
    [
      'somebody else has a handler of our name',
      (root) => put(root, `${folder}/60-other`, `[crio.runtime.runtimes.${own}]\nruntime_path = "/opt/other"\n`),
      [],
      3,
      'engine-foreign-handler',
      /60-other/,
    ],
  ];
  for (const [title, spoil, more, status, code, found] of refusals) {
    it(`refuses, and changes nothing: ${title}`, async () => {
      spoil(host.root);
      const spared = (lines: string[]) => lines.filter((line) => !/var\/lib\/kata-sysext|usrlocal/.test(line));
      const before = host.fingerprint();

      const refused = await host.json(['adopt', 'layered', first, ...more], status);

      assert.equal(refused['code'], code, JSON.stringify(refused));
      assert.match(String(refused['found']), found);
      assert.deepEqual(spared(differences(before, host.fingerprint())), []);
    });
  }

  it('takes a package that was layered from a file', async () => {
    put(host.root, origin.path, origin.text(`${'a'.repeat(64)}:kata-containers-3.2.0-1.fc44.x86_64;`, 'requested-local'));

    const change = await host.json(['adopt', 'layered', first]);

    assert.equal(change['changed'], true);
  });
});

describe('adopt layered with containerd', function () {
  this.timeout(loopMs);
  const config = 'etc/containerd/config.toml';
  const plugin = (id: string) => `[plugins."${id}".containerd.runtimes.kata]\n  runtime_type = "io.containerd.kata.v2"\n`;
  let host: TreeHost;
  let first: string;

  before(async () => {
    ({ first } = await releases());
  });
  afterEach(() => host.remove());

  const rows: [title: string, engine: string, prepare: (root: string) => void][] = [
    ['1.7, in the main file', 'containerd@1.7', (root) => appendFileSync(join(root, config), plugin('io.containerd.grpc.v1.cri'))],
    [
      '2.2, in a file of its own',
      'containerd@2.2',
      (root) => {
        writeFileSync(join(root, config), 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n');
        mkdirSync(join(root, 'etc/containerd/conf.d'));
        put(root, 'etc/containerd/conf.d/50-kata.toml', `version = 3\n${plugin('io.containerd.cri.v1.runtime')}`);
      },
    ],
  ];
  for (const [title, engine, prepare] of rows) {
    it(`${title}: takes its place, and gives it back byte for byte`, async () => {
      const all = (root: string) => {
        put(root, layered.shim, '#!/bin/sh\n', 0o755);
        put(root, origin.path, origin.text('kata-containers;'));
        prepare(root);
      };
      host = treeHost('fcos', all, { engine });
      const before = host.fingerprint();

      const change = await host.json(['adopt', 'layered', first]);
      const text = ['config.toml', 'kata-sysext.toml', 'conf.d/kata-sysext.toml'].map((name) => join('etc/containerd', name));
      const written = text.map((path) => (existsSync(host.path(path)) ? readFileSync(host.path(path), 'utf8') : '')).join('\n');
      await host.json(['uninstall', '--purge']);

      assert.deepEqual(change['handlers'], ['kata', own]);
      assert.match(written, /runtimes\.kata\]\n(?:.*\n)*?.*runtime_path = "\/etc\/kata-sysext\/current\/payload\//);
      assert.equal(written.split(/runtimes\.kata\]/).length, 2, written);
      assert.deepEqual(differences(before, host.fingerprint()), []);
    });
  }
});
