import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { blessedFile, blessingText, isBlessed } from '../../cli/bootGuard/units/index.ts';
import type { Host } from '../../cli/host/index.ts';
import { endAfter } from '../support/endings.ts';
import { needs } from '../support/needs.ts';
import { type GuardedTree, guardedTree, installGuarded } from '../support/trees/guardedTree.ts';
import { put } from '../support/trees/hostTrees.ts';
import type { TreeHost } from '../support/trees/treeHost.ts';

const first = 'kata-sysext-recover.service';
const second = 'kata-sysext-rewire.service';

/** Runs a program of this machine where /etc, /var, /opt and /run are those of the tree. */
function inside(root: string, argv: string[]): { status: number; stdout: string } {
  const script = 'for each in etc var opt run; do mount --bind "$0/$each" "/$each" || exit 99; done; exec "$@"';
  const { status, stdout } = spawnSync('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, root, ...argv], {
    encoding: 'utf8',
  });
  return { status: status ?? -1, stdout };
}

/** The shell's script in a drop-in, as systemd.syntax(7) and systemd.service(5) read it. */
function scriptIn(dropIn: string): string {
  const word = /^ExecCondition=\/bin\/sh -c '(.*)' %n$/m.exec(dropIn)![1]!;
  const plain = word.replace(/\\(.)/g, '$1').replace(/%(.)/g, (_, letter: string) => (letter === '%' ? '%' : `specifier ${letter}`));
  return plain.replace(/\$(\$|\{?\w+\}?)/g, (_, name: string) => (name === '$' ? '$' : ''));
}

describe('the drop-in that skips the guard of a blessed system', () => {
  let installed: TreeHost;
  let guarded: GuardedTree;
  before(async function () {
    needs(this, 'root');
    installed = await installGuarded();
  });
  endAfter(
    () => installed,
    (tree) => tree.remove(),
  );
  beforeEach(async () => {
    guarded = await guardedTree();
    const { root } = guarded.tree;
    for (const folder of ['opt/engine', 'run', 'var/lib/kata-sysext/journal', 'var/opt/engine'])
      mkdirSync(`${root}/${folder}`, { recursive: true });
    // In the tree it is a link to the file below /usr, which is that of this machine here.
    rmSync(`${root}/etc/os-release`, { force: true });
    put(root, 'etc/os-release', 'ID=lab\nVERSION_ID=1\n');
    const own = guarded.host;
    const run: Host['run'] = async (program, args, options) => {
      if (program !== '/bin/sh') return own.run(program, args, options);
      const { status, stdout } = inside(root, [program, ...args]);
      return { code: status, stdout, stderr: '' };
    };
    guarded.host = { ...own, run };
  });
  afterEach(() => guarded.remove());

  const path = (name: string) => guarded.tree.path(name);
  /** Whether the first two phases are skipped: their units' condition ends with 1. */
  function skipped(dropIn: string): boolean[] {
    return [first, second].map((unit) => {
      const { status } = inside(guarded.tree.root, ['/bin/sh', '-c', scriptIn(dropIn), unit]);
      assert.ok(status === 0 || status === 1, String(status));
      return status === 1;
    });
  }

  it('skips both phases on the very system that was blessed', async () => {
    assert.deepEqual(skipped(await blessingText(guarded.host, 1)), [true, true]);
  });

  const rows: [what: string, change: () => void, wanted: [boolean, boolean]][] = [
    ['a change that was interrupted', () => mkdirSync(path('var/lib/kata-sysext/journal/7')), [false, false]],
    ['no journal', () => rmSync(path('var/lib/kata-sysext/journal'), { recursive: true }), [false, false]],
    ['no active generation', () => rmSync(path('etc/kata-sysext/current')), [false, false]],
    ['a phase that ran in this boot', () => put(guarded.tree.root, 'run/kata-sysext/boot', ''), [false, false]],
    ['another version of the OS', () => put(guarded.tree.root, 'etc/os-release', 'ID=lab\nVERSION_ID=2\n'), [false, false]],
    ['no os-release', () => rmSync(path('etc/os-release')), [false, false]],
    ['another configuration of the engine', () => appendFileSync(path('etc/containerd/config.toml'), '# edited\n'), [true, false]],
    [
      'a configuration that was exchanged for one of the same size and time',
      () => {
        spawnSync('cp', ['-p', path('etc/containerd/config.toml'), path('etc/containerd/new')]);
        renameSync(path('etc/containerd/new'), path('etc/containerd/config.toml'));
      },
      [true, false],
    ],
    ['a file beside the journal', () => writeFileSync(path('var/lib/kata-sysext/other'), ''), [true, true]],
  ];
  for (const [what, change, wanted] of rows)
    it(`with ${what}: ${wanted.map((each) => (each ? 'skipped' : 'runs')).join(', ')}`, async () => {
      const dropIn = await blessingText(guarded.host, 1);

      change();

      assert.deepEqual(skipped(dropIn), wanted);
    });

  it('an engine’s file of any name is one word for systemd and for the shell', async () => {
    const odd = ["/etc/it's", '/etc/$(touch /run/pwned)', '/etc/a b;touch /run/pwned', '/etc/%n "q" \\ `touch /run/pwned`'];
    for (const name of odd) put(guarded.tree.root, name, 'x');
    put(guarded.tree.root, blessedFile, odd.map((name) => `# with the engine of ${name}\n`).join(''));
    const dropIn = await blessingText({ ...guarded.host, live: false }, 1);

    const before = skipped(dropIn);
    appendFileSync(path(odd[3]!), 'more');

    assert.deepEqual([before, skipped(dropIn), existsSync(path('run/pwned'))], [[true, true], [true, false], false]);
    assert.equal(dropIn.split('\n').filter((line) => line.startsWith('# with the engine of ')).length, odd.length);
  });

  it('what says that a system is blessed is the same text, whole or in its head', async () => {
    put(guarded.tree.root, blessedFile, await blessingText(guarded.host, 1));
    const seen = async () => [await isBlessed(guarded.host, 1, true), await isBlessed(guarded.host, 1, false)];

    const same = await seen();
    appendFileSync(path('etc/containerd/config.toml'), '# edited\n');
    const edited = await seen();
    put(guarded.tree.root, 'etc/os-release', 'ID=lab\nVERSION_ID=2\n');
    const updated = await seen();

    assert.deepEqual(
      [same, edited, updated],
      [
        [true, true],
        [false, true],
        [false, false],
      ],
    );
    assert.equal(await isBlessed(guarded.host, 2, false), false);
  });
});
