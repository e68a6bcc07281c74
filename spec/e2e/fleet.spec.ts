import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { labFolder } from '../lab/cache.ts';
import { type Control, controlMachine } from '../lab/control.ts';
import { FIRST, SECOND } from '../lab/release/index.ts';
import { sshRoot, suiteAvailable } from '../lab/roots.ts';
import { run } from '../lab/run.ts';
import { endAfter, removeAfter } from '../support/endings.ts';
import { etcOf, handlersOf, type Live, liveHost, runsOf } from '../support/live/liveHost.ts';
import { repo } from '../support/program.ts';
import { singleFile } from '../support/singleFile.ts';

const page = readFileSync(join(repo, 'docs/guides/many-nodes.md'), 'utf8');
const handler = 'kata-qemu-runtime-rs';
const names = ['node1', 'node2', 'node3'];

/** The command of the page that has these words, as it is printed there. */
function shown(words: string): string {
  const line = page.split('\n').find((each) => each.startsWith(words));
  assert.ok(line, `docs/guides/many-nodes.md shows no ${words}`);
  return line;
}

/** The lab’s releases in the place of those that the page names. */
const sample = (version: string) => ({ '4.1.0': FIRST, '4.2.0': SECOND })[version] ?? version;

async function releaseOf(node: Live): Promise<string | undefined> {
  const { generations } = (await node.json(['status'])) as { generations: { active: boolean; release: string }[] };
  return generations.find(({ active }) => active)?.release;
}

