import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';

import { cpSync, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';

import { join } from 'node:path';

import { removeAfter } from '../support/endings.ts';

import { bootNode, prepareNode, wouldRun } from '../support/live/firstBootNode.ts';

import { put } from '../support/trees/hostTrees.ts';

import { renderFcos } from '../support/trees/renderFcos.ts';

import { releases, scratch, treeHost } from '../support/trees/treeHost.ts';

const stamps = 'var/lib/kata-sysext-first-boot';
const work = 'var/usrlocal/libexec/kata-sysext-first-boot';

/** What the script of a rendered first boot does on nodes of every kind: its own text, run on trees. */
describe('a rendered first boot', function () {
  this.timeout(900_000);
  let output: string;

  before(async () => {
    output = scratch('rendered');
    const made = await renderFcos(output);
    assert.equal(made.status, 0, made.stderr);
  });
  removeAfter(() => output);

  const crioNode = () =>
    treeHost(
      'fcos',
      (root) => {
        rmSync(join(root, 'etc/containerd'), { recursive: true });
        mkdirSync(join(root, 'etc/crio/crio.conf.d'), { recursive: true });
      },
      { engine: 'crio@1.34' },
    );
  const stateOf = (state: string, kill = 'process') =>
    `case "$*" in *ActiveState*) echo ${state};; *KillMode*) echo ${kill};; *) echo "$*" >>/var/asked;; esac`;

  it('is put there again on a node that got a new /etc on the old disk, or a new /var, and is left alone on any other', async () => {
    const node = crioNode();
    prepareNode(node.root, output);
    const etc = node.copy();
    const first = wouldRun(node.root, output);
    const booted = bootNode(node.root);
    const second = wouldRun(node.root, output);
    const newVar = node.copy();
    rmSync(newVar.path('var/lib/kata-sysext-first-boot'), { recursive: true });

    rmSync(node.path('etc'), { recursive: true });
    cpSync(etc.path('etc'), node.path('etc'), { recursive: true, verbatimSymlinks: true });
    const anew = wouldRun(node.root, output);
    prepareNode(node.root, output);
    const again = bootNode(node.root);

    assert.deepEqual([first, second, wouldRun(newVar.root, output), anew], [true, false, true, true]);
    assert.deepEqual([booted.status, again.status], [0, 0], booted.said + again.said);
    assert.equal((await node.json(['status']))['active'], 1);
    await node.json(['verify']);
    assert.equal(wouldRun(node.root, output), false);
    for (const each of [node, etc, newVar]) each.remove();
  });

  it('is left alone where the old disk has a generation of the same number and other content', async () => {
    const { second } = await releases();
    const node = crioNode();
    const fresh = node.copy();
    await node.json(['install', second, '--backend', 'prefix']);
    rmSync(node.path('etc'), { recursive: true });
    cpSync(fresh.path('etc'), node.path('etc'), { recursive: true, verbatimSymlinks: true });
    prepareNode(node.root, output);
    const leftOut = ['var/usrlocal/libexec/kata-sysext-first-boot', 'var/lib/kata-sysext-first-boot'];
    const before = node.fingerprint(leftOut);

    const booted = bootNode(node.root);

    assert.equal(booted.status, 3);
    assert.match(booted.said, /generations\/1\/manifest\.json is of another installation.*nothing was changed/);
    assert.deepEqual(node.fingerprint(leftOut), before);
    for (const each of [node, fresh]) each.remove();
  });

  const history = 'var/lib/kata-sysext/history';
  const historyOf = (root: string) =>
    readdirSync(join(root, history)).map((name) => {
      const path = join(root, history, name);
      return [name, statSync(path).mode & 0o7777, readFileSync(path, 'utf8')];
    });

  it('keeps the history of a node that had Kata before, and gives no number of a generation twice', async () => {
    const { first, second } = await releases();
    const node = crioNode();
    for (const bundle of [first, second]) await node.json(['install', bundle, '--backend', 'prefix']);
    await node.json(['uninstall']);
    const before = historyOf(node.root);
    prepareNode(node.root, output);

    const booted = bootNode(node.root);

    assert.equal(booted.status, 0, booted.said);
    assert.deepEqual(before.map(([name]) => name).sort(), ['000001.json', '000002.json', '000003.json', 'sequence']);
    assert.deepEqual(historyOf(node.root), before);
    assert.deepEqual((await node.json(['verify']))['drift'], []);
    const upgrade = await node.json(['install', second]);
    assert.deepEqual([upgrade['from'], upgrade['to']], [1, 3]);
    assert.equal(existsSync(node.path(`${history}/000004.json`)), true);
    node.remove();
  });

  it('brings its history to a node without one, also where an earlier try left half of it', async () => {
    const archive = readdirSync(output).find((name) => name.endsWith('.tar.gz'))!;
    const unpacked = scratch('unpacked');
    execFileSync('tar', ['-xzf', join(output, archive), '-C', unpacked]);
    const [fresh, torn] = [crioNode(), crioNode()];
    for (const each of [fresh, torn]) prepareNode(each.root, output);
    put(torn.root, `${history}.new/000001.json`, 'half');
    mkdirSync(torn.path(history));

    const booted = [fresh, torn].map(({ root }) => bootNode(root));

    assert.deepEqual(
      booted.map(({ status }) => status),
      [0, 0],
      booted.map(({ said }) => said).join(''),
    );
    for (const each of [fresh, torn]) {
      assert.deepEqual(historyOf(each.root), historyOf(unpacked));
      assert.equal(statSync(each.path(history)).mode, statSync(join(unpacked, history)).mode);
      assert.equal(existsSync(each.path(`${history}.new`)), false);
      each.remove();
    }
    rmSync(unpacked, { recursive: true });
  });

  it('that the copying was begun is on the disk before the pointer is', async () => {
    const node = crioNode();
    prepareNode(node.root, output);
    const sync = 'echo "$(ls /var/lib/kata-sysext-first-boot) $(ls /etc/kata-sysext 2>/dev/null)" >>/var/synced';

    const booted = bootNode(node.root, { programs: { sync } });

    assert.equal(booted.status, 0, booted.said);
    const synced = readFileSync(node.path('var/synced'), 'utf8').split('\n').slice(0, -1);
    assert.match(synced[0]!, /^[0-9a-f]{16}\.begun $/);
    assert.match(synced.at(-1)!, /^[0-9a-f]{16}\.begun current$/);
    node.remove();
  });

  it('goes on after a loss of power that left half of a copy, and writes over no file that somebody has open', async () => {
    const [whole, node] = [crioNode(), crioNode()];
    for (const each of [whole, node]) prepareNode(each.root, output);
    assert.equal(bootNode(whole.root).status, 0);
    const [stamp] = readdirSync(whole.path(stamps));
    put(node.root, `${stamps}/${stamp}.begun`, '');
    const [shim = ''] = execFileSync('find', [whole.path('var/usrlocal'), '-name', 'containerd-shim-kata-v2', '-type', 'f'], {
      encoding: 'utf8',
    }).split('\n');
    const half = [shim.slice(whole.root.length + 1), 'var/lib/kata-sysext/generations/1/manifest.json'];
    for (const path of half) put(node.root, path, 'half');
    linkSync(node.path(half[0]!), node.path('var/open'));

    const booted = bootNode(node.root);

    assert.equal(booted.status, 0, booted.said);
    assert.equal(readFileSync(node.path('var/open'), 'utf8'), 'half');
    assert.deepEqual((await node.json(['verify']))['drift'], []);
    assert.deepEqual(readdirSync(node.path(stamps)), [stamp]);
    for (const each of [whole, node]) each.remove();
  });

  it('of which a loss of power kept the note alone is noted at the next boot, and its downloads go', async () => {
    const node = crioNode();
    prepareNode(node.root, output);
    assert.equal(bootNode(node.root).status, 0);
    rmSync(node.path(stamps), { recursive: true });
    put(node.root, `${work}/part`, 'downloaded');

    const booted = bootNode(node.root);

    assert.deepEqual([booted.status, wouldRun(node.root, output), existsSync(node.path(work))], [0, false, false]);
    node.remove();
  });

  for (const [state, asked] of [
    ['inactive', ''],
    ['failed', ''],
    ['activating', '--no-block restart crio.service\n'],
    ['active', '--no-block restart crio.service\n'],
  ] as const) {
    it(`an engine that is ${state} is ${asked === '' ? 'not restarted: it starts with Kata' : 'restarted: it may have read its files before'}`, async () => {
      const node = crioNode();
      prepareNode(node.root, output);

      const booted = bootNode(node.root, { programs: { systemctl: `touch /var/asked; ${stateOf(state)}` } });

      assert.equal(booted.status, 0, booted.said);
      assert.equal(readFileSync(node.path('var/asked'), 'utf8'), asked);
      node.remove();
    });
  }

  it('an engine whose restart would end the pods in its own group is left to the operator', async () => {
    const node = crioNode();
    prepareNode(node.root, output);
    put(node.root, 'var/group/cgroup.procs', '1\n2\n');
    const group = 'control-group;; *ControlGroup*) echo /../../../var/group';

    const booted = bootNode(node.root, { programs: { systemctl: `touch /var/asked; ${stateOf('active', group)}` } });

    assert.equal(booted.status, 0, booted.said);
    assert.match(booted.said, /a restart of crio\.service would end all processes of its group: it has Kata once you restart it/);
    assert.equal(readFileSync(node.path('var/asked'), 'utf8'), '');
    node.remove();
  });

  const dropIn = 'etc/crio/crio.conf.d/50-kata-sysext.conf';
  for (const [title, path, text] of [
    ['a file in our place', dropIn, '# theirs\n'],
    ['our handler, as a table', 'etc/crio/crio.conf.d/40-kata', '  [crio.runtime.runtimes.kata-qemu-runtime-rs]\nruntime_path = "/x"\n'],
    ['our handler, quoted', 'etc/crio/crio.conf', "[crio.runtime.runtimes.'kata-qemu-runtime-rs' ]\n"],
    [
      'our handler, in a table of all',
      'etc/crio/crio.conf.d/99',
      '[crio.runtime.runtimes]\nkata-qemu-runtime-rs = { runtime_path = "/x" }\n',
    ],
    ['our handler, by dots', 'etc/crio/crio.conf.d/99', 'crio.runtime.runtimes.kata-qemu-runtime-rs.runtime_path = "/x"\n'],
  ] as const) {
    it(`CRI-O has ${title} from somebody else: nothing is put there, and the journal says so`, async () => {
      const node = crioNode();
      prepareNode(node.root, output);
      put(node.root, path, text);
      const leftOut = [work, stamps];
      const before = node.fingerprint(leftOut);

      const booted = bootNode(node.root);

      assert.equal(booted.status, 3, booted.said);
      assert.match(
        booted.said,
        new RegExp(`/${path} (is there already|names the handler kata-qemu-runtime-rs already); nothing was changed`),
      );
      assert.deepEqual(node.fingerprint(leftOut), before);
      node.remove();
    });
  }

  it('names that only look like ours, and comments, are nobody’s handler of ours', async () => {
    const node = crioNode();
    prepareNode(node.root, output);
    const theirs =
      '# [crio.runtime.runtimes.kata-qemu-runtime-rs]\n[crio.runtime.runtimes.kata-qemu-runtime-rs-tdx]\nruntime_path = "/opt/kata-qemu-runtime-rs/x"\n';
    put(node.root, 'etc/crio/crio.conf.d/40-kata', theirs);

    const booted = bootNode(node.root);

    assert.equal(booted.status, 0, booted.said);
    node.remove();
  });

  it('a disk without room is told before anything is unpacked; one that runs full meanwhile gets its room back', async () => {
    const node = crioNode();
    prepareNode(node.root, output);
    const df = 'echo Filesystem; echo "/dev/x 100 50 50 50% /var"';
    const tar = 'mkdir -p "$4/var" && echo half >"$4/var/half"; exit 2';

    const small = bootNode(node.root, { programs: { df } });
    const untouched = existsSync(node.path(`${work}/new`));
    const full = bootNode(node.root, { programs: { tar } });

    assert.deepEqual([small.status, full.status, untouched, existsSync(node.path(`${work}/new`))], [69, 2, false, false]);
    assert.match(small.said, /has 50 KiB free, and \d+ KiB are needed; the node runs without Kata; the next try is in 30 s/);
    assert.equal(existsSync(node.path('etc/kata-sysext')), false);
    node.remove();
  });
});
