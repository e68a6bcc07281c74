import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { runInProcess } from '../support/inProcess.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';
import { layered, origin } from '../support/trees/layered.ts';
import { firstBoot, stampOf } from '../support/trees/renderedTree.ts';
import { scratch } from '../support/trees/treeHost.ts';

const config = 'etc/containerd/config.toml';

/** A node of CRI-O with the files of a layered package. */
function crioTree(prepare: (root: string) => void): InProcessTree {
  return inProcessTree(
    'fcos',
    (root) => {
      rmSync(join(root, 'etc/containerd'), { recursive: true });
      put(root, layered.shim, '#!/bin/sh\n', 0o755);
      put(root, origin.path, origin.text('kata-containers;'));
      put(root, layered.dropIn, layered.text);
      put(root, 'etc/crio/crio.conf.d/10-crio.conf', '[crio.runtime.runtimes.runc]\nruntime_path = "/usr/bin/runc"\n');
      prepare(root);
    },
    'crio@1.34',
  );
}

describe('adopt on an offline tree', function () {
  this.timeout(300_000);
  let first: string;
  let host: InProcessTree | undefined;
  before(async () => {
    ({ first } = await plainReleases());
  });
  afterEach(() => host?.remove());

  it('layered: replaces the wiring of the package, and uninstall gives it back byte for byte', async () => {
    host = inProcessTree('fcos', (root) => {
      put(root, layered.shim, '#!/bin/sh\n', 0o755);
      put(root, origin.path, origin.text('kata-containers;'));
      appendFileSync(
        join(root, config),
        '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]\n  runtime_type = "io.containerd.kata.v2"\n',
      );
    });
    const before = host.listing();

    const planned = await host.run(['adopt', 'layered', first, '--dry-run']);
    const change = await host.json(['adopt', 'layered', first]);
    const text = readFileSync(host.path(config), 'utf8');
    await host.json(['uninstall', '--purge']);

    assert.equal(planned.status, 0);
    assert.deepEqual(change['handlers'], ['kata', 'kata-qemu-runtime-rs']);
    assert.doesNotMatch(text, /^ {2}runtime_type = "io\.containerd\.kata\.v2"/m);
    assert.deepEqual(differences(before, host.listing()), []);
  });

  it('layered: a file of the package that went whole comes back with its owner, mode and attributes', async () => {
    const isRoot = process.getuid!() === 0;
    host = crioTree((root) => {
      const file = join(root, layered.dropIn);
      chmodSync(file, 0o640);
      if (isRoot) chownSync(file, 12, 34);
      execFileSync('setfattr', ['-n', 'user.note', '-v', 'mine', file]);
    });
    const file = host.path(layered.dropIn);
    const before = host.listing();

    await host.json(['adopt', 'layered', first]);
    const isGone = !existsSync(file);
    await host.json(['uninstall', '--purge']);

    assert.equal(isGone, true);
    assert.deepEqual(differences(before, host.listing()), []);
    assert.equal(execFileSync('getfattr', ['--absolute-names', '--only-values', '-n', 'user.note', file], { encoding: 'utf8' }), 'mine');
  });

  it('layered: a drop-in of CRI-O that is a link stays one, and its file comes back', async () => {
    host = crioTree((root) => {
      put(root, 'etc/site/50-kata', layered.text);
      rmSync(join(root, layered.dropIn));
      symlinkSync('/etc/site/50-kata', join(root, layered.dropIn));
    });
    const before = host.listing();

    await host.json(['adopt', 'layered', first]);
    const text = readFileSync(host.path('etc/site/50-kata'), 'utf8');
    await host.json(['uninstall', '--purge']);

    assert.equal(text, '# Kata Containers\n');
    assert.deepEqual(differences(before, host.listing()), []);
  });

  it('layered: of a template of k3s with an action only the block goes, and comes back', async () => {
    const action = '{{ template "base" . }}\n{{ printf "[debug]\\n  level = %q\\n" "info" }}\n';
    const path = 'var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl';
    host = inProcessTree(
      'fcos',
      (root) => {
        put(root, layered.shim, '#!/bin/sh\n', 0o755);
        put(root, origin.path, origin.text('kata-containers;'));
        put(
          root,
          path,
          `${action}[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kata]\n  runtime_type = "io.containerd.kata.v2"\n`,
        );
      },
      'k3s@1.33',
    );
    const before = host.listing();

    await host.json(['adopt', 'layered', first]);
    const text = readFileSync(host.path(path), 'utf8');
    await host.json(['uninstall', '--purge']);

    assert.ok(text.startsWith(`${action}\n# BEGIN kata-sysext`), text);
    assert.doesNotMatch(text, /^ {2}runtime_type/m);
    assert.deepEqual(differences(before, host.listing()), []);
  });

  it('layered: is refused where no package is layered, and no path changes', async () => {
    host = inProcessTree('fcos');
    const before = host.listing();

    const { status, stdout } = await host.run(['adopt', 'layered', first, '--json']);

    assert.notEqual(status, 0);
    assert.equal((JSON.parse(stdout) as { kind: string }).kind, 'Error');
    assert.deepEqual(differences(before, host.listing()), []);
  });

  it('rendered: what Ignition brought gets its owner, and its unit does not start any more', async () => {
    const out = scratch('rendered');
    const request = [
      '--target',
      'fcos',
      '--form',
      'rendered',
      '--engine',
      'crio@1.34',
      '--from',
      'https://files.example.org/kata',
      '-o',
      out,
    ];
    const made = await runInProcess(['generate', 'ignition', first, ...request]);
    assert.equal(made.status, 0, made.stderr);
    const ignition = JSON.parse(readFileSync(join(out, 'kata-sysext.ign'), 'utf8')) as {
      storage: { files: { path: string; mode: number; contents: { source: string } }[] };
      systemd: { units: { name: string; contents: string }[] };
    };
    const archive = readdirSync(out).find((name) => name.endsWith('.tar.gz'))!;
    host = inProcessTree(
      'fcos',
      (root) => {
        rmSync(join(root, 'etc/containerd'), { recursive: true });
        mkdirSync(join(root, 'etc/crio/crio.conf.d'), { recursive: true });
        put(root, 'etc/crio/crio.conf.d/10-crio.conf', '[crio.runtime.runtimes.runc]\nruntime_path = "/usr/bin/runc"\n');
        for (const { path, mode, contents } of ignition.storage.files)
          put(
            root,
            path.slice(1),
            Buffer.from(contents.source.replace(/^data:[^,]*,/, ''), /;base64,/.test(contents.source) ? 'base64' : 'utf8'),
            mode,
          );
        for (const { name, contents } of ignition.systemd.units) put(root, `etc/systemd/system/${name}`, contents);
        mkdirSync(join(root, firstBoot.link, '..'), { recursive: true });
        symlinkSync(`/${firstBoot.unitFile}`, join(root, firstBoot.link));
        execFileSync('tar', ['-xzf', join(out, archive), '-C', root]);
      },
      'crio@1.34',
    );
    rmSync(out, { recursive: true });
    put(host.root, stampOf(host.root), '');

    const change = await host.json(['adopt', 'rendered']);
    const status = await host.run(['status']);

    assert.deepEqual([change['verb'], change['changed'], change['to']], ['adopt', true, 1]);
    assert.equal(existsSync(host.path(firstBoot.link)), false);
    assert.match(status.stdout, /brought by Ignition/);
  });
});