describe('three nodes, as docs/guides/many-nodes.md shows it', function () {
  this.timeout(1_200_000);
  let folder: string | undefined;
  const nodes: Live[] = [];
  let control: Control;
  let atStart: string[][];

  before(async function () {
    const available = await suiteAvailable('trixie');
    if (!available.ok) {
      console.log(`      ${available.why}`);
      return this.skip();
    }
    folder = mkdtempSync(join(labFolder(), 'fleet-'));
    for (const _name of names) nodes.push(await liveHost({ suite: 'trixie', base: await sshRoot('trixie') }));
    control = await controlMachine(folder, Object.fromEntries(names.map((name, index) => [name, nodes[index]!.host])));
    const work = join(folder, 'work');
    cpSync(join(repo, 'examples/fleet'), work, { recursive: true });
    const [{ first, second }] = nodes as [Live];
    for (const [name, { static: archive }] of Object.entries({ '4.1.0': first, '4.2.0': second }))
      await run([await singleFile(), 'bundle', 'save', archive, '-o', join(work, `kata-${name}.bundle`), '--progress', 'none']);
    atStart = nodes.map(etcOf);
  });
  endAfter(
    () => nodes,
    (all) => Promise.all(all.map(({ host }) => host.stop())),
  );
  removeAfter(() => folder);

  /** What the last lines of a run say of each node: how many tasks changed it, and how many failed. */
  function recap(stdout: string): Record<string, string> {
    const lines = [...stdout.matchAll(/^(node\d)\s+: .*?changed=(\d+) .*?failed=(\d+)/gm)];
    return Object.fromEntries(lines.map(([, name, changed, failed]) => [name, `${changed} ${failed}`]));
  }

  const releases = () => Promise.all(nodes.map(releaseOf));

  it('have no Python', async () => {
    const found = await nodes[0]!.host.sh('ls /usr/bin | grep -c python || true');

    assert.equal(found.stdout.trim(), '0');
  });

  it('are installed by Ansible, and nothing changes when it runs again', async () => {
    const digest = await control.sh(shown('sha256sum kata-4.2.0').replaceAll('4.2.0', '4.1.0'));
    const command = shown('ansible-playbook -i inventory.ini install.yml').replaceAll('4.2.0', '4.1.0');
    const done = await control.sh(command);
    const runs = await Promise.all(nodes.map((node) => runsOf(node)));
    const again = await control.sh(command);

    assert.equal(digest.code, 0, digest.stderr);
    assert.equal(done.code, 0, `${done.stdout}\n${done.stderr}`);
    assert.deepEqual(Object.keys(recap(done.stdout)), names);
    assert.deepEqual(recap(again.stdout), { node1: '0 0', node2: '0 0', node3: '0 0' }, again.stdout);
    assert.deepEqual(await Promise.all(nodes.map((node) => runsOf(node))), runs);
    for (const node of nodes) assert.ok((await handlersOf(node)).includes(handler));
    assert.deepEqual(readdirSync(join(folder!, 'work/status')).sort(), ['node1.json', 'node2.json', 'node3.json']);
  });

  it('an upgrade stops at the node that fails, and the one after it is not touched; mended, it goes on there', async () => {
    const [, second, third] = nodes as [Live, Live, Live];
    const before = etcOf(third);
    const config = '/etc/containerd/config.toml';
    await second.host.sh(`cp ${config} /root/config.toml; echo 'no TOML' >>${config}`);
    await control.sh(shown('sha256sum kata-4.2.0'));
    const command = shown('ansible-playbook -i inventory.ini install.yml');
    writeFileSync(
      join(folder!, 'work/away.ini'),
      readFileSync(join(folder!, 'work/inventory.ini'), 'utf8').replace('node2', 'nowhere\nnode2'),
    );
    const unreached = await control.sh(command.replace('inventory.ini', 'away.ini'));
    const first = await releases();
    const failed = await control.sh(command);
    const between = await releases();
    const untouched = etcOf(third);
    await second.host.sh(`cp /root/config.toml ${config}; rm /root/config.toml; systemctl restart containerd`);
    const mended = await control.sh(command);

    assert.notEqual(unreached.code, 0);
    assert.doesNotMatch(unreached.stdout, /\[node2\]/);
    assert.deepEqual(first, ['4.2.0', '4.1.0', '4.1.0'].map(sample));
    assert.notEqual(failed.code, 0);
    assert.match(failed.stdout, /engine-config-invalid/);
    assert.deepEqual(between, ['4.2.0', '4.1.0', '4.1.0'].map(sample));
    assert.deepEqual(untouched, before);
    assert.equal(mended.code, 0, mended.stdout);
    assert.equal(recap(mended.stdout)['node1'], '0 0');
    assert.deepEqual(await releases(), ['4.2.0', '4.2.0', '4.2.0'].map(sample));
  });

  it('go back to the release before, and those that have it are left alone', async () => {
    await nodes[2]!.json(['rollback', '--wait', '60']);
    const command = shown('ansible-playbook -i inventory.ini rollback.yml').replace('4.1.0', sample('4.1.0'));
    const back = await control.sh(command);

    assert.equal(back.code, 0, back.stdout);
    assert.deepEqual(recap(back.stdout), { node1: '1 0', node2: '1 0', node3: '0 0' });
    assert.deepEqual(await releases(), ['4.1.0', '4.1.0', '4.1.0'].map(sample));
  });

  it('are uninstalled byte for byte, and a loop of ssh alone installs them', async () => {
    const removed = await control.sh(shown('ansible kata -i inventory.ini'));
    const left = nodes.map(etcOf);
    writeFileSync(join(folder!, 'work/hosts.txt'), `# the nodes\n${names.join('\n')}`);
    const looped = await control.sh(`${shown('./each-node.sh')} --set 'kernel_params=agent.log=debug "$(id -u)"'`);
    const set = await nodes[2]!.json(['configure']);
    const installed = await releases();
    await nodes[1]!.host.sh("echo 'no TOML' >>/etc/containerd/config.toml");
    const failed = await control.sh(shown('./each-node.sh').replace('4.2.0', '4.1.0'));

    assert.equal(removed.code, 0, removed.stdout);
    assert.deepEqual(left, atStart);
    assert.equal(looped.code, 0, looped.stderr);
    assert.deepEqual(installed, ['4.2.0', '4.2.0', '4.2.0'].map(sample));
    assert.match(JSON.stringify(set), /agent\.log=debug \\\\?"\$\(id -u\)/);
    assert.notEqual(failed.code, 0);
    assert.match(failed.stderr, /node2 failed; the hosts after it were not touched/);
    assert.deepEqual(await releases(), ['4.1.0', '4.2.0', '4.2.0'].map(sample));
  });
});
