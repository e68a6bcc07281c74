import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { containerd } from '../../cli/engines/containerd/index.ts';
import { KataError } from '../../cli/errors/index.ts';
import type { Binary } from '../support/live/containerdBinary.ts';
import { machine, roundByDump } from '../support/live/containerdRounds.ts';
import { handler, instanceOf, refusalOf, treesOfSpec } from '../support/trees/engineTree.ts';
import { main, newId, oldId } from './containerdPlans.ts';

const importing = 'imports = ["/etc/containerd/conf.d/*.toml"]\nversion = 2\n';
const other = `version = 3\n[plugins."${newId}".containerd.runtimes.crun]\nruntime_type = "io.containerd.runc.v2"\n`;
const files = { [main]: importing, '/etc/containerd/conf.d/99-other.toml': other };
const live = { ...machine, booted: true };

describe('engines/containerd: files of several schemas', () => {
  const treeOf = treesOfSpec();

  /** Prints the file that it is asked for, and leaves out what it imports: so 2.1 means a set whose last version is another one. */
  async function forgetful(): Promise<Binary> {
    const tree = await treeOf({ '/containerd': '#!/bin/sh\ncat "$2" | grep -v imports\n' });
    const path = join(tree.root, 'containerd');
    chmodSync(path, 0o755);
    return { path, version: '2.1.9' };
  }

  it('are refused where the daemon’s own dump lacks a handler', async () => {
    assert.equal(await roundByDump(await forgetful(), files, live), 'engine-config-mixed');
  });

  it('are left to that dump on a live host with 2.x alone', async () => {
    const codes: string[] = [];
    for (const [version, booted] of [
      ['2.3.7', true],
      ['2.3.7', false],
      ['1.7.24', true],
      [undefined, true],
    ] as const) {
      const tree = await treeOf(files);
      codes.push(await refusalOf(containerd.plan({ ...tree.host, booted }, instanceOf(version), [handler('kata-qemu')])));
    }

    assert.deepEqual(codes, ['no error', 'engine-config-mixed', 'engine-config-mixed', 'engine-config-mixed']);
  });

  it('the file of containerd.io, which has no schema and disables the CRI, is refused for both at once', async () => {
    const tree = await treeOf({ [main]: '#   Copyright\n\ndisabled_plugins = ["cri"]\n#root = "/var/lib/containerd"\n' });
    const planned = () => containerd.plan(tree.host, instanceOf('2.3.7'), [handler('kata-qemu')]).then(String, String);

    const both = await planned();
    await tree.write(main, '#   Copyright\nversion = 2\ndisabled_plugins = []\n');

    assert.match(both, /config\.toml has no version key, so it has schema 1; and disabled_plugins has "cri"/);
    assert.doesNotMatch(await planned(), /Error/);
  });

  it('the command that converts an old file names it where it is not the one that containerd reads by itself', async () => {
    const [tree, at] = [await treeOf({ [main]: 'version = 1\n' }), '/etc/my own.toml'];
    const named = await treeOf({ [at]: 'version = 1\n' });
    const nextOf = async (work: Promise<unknown>) => {
      const error = await work.then(
        () => undefined,
        (refused: unknown) => refused,
      );
      assert.ok(error instanceof KataError);
      return error.complaint.next;
    };

    const usual = await nextOf(containerd.plan({ ...tree.host, root: '/' }, instanceOf('2.1.9'), [handler('kata-qemu')]));
    const below = await nextOf(containerd.plan(tree.host, instanceOf('2.1.9'), [handler('kata-qemu')]));
    const other = await nextOf(
      containerd.plan({ ...named.host, root: '/' }, { ...instanceOf('2.1.9'), configPath: at }, [handler('kata-qemu')]),
    );

    assert.match(usual, /^Convert it: containerd config migrate \(2\.x/);
    assert.match(below, new RegExp(`containerd -c ${tree.root}${main} config migrate`));
    assert.match(other, /containerd -c '\/etc\/my own\.toml' config migrate/);
  });

  it('a half of the CRI that is disabled is refused as the whole is, and schemas with their place', async () => {
    const rows: [text: string, found: RegExp][] = [
      ['disabled_plugins = ["io.containerd.cri.v1.images"]\nversion = 3\n', /line 1, column 20, disables the CRI .*v1\.images/],
      ['disabled_plugins = ["io.containerd.cri.v1.runtime"]\nversion = 3\n', /line 1, column 20, disables the CRI .*v1\.runtime/],
      ['# x\nversion = 1\n', /config\.toml, line 2, column 11, has version = 1/],
      ['root = "/x"\nversion = 9\n', /config\.toml, line 2, column 11, has version = 9/],
    ];
    for (const [text, found] of rows) {
      const tree = await treeOf({ [main]: text });
      await assert.rejects(containerd.plan(tree.host, instanceOf('2.3.7'), [handler('kata-qemu')]), found);
    }
  });

  it('a runtime that is no table is refused with its place', async () => {
    const tree = await treeOf({ [main]: `version = 3\n[plugins."${newId}".containerd.runtimes]\nruntime_type = "x"\n` });

    const error = await containerd.plan(tree.host, instanceOf('2.3.7'), [handler('kata-qemu')]).catch((thrown: Error) => thrown);

    assert.match(String(error), /config\.toml, line 3, column 16, has a plain value for the runtime runtime_type/);
  });
});

describe('engines/containerd: keys that 2.4 removed', () => {
  const treeOf = treesOfSpec();
  const cni = `[plugins.'${newId}'.cni]\n`;
  const rows: [what: string, version: string, text: string, keys: string[]][] = [
    ['a folder of its own', '2.4.2', `version = 3\n${cni}bin_dir = "/opt/mine"\n`, ['cni.bin_dir']],
    ['schema 4', '2.4.2', `version = 4\n${cni}bin_dir = "/opt/mine"\n`, ['cni.bin_dir']],
    ['the usual folder', '2.4.2', `version = 3\n${cni}bin_dir = "/opt/cni/bin"\n`, []],
    ['both keys', '2.4.2', `version = 3\n${cni}bin_dir = "/opt/mine"\nbin_dirs = ["/opt/mine"]\n`, []],
    ['schema 2, which is moved', '2.4.2', `version = 2\n[plugins."${oldId}".cni]\nbin_dir = "/opt/mine"\n`, []],
    ['2.3', '2.3.7', `version = 3\n${cni}bin_dir = "/opt/mine"\n`, []],
    ['CDI that is off', '2.4.2', `version = 3\n[plugins.'${newId}']\nenable_cdi = false\n`, ['enable_cdi']],
    ['CDI that is on', '2.4.2', `version = 3\n[plugins.'${newId}']\nenable_cdi = true\n`, []],
  ];
  for (const [what, version, text, keys] of rows)
    it(`${what}: ${keys.length === 0 ? 'nothing is said' : 'a warning, and the file stays'}`, async () => {
      const tree = await treeOf({ [main]: text });

      const { findings } = await containerd.plan(tree.host, instanceOf(version), [handler('kata-qemu')]);

      assert.deepEqual(
        findings.map(({ code, level, found }) => [code, level, /has (\S+) in/.exec(found)?.[1]]),
        keys.map((key) => ['engine-key-removed', 'warning', key]),
      );
    });
});
