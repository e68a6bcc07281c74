import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { differences } from '../support/judges/fingerprint.ts';
import { singleFile } from '../support/singleFile.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type LabelledTree, labelledTree, ownPaths, type PolicyFamily, realPath } from '../support/trees/labelledTree.ts';
import { releases, scratch, story } from '../support/trees/treeHost.ts';

interface Finding {
  code: string;
  level: string;
  subject: string;
  found: string;
  needed: string;
  next: string;
}

/** What a host has of kata-sysext, of each kind: by names, which find resolves. */
const everyKind = [
  'containerd-shim-kata-v2',
  'qemu-system-x86_64',
  'virtiofsd',
  'libtiny.so.1',
  'kata-containers.img',
  'vmlinux.container',
  'extension-release.kata',
  'configuration.toml',
  'payload',
  'current',
  'kata-sysext',
  'kata-sysext-recover.service',
  'manifest.json',
];

describe('SELinux labels that differ', function () {
  this.timeout(900_000);
  const trees: LabelledTree[] = [];
  const made = new Map<string, Promise<LabelledTree>>();
  after(() => {
    for (const tree of trees) tree.remove();
  });

  function kept(tree: LabelledTree): LabelledTree {
    trees.push(tree);
    return tree;
  }

  /** A host of its own with the first release, as an install by the build that Node runs left it. */
  async function installed(family: PolicyFamily): Promise<LabelledTree> {
    const known = made.get(family) ?? makeInstalled(family);
    made.set(family, known);
    return kept((await known).copy());
  }

  async function makeInstalled(family: PolicyFamily): Promise<LabelledTree> {
    const { first } = await releases();
    const tree = await labelledTree(family);
    await tree.json(['install', first]);
    return kept(tree);
  }

  for (const family of ['fedora', 'debian'] as const) {
    it(`${family}: verify names each file as setfiles does, --repair and a repeated install put them back`, async () => {
      const { first } = await releases();
      const tree = kept(await labelledTree(family, await singleFile()));
      await tree.json(['install', first]);
      const clean = await tree.json(['verify']);
      const damaged = everyKind.flatMap((name) => ownPaths(tree, name));
      for (const path of damaged) tree.relabel(path, 'tmp_t');

      const seen = await tree.json(['verify'], 1);
      const judged = tree.wouldChange();
      const repaired = await tree.json(['verify', '--repair']);
      const afterRepair = tree.wouldChange();
      for (const path of damaged) tree.relabel(path, 'var_lib_t');
      const planned = await tree.run(['install', first, '--dry-run']);
      const again = await tree.json(['install', first]);
      const afterInstall = tree.wouldChange();
      const idle = await tree.json(['install', first]);

      assert.deepEqual(clean['drift'], []);
      assert.ok(damaged.length >= everyKind.length, damaged.join('\n'));
      const drift = seen['drift'] as Finding[];
      assert.deepEqual(drift.map(({ subject }) => realPath(tree, subject)).sort(), judged);
      assert.deepEqual(judged, [...damaged].sort());
      assert.deepEqual([...new Set(drift.map(({ code, level }) => `${code} ${level}`))], ['label-differs blocker']);
      for (const { subject, found, needed, next } of drift) {
        assert.ok(found.includes('system_u:object_r:tmp_t:s0'), found);
        assert.equal(needed, `the label ${tree.labelOf(realPath(tree, subject))}`);
        assert.equal(next, `kata-sysext verify --root ${tree.root} --repair`);
      }
      assert.match(planned.stdout, /put the SELinux labels of \d+ files back/);
      assert.equal((repaired['repaired'] as string[]).length, judged.length);
      assert.deepEqual([repaired['drift'], afterRepair], [[], []]);
      assert.equal(again['changed'], true);
      assert.match(JSON.stringify(again['findings']), /put the SELinux labels of \d+ files back/);
      assert.deepEqual(afterInstall, []);
      assert.equal(idle['changed'], false);
      return undefined;
    });
  }

  it('a repeated install lists the files whose labels it put back, also where it puts other files back', async () => {
    const { first } = await releases();
    const tree = await installed('fedora');
    const [qemu] = ownPaths(tree, 'qemu-system-x86_64');
    tree.relabel(qemu!, 'tmp_t');
    const labels = await tree.json(['install', first]);
    tree.relabel(qemu!, 'tmp_t');
    rmSync(tree.path('etc/modules-load.d/kata-sysext.conf'));
    const files = await tree.json(['install', first]);

    const nothing = await tree.json(['install', first]);

    for (const change of [labels, files])
      assert.deepEqual(
        (change['relabelled'] as string[]).map((path) => realPath(tree, path)),
        [qemu],
      );
    const { entries } = (await tree.json(['history'])) as { entries: unknown[] };
    assert.equal(entries.length, 2, 'the second one was a change of files');
    assert.deepEqual([nothing['changed'], nothing['relabelled']], [false, undefined]);
  });

  it('executables forced to var_lib_t in the middle of a change: the gate refuses, and the host is as it was', async () => {
    const { second } = await releases();
    const tree = await installed('debian');
    const before = tree.fingerprint(story);
    const paused = await tree.paused(['install', second], 'step/pointer/after=pause');
    for (const path of ['qemu-system-x86_64', 'containerd-shim-kata-v2'].flatMap((name) => ownPaths(tree, name))) {
      if (!before.some((line) => line.startsWith(`./${path}|`))) tree.relabel(path, 'var_lib_t');
    }

    paused.go();

    assert.equal(await paused.ended, 1);
    assert.match(paused.said(), /SELinux labels with which no pod would start \(2\)/);
    assert.match(paused.said(), /qemu-system-x86_64: the SELinux label system_u:object_r:var_lib_t:s0, not system_u:object_r:bin_t:s0/);
    assert.match(paused.said(), /gate-failed/);
    assert.deepEqual(differences(before, tree.fingerprint(story)), []);
    assert.deepEqual((await tree.json(['verify']))['drift'], []);
  });

  it('a generation whose payload was relabelled since gets its labels back before it is active again', async () => {
    const { second } = await releases();
    const tree = await installed('fedora');
    const [qemu] = ownPaths(tree, 'qemu-system-x86_64');
    await tree.json(['install', second]);
    tree.relabel(qemu!, 'var_lib_t');

    await tree.json(['rollback']);

    assert.match(tree.labelOf(qemu!), /:bin_t:/);
    assert.deepEqual((await tree.json(['verify']))['drift'], []);
  });

  it('an administrator’s rule is the host’s answer: the written label is a warning until it is followed, and types that keep a VM out are not followed', async () => {
    const tree = await installed('fedora');
    const qemu = ownPaths(tree, 'qemu-system-x86_64')[0]!;
    const rule = (type: string) =>
      writeFileSync(`${tree.contexts}.local`, `/usr/local/libexec/kata-sysext/.*/qemu-system-x86_64\tsystem_u:object_r:${type}:s0\n`);

    rule('qemu_exec_t');
    const written = await tree.json(['verify']);
    await tree.json(['verify', '--repair']);
    const followed = tree.labelOf(qemu);
    rule('site_kata_exec_t');
    tree.relabel(qemu, 'site_kata_exec_t');
    const own = await tree.json(['verify']);
    rule('var_lib_t');
    tree.relabel(qemu, 'bin_t');
    const refused = await tree.json(['verify']);
    tree.relabel(qemu, 'var_lib_t');
    const stock = await tree.json(['verify'], 1);
    rmSync(`${tree.contexts}.local`);
    tree.relabel(qemu, 'container_ro_file_t');
    const custom = await tree.json(['verify']);

    assert.deepEqual(levels(written), ['warning']);
    assert.match(followed, /:qemu_exec_t:/);
    assert.deepEqual(own['drift'], []);
    assert.deepEqual(refused['drift'], []);
    assert.deepEqual(levels(stock), ['blocker']);
    assert.match(
      first0(stock).found,
      /not system_u:object_r:bin_t:s0; the host’s own rule, system_u:object_r:var_lib_t:s0, keeps a virtual/,
    );
    assert.deepEqual(levels(custom), ['warning']);
    assert.match(first0(custom).found, /container_ro_file_t:s0, not system_u:object_r:bin_t:s0; access is the same/);
  });

  it('a file of another program keeps its label: a warning with the command', async () => {
    const tree = await installed('fedora');
    tree.relabel('etc/containerd/config.toml', 'user_tmp_t');

    const seen = await tree.json(['verify', '--repair']);

    assert.deepEqual(levels(seen), ['warning']);
    assert.deepEqual(seen['repaired'], []);
    assert.equal(first0(seen).next, 'restorecon -Fv /etc/containerd/config.toml');
    assert.match(tree.labelOf('etc/containerd/config.toml'), /:user_tmp_t:/);
  });

  it('an image file is one of them', async () => {
    const { first } = await releases();
    const tree = await installed('fedora');
    put(tree.root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\n');
    put(tree.root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
    const args = ['install', first, '--backend', 'sysext', '--format', 'squashfs'];
    await tree.json(args);
    const [image] = ownPaths(tree, 'kata.raw').filter((path) => path.startsWith('var/'));
    tree.relabel(image!, 'var_lib_t');

    const seen = await tree.json(['verify'], 1);
    await tree.json(args);

    assert.deepEqual(
      (seen['drift'] as Finding[]).map(({ subject }) => realPath(tree, subject)),
      [image],
    );
    assert.ok(!tree.wouldChange().includes(image!));
  });

  it('a host without the program that knows the rules is told that labels were not compared', async () => {
    const { second } = await releases();
    const tree = await installed('fedora');
    const path = execFileSync('sh', ['-c', 'command -v matchpathcon'], { encoding: 'utf8' }).trim();
    const wrapper = ['unshare', '-m', 'sh', '-c', `mount --bind /dev/null $(readlink -f ${path}) && exec "$0" "$@"`];

    const change = await tree.json(['install', second], 0, { wrapper });

    const told = (change['findings'] as Finding[]).filter(({ code }) => code === 'host-program-missing');
    assert.deepEqual(
      told.map(({ level, found }) => [level, found]),
      [['warning', 'SELinux labels were not compared: the program matchpathcon is not on this host']],
    );
  });

  it('a permissive host takes labels with which only an enforcing one would start no pod, and says so', async () => {
    const { second } = await releases();
    const tree = await installed('debian');
    writeFileSync(tree.path('etc/selinux/config'), 'SELINUX=permissive\nSELINUXTYPE=default\n');
    const before = new Set(ownPaths(tree, 'qemu-system-x86_64'));
    const paused = await tree.paused(['install', second], 'step/pointer/after=pause');
    for (const path of ownPaths(tree, 'qemu-system-x86_64')) if (!before.has(path)) tree.relabel(path, 'var_lib_t');

    paused.go();

    assert.equal(await paused.ended, 0);
    assert.match(
      paused.said(),
      /SELinux is permissive; where it enforces, no pod would start with these labels \(1\): .*qemu-system-x86_64/,
    );
    assert.deepEqual(levels(await tree.json(['verify'], 1)), ['blocker']);
  });

  it('what a read-only file system has, as an OS image, cannot be labelled: it stays a finding, and fails nothing else', async () => {
    const tree = await installed('fedora');
    const [qemu, toml] = [ownPaths(tree, 'qemu-system-x86_64')[0]!, ownPaths(tree, 'configuration.toml')[0]!];
    for (const path of [qemu, toml]) tree.relabel(path, 'tmp_t');
    const folder = tree.path(qemu.slice(0, qemu.lastIndexOf('/')));
    const script = `mount --bind ${folder} ${folder} && mount -o remount,bind,ro ${folder} && exec "$0" "$@"`;

    const seen = await tree.json(['verify', '--repair'], 1, { wrapper: ['unshare', '-m', 'sh', '-c', script] });

    assert.deepEqual(
      (seen['repaired'] as string[]).map((path) => realPath(tree, path)),
      [toml],
    );
    assert.deepEqual(
      (seen['drift'] as Finding[]).map(({ subject }) => realPath(tree, subject)),
      [qemu],
    );
  });

  it('a repair that was killed is finished by the next one', async () => {
    const tree = await installed('debian');
    for (const path of ownPaths(tree, 'qemu-system-x86_64')) tree.relabel(path, 'var_lib_t');

    const killed = await tree.run(['verify', '--repair'], { env: { KATA_SYSEXT_FAILPOINT: 'labels/mend/before=kill' } });
    await tree.json(['verify'], 1);
    const late = await tree.run(['verify', '--repair'], { env: { KATA_SYSEXT_FAILPOINT: 'labels/mend/after=kill' } });

    assert.deepEqual([killed.status, late.status], [137, 137]);
    assert.deepEqual((await tree.json(['verify', '--repair']))['repaired'], []);
    assert.deepEqual(tree.wouldChange(), []);
  });

  it('verify starts four programs for all labels, whatever the number of files', async () => {
    const tree = await installed('fedora');
    const log = `${scratch('strace')}/log`;

    const seen = await tree.json(['verify'], 0, { wrapper: ['strace', '-f', '-e', 'trace=execve', '-o', log] });

    const started = [...readFileSync(log, 'utf8').matchAll(/execve\("[^"]*\/(getfattr|matchpathcon|restorecon|setfiles)".* = 0$/gm)];
    rmSync(log.slice(0, log.lastIndexOf('/')), { recursive: true });
    assert.ok((seen['labelsChecked'] as number) > 40);
    assert.deepEqual(started.map(([, name]) => name).sort(), ['getfattr', 'matchpathcon', 'matchpathcon', 'matchpathcon']);
  });
});

function levels(seen: Record<string, unknown>): string[] {
  return (seen['drift'] as Finding[]).map(({ level }) => level);
}

function first0(seen: Record<string, unknown>): Finding {
  return (seen['drift'] as Finding[])[0]!;
}
