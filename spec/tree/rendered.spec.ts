import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';

import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';

import { tmpdir } from 'node:os';

import { join } from 'node:path';
import { foreignElf } from '../support/archives/elf.ts';
import { bootNode, prepareNode } from '../support/live/firstBootNode.ts';
import { json } from '../support/program.ts';
import { singleFile } from '../support/singleFile.ts';
import { put } from '../support/trees/hostTrees.ts';
import { renderFcos } from '../support/trees/renderFcos.ts';

import { releases, story, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

/** What `generate --form rendered` puts into its archive. */
describe('the archive of a rendered first boot', function () {
  this.timeout(900_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-archive-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const bytesOf = (output: string) => {
    const names = readdirSync(join(folder, output)).sort();
    return names.map((name) => [name, readFileSync(join(folder, output, name)).toString('base64')]);
  };

  it('has the same bytes from another time zone, with another umask, at another time', async () => {
    const one = await renderFcos(join(folder, 'one'));

    const two = await renderFcos(join(folder, 'deeper/two'), [], {
      env: { TZ: 'Asia/Tokyo' },
      wrapper: ['sh', '-c', 'umask 077; sleep 1; exec "$@"', 'sh'],
    });

    assert.deepEqual([one.status, two.status], [0, 0], one.stderr + two.stderr);
    assert.deepEqual(bytesOf('one'), bytesOf('deeper/two'));
  });

  it('is on a tree of the node what an installation there is', async () => {
    const { first } = await releases();
    const crio = (root: string) => {
      rmSync(join(root, 'etc/containerd'), { recursive: true });
      for (const own of ['etc/crio/crio.conf.d', 'etc/modules-load.d']) mkdirSync(join(root, own), { recursive: true });
    };
    const [installed, unpacked] = [treeHost('fcos', crio, { engine: 'crio@1.34' }), treeHost('fcos', crio, { engine: 'crio@1.34' })];
    await installed.json(['install', first, '--backend', 'prefix']);
    await renderFcos(join(folder, 'one'));
    const archive = readdirSync(join(folder, 'one')).find((name) => name.endsWith('.tar.gz'))!;

    execFileSync('tar', ['-xzf', join(folder, 'one', archive), '-C', unpacked.root]);

    // The records of both say when; and the lock is made by whoever works there.
    const times = [...story, 'var/lib/kata-sysext/generations/1/manifest.json'];
    const leftOut = [...times, 'var/lib/kata-sysext/generations/1/record.json', 'var/lib/kata-sysext/journal'];
    assert.deepEqual(unpacked.fingerprint(leftOut), installed.fingerprint(leftOut));
    await unpacked.json(['verify']);
    assert.deepEqual((await unpacked.json(['status']))['active'], 1);
    installed.remove();
    unpacked.remove();
  });

  it('leaves out an image that nodes fetch as it is: unpacked with it beside, the tree is what an installation there is', async () => {
    const { first } = await releases();
    const image = join(folder, 'kata-4.0.0.raw');
    await json(['build', first, '-o', image]);
    const own = (root: string) => {
      rmSync(join(root, 'etc/containerd'), { recursive: true });
      mkdirSync(join(root, 'etc/crio/crio.conf.d'), { recursive: true });
      mkdirSync(join(root, 'etc/systemd/system/sysinit.target.wants'), { recursive: true });
      mkdirSync(join(root, 'etc/modules-load.d'));
      put(root, 'usr/lib/systemd/libsystemd-shared-257.so', '');
      put(root, 'usr/lib/systemd/system/systemd-sysext.service', '');
    };
    const [installed, unpacked] = [treeHost('fcos', own, { engine: 'crio@1.34' }), treeHost('fcos', own, { engine: 'crio@1.34' })];
    await installed.json(['install', image, '--backend', 'sysext']);
    const [one, two] = [
      await renderFcos(join(folder, 'image'), [], {}, image),
      await renderFcos(join(folder, 'image-again'), [], { env: { TZ: 'Asia/Tokyo' } }, image),
    ];
    const archive = readdirSync(join(folder, 'image')).find((name) => name.endsWith('.tar.gz'))!;
    execFileSync('tar', ['-xzf', join(folder, 'image', archive), '-C', unpacked.root]);
    const [place] = execFileSync('find', [installed.path('var/usrlocal'), '-name', 'kata.raw'], { encoding: 'utf8' }).split('\n');

    copyFileSync(image, place!.replace(installed.root, unpacked.root));
    for (const path of ['etc/extensions/kata.raw', 'etc/systemd/system/sysinit.target.wants/systemd-sysext.service']) {
      mkdirSync(join(unpacked.path(path), '..'), { recursive: true });
      symlinkSync(readlinkSync(installed.path(path)), unpacked.path(path));
    }

    assert.deepEqual([one.status, two.status], [0, 0], one.stderr + two.stderr);
    assert.deepEqual(bytesOf('image'), bytesOf('image-again'));
    assert.deepEqual(readdirSync(join(folder, 'image')).sort(), [archive, 'kata-sysext.ign'].sort());
    const times = [...story, 'var/lib/kata-sysext/generations/1/manifest.json'];
    const leftOut = [...times, 'var/lib/kata-sysext/generations/1/record.json', 'var/lib/kata-sysext/journal'];
    assert.deepEqual(unpacked.fingerprint(leftOut), installed.fingerprint(leftOut));
    assert.deepEqual((await unpacked.json(['verify']))['drift'], []);
    const script = readFileSync(join(folder, 'image/kata-sysext.ign'), 'utf8');
    const text = Buffer.from(/hook\.sh.*?base64,([^"]+)/s.exec(script)![1]!, 'base64').toString();
    for (const path of ['etc/extensions/kata.raw', 'etc/systemd/system/sysinit.target.wants/systemd-sysext.service'])
      assert.ok(text.includes(`link ${readlinkSync(installed.path(path))} /${path}\n`), path);
    installed.remove();
    unpacked.remove();
  });

  it('has with --program what the single file leaves on a node: its copy and the guard of the later boots', async () => {
    const { first } = await releases();
    const program = await singleFile();
    const crio = (root: string) => {
      rmSync(join(root, 'etc/containerd'), { recursive: true });
      for (const folder of [
        'crio/crio.conf.d',
        'modules-load.d',
        'systemd/system/sysinit.target.wants',
        'systemd/system/multi-user.target.wants',
        'systemd/system-preset',
      ])
        mkdirSync(join(root, 'etc', folder), { recursive: true });
    };
    const [installed, unpacked] = [1, 2].map(() => treeHost('fcos', crio, { engine: 'crio@1.34', file: program })) as [TreeHost, TreeHost];
    const before = unpacked.fingerprint();
    await installed.json(['install', first, '--backend', 'prefix']);
    const rendered = await renderFcos(join(folder, 'guarded'), ['--program', program]);
    prepareNode(unpacked.root, join(folder, 'guarded'));

    const booted = bootNode(unpacked.root);

    const generation = 'var/lib/kata-sysext/generations/1';
    const times = [`${generation}/manifest.json`, `${generation}/record.json`, ...story, 'var/lib/kata-sysext/journal'];
    const ofIgnition = ['etc/kata-sysext-first-boot', 'var/lib/kata-sysext-first-boot'];
    const leftOut = [...times, ...ofIgnition, 'var/lib/kata-sysext/folders.json'];
    assert.deepEqual([rendered.status, booted.status], [0, 0], rendered.stderr + booted.said);
    assert.deepEqual(unpacked.fingerprint(leftOut), installed.fingerprint(leftOut));
    assert.deepEqual(booted.modprobes, ['-b vhost_vsock', '-b vhost_net', '-b tun']);
    assert.ok(unpacked.fingerprint().some((line) => line.includes('multi-user.target.wants/kata-sysext-confirm.service|l')));
    assert.deepEqual((await unpacked.json(['verify']))['drift'], []);
    await unpacked.json(['uninstall', '--purge']);
    assert.deepEqual(unpacked.fingerprint(ofIgnition), before);
    installed.remove();
    unpacked.remove();
  });

  it('refuses what it could only guess', async () => {
    const { first } = await releases();
    const file = join(folder, 'program');
    writeFileSync(file, 'x');
    const base = ['generate', 'ignition', first, '--form', 'rendered', '--from', 'https://a.example', '-o', join(folder, 'none')];

    for (const words of [
      ['--target', 'microos', '--engine', 'crio'],
      ['--target', 'openshift-4.12', '--engine', 'crio'],
      ['--target', 'fcos', '--engine', 'containerd@2.1'],
      ['--target', 'fcos', '--engine', 'crio', '--program', file],
      ['--target', 'fcos', '--engine', 'crio', '--program', '/bin/true'],
      ['--target', 'fcos', '--engine', 'crio', '--backend', 'sysext'],
    ]) {
      const refused = await json([...base, ...words], 2);

      assert.equal(refused['code'], 'usage', words.join(' '));
    }
    const image = join(folder, 'kata.raw');
    await json(['build', first, '-o', image]);
    for (const words of [
      ['--target', 'flatcar'],
      ['--target', 'openshift-4.18'],
      ['--target', 'fcos', '--backend', 'prefix'],
      ['--target', 'fcos', '--backend', 'overlay'],
    ]) {
      const refused = await json([...base.with(2, image), ...words, '--engine', 'crio'], 2);

      assert.match(String(refused['found']), /--backend|an image for/, words.join(' '));
    }
    const other = await json([...base.with(2, image), '--target', 'fcos', '--engine', 'crio', '--digest', `sha256:${'0'.repeat(64)}`], 4);
    assert.equal(other['code'], 'bundle-digest');
  });

  it('refuses in every form a program that is not the single file of this version, and takes one for another architecture by its head', async () => {
    const bundle = join(folder, 'kata.tar');
    writeFileSync(bundle, 'any bytes');
    const [text, foreign] = [join(folder, 'text'), join(folder, 'foreign')];
    writeFileSync(text, '#!/bin/sh\necho 0.1.0\n', { mode: 0o755 });
    writeFileSync(foreign, foreignElf, { mode: 0o755 });
    const forms = [
      ['ignition', '--from', 'https://a.example'],
      ['containerfile', '--form', 'baked'],
    ];

    for (const [kind = '', ...form] of forms) {
      const into = (name: string) => [
        'generate',
        kind,
        bundle,
        '--target',
        'fcos',
        ...form,
        '-o',
        join(folder, `${kind}-${name}`),
        '--program',
      ];
      const said = [];
      for (const [program, status] of [
        [text, 2],
        ['/bin/true', 2],
        [folder, 4],
        [join(folder, 'absent'), 4],
      ] as const)
        said.push(await json([...into('none'), program], status));

      assert.deepEqual(
        said.map(({ code }) => code),
        ['usage', 'usage', 'bundle-missing', 'bundle-missing'],
      );
      for (const { needed, next } of said) {
        assert.match(String(needed), /^the single file of kata-sysext/);
        assert.match(String(next), /npm run single/);
      }
      await json([...into('foreign'), foreign]);
      await json([...into('own'), await singleFile()]);
    }
  });

  it('names in a refusal the value that was given, and every form that would do', async () => {
    const words = ['generate', 'containerfile', folder, '--target', 'fcos', '-o', join(folder, 'none'), '--program', '/bin/true'];

    const hook = await json([...words, '--backend', 'baked'], 2);
    const baked = await json([...words, '--form', 'baked', '--backend', 'sysext'], 2);
    const rendered = await json([...words, '--form', 'rendered'], 2);

    assert.equal(hook['found'], '--backend baked with --form hook');
    assert.equal(baked['found'], '--backend sysext with --form baked');
    assert.match(String(rendered['needed']), /--form hook or --form baked/);
  });
});
