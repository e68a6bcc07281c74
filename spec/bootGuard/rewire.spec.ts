import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { rewireAtBoot } from '../../cli/bootGuard/rewire.ts';
import { type Host, openHost } from '../../cli/host/index.ts';
import { endAfter } from '../support/endings.ts';
import { needs } from '../support/needs.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const engine = '/opt/engine/containerd';
/** What the engine does when it is asked about a file with text of kata-sysext in it, and about any other. */
const script = (ours: string, others: string) => `#!/bin/sh
[ "$1" != --version ] || { echo containerd lab 1.7.24; exit; }
if grep -q kata-sysext "$2"; then ${ours}; else ${others}; fi
`;
const takes = 'cat "$2"';

/** A tree that boots, as far as files go: its engine is a shell script that judges them. */
describe('the second phase, by what the engine says of its files', function () {
  this.timeout(600_000);
  let tree: TreeHost;
  let installed: string;

  before(async function () {
    needs(this, 'root');
    const { first } = await releases();
    tree = treeHost('fcos', (root) => put(root, 'etc/systemd/system/containerd.service', `[Service]\nExecStart=${engine}\n`));
    await tree.json(['install', first]);
    installed = readFileSync(tree.path('etc/containerd/config.toml'), 'utf8');
  });
  endAfter(
    () => tree,
    (made) => made.remove(),
  );

  const rows: [what: string, ours: string, others: string, active: number | undefined, said: RegExp][] = [
    ['takes them', takes, takes, 1, /^$/],
    [
      'refuses them with the wiring',
      'echo no such key >&2; exit 1',
      takes,
      undefined,
      /^containerd does not take .* with kata-sysext’s wiring.*no such key$/,
    ],
    ['panics of the wiring', 'echo panic >&2; exit 2', takes, undefined, /^containerd does not take .* with kata-sysext’s wiring.*panic$/],
    ['makes more of the wiring than handlers', `${takes}; echo [more]; echo a=1`, takes, undefined, /changes more of containerd/],
    ['is killed over them with the wiring', 'kill -9 $$', takes, 1, /^whether containerd takes .* is not known/],
    ['says what cannot be read with the wiring', 'echo [', takes, 1, /^whether containerd takes .* is not known/],
    ['refuses them in any way', 'exit 1', 'exit 1', 1, /^containerd does not take its own configuration.*left alone$/],
    ['is killed over them in any way', 'kill -9 $$', 'kill -9 $$', 1, /^what containerd takes is not known.*left alone$/],
  ];
  for (const [what, ours, others, active, said] of rows)
    it(`one that ${what}: ${active === undefined ? 'the wiring goes' : 'it stays'}`, async () => {
      const host = tree.copy();
      put(host.root, `var${engine}`, script(ours, others), 0o755);

      const { to, notes } = await rewireAtBoot(contextOf(host));
      const after = readFileSync(host.path('etc/containerd/config.toml'), 'utf8');
      host.remove();

      assert.equal(to, active, notes.join('\n'));
      assert.equal(after === installed, active !== undefined);
      assert.match(notes.slice(1).join('\n'), said);
    });

  it('files that the engine may take, and that cannot be read here, are left alone, and not told as its refusal', async () => {
    const host = tree.copy();
    put(host.root, `var${engine}`, script(takes, takes), 0o755);
    writeFileSync(host.path('etc/containerd/config.toml'), `${installed}[more]\na = { b = 1,\n}\n`);

    const { to, notes } = await rewireAtBoot(contextOf(host));
    host.remove();

    assert.equal(to, 1);
    assert.match(notes.slice(1).join('\n'), /^what containerd takes is not known: .*TOML 1\.0.*left alone$/);
  });

  it('of two engines the one that refuses decides: both lose the wiring, also one that an update has removed', async () => {
    const { first } = await releases();
    const drop = 'etc/crio/crio.conf.d/50-kata-sysext.conf';
    const host = treeHost('fcos', (root) => {
      put(root, 'etc/systemd/system/containerd.service', `[Service]\nExecStart=${engine}\n`);
      put(root, 'etc/systemd/system/crio.service', '[Service]\nExecStart=/usr/bin/crio\n');
      put(root, `var${engine}`, script('echo no such key >&2; exit 1', takes), 0o755);
    });
    const bare = readFileSync(host.path('etc/containerd/config.toml'), 'utf8');
    await host.json(['install', first, '--engine', 'crio@1.34']);
    const wired = existsSync(host.path(drop));

    const { to, notes } = await rewireAtBoot(contextOf(host));
    const after = readFileSync(host.path('etc/containerd/config.toml'), 'utf8');
    const stays = existsSync(host.path(drop));
    host.remove();

    assert.equal(to, undefined, notes.join('\n'));
    assert.match(notes.join('\n'), /crio\.service.*not on this system; nothing is changed[\s\S]*containerd does not take/);
    assert.deepEqual([wired, stays], [true, false]);
    assert.equal(after, bare);
  });

  it('of two engines each is looked at, and what one lost is written again', async () => {
    const { first } = await releases();
    const drop = 'etc/crio/crio.conf.d/50-kata-sysext.conf';
    const host = treeHost('fcos', (root) => {
      put(root, 'etc/systemd/system/containerd.service', `[Service]\nExecStart=${engine}\n`);
      put(root, 'etc/systemd/system/crio.service', '[Service]\nExecStart=/opt/engine/crio\n');
      put(root, `var${engine}`, script(takes, takes), 0o755);
      put(root, 'var/opt/engine/crio', '#!/bin/sh\n[ "$1" = --version ] && echo crio version 1.34.0 || echo "[crio]"\n', 0o755);
    });
    await host.json(['install', first, '--engine', 'crio@1.34']);
    const text = readFileSync(host.path(drop), 'utf8');
    rmSync(host.path(drop));

    const { to, notes } = await rewireAtBoot(contextOf(host));
    const after = existsSync(host.path(drop)) ? readFileSync(host.path(drop), 'utf8') : 'gone';
    const { engine: one, otherEngines } = (await host.json(['status'])) as { engine: { name: string }; otherEngines: { name: string }[] };
    host.remove();

    assert.deepEqual([to, after], [1, text], notes.join('\n'));
    assert.deepEqual([one.name, ...otherEngines.map(({ name }) => name)], ['crio', 'containerd']);
  });

  function contextOf({ root }: TreeHost): Parameters<typeof rewireAtBoot>[0] {
    const own = openHost(root, {});
    // The engine of the tree, and the files that it is asked about, by their paths on this machine.
    const run: Host['run'] = async (program, args, options) =>
      program.startsWith('/opt/engine/') || program.startsWith('/var/opt/engine/')
        ? own.run(await own.locate(program), await Promise.all(args.map((arg) => (arg.startsWith('/') ? own.locate(arg) : arg))), options)
        : own.run(program, args, options);
    return {
      host: { ...own, booted: true, run },
      program: '0',
      emit: () => undefined,
      signal: new AbortController().signal,
      asked: { cause: 'boot guard' },
    };
  }
});
