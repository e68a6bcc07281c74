import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { digestOf } from '../../cli/host/index.ts';
import { tinyRelease } from '../lab/release/index.ts';
import { installationIn, wordsOf } from '../support/judges/hookWords.ts';
import { json } from '../support/program.ts';
import { loopMs } from '../support/sample.ts';
import { put } from '../support/trees/hostTrees.ts';
import { crioTree, currentConfig, firstBoot, machineConfigIn, owning, renderedTree } from '../support/trees/renderedTree.ts';
import { releases, scratch, type TreeHost } from '../support/trees/treeHost.ts';

const chosen = ['--alias', 'kata=qemu-runtime-rs', '--profile', 'debug', '--set', 'default_memory=4096', '--set', "kernel_params=it's a"];

/** Where a message names the command that makes the next MachineConfig. */
function generateIn(text: string): string {
  return /kata-sysext generate machineconfig .*? -o DIR/s.exec(text)![0];
}

/** What is named where a MachineConfig has the files: it has to work when it is followed. */
describe('the MachineConfig that a message names', function () {
  this.timeout(loopMs);
  let out: string;
  let host: TreeHost | undefined;
  beforeEach(() => {
    out = scratch('advice');
  });
  afterEach(() => {
    rmSync(out, { recursive: true });
    host?.remove();
    host = undefined;
  });

  /** Does what the message says, with the release at `bundle`; gives the arguments of the node's own installation. */
  async function followed(command: string, bundle: string, given: string): Promise<string[]> {
    const digest = digestOf(readFileSync(bundle));
    const real: Record<string, string[]> = {
      [given]: [bundle],
      'kata-sysext-linux-x64': ['https://files.example.org/kata/p', '--program-digest', `sha256:${'1'.repeat(64)}`],
      ADDRESS: ['https://files.example.org/kata'],
      DIR: [out],
    };
    await json(
      wordsOf(command)
        .slice(1)
        .flatMap((word) => real[word] ?? [word]),
    );
    const words = installationIn(machineConfigIn(out), dirname(bundle));
    assert.ok(words.includes(digest));
    return words;
  }

  const choicesOf = (tree: TreeHost, number: number) =>
    (JSON.parse(readFileSync(tree.path(`var/lib/kata-sysext/generations/${number}/manifest.json`), 'utf8')) as { choices: object }).choices;

  it('after adopt: a node that has Kata takes the next release by it, with every setting, profile and alias', async () => {
    const { first, second } = await releases();
    host = await renderedTree('openshift-4.19', chosen);

    const change = await host.json(['adopt', 'rendered']);
    const [{ next }] = change['findings'] as [{ next: string }];
    const words = await followed(generateIn(next), second, basename(first));
    const taken = await host.json(words);

    assert.deepEqual([taken['changed'], taken['to'], taken['release']], [true, 2, '4.1.0-lab2']);
    assert.deepEqual(choicesOf(host, 2), choicesOf(host, 1));
    assert.match(words.join(' '), /--backend prefix .*--set hypervisor\.qemu\.default_memory=4096 .*--profile debug/);
    assert.match(words.join('\n'), /^hypervisor\.qemu\.kernel_params=it's a$/m);
  });

  it('after a refusal: a new node gets by it what was asked for', async () => {
    const { first } = await releases();
    host = crioTree('rhcos', 'crio@1.32');
    put(host.root, currentConfig, owning(['/etc/crio/crio.conf.d/50-kata-sysext.conf']), 0o600);

    const refused = await host.json(['install', first, ...chosen, '--backend', 'prefix'], 3);
    rmSync(host.path(currentConfig));
    const { generate } = refused['details'] as { generate: string };
    const words = await followed(generate, first, basename(first));
    await host.json(words);
    const again = await host.json(['install', first, ...chosen, '--backend', 'prefix']);

    assert.equal(again['changed'], false);
    assert.equal(generate, generateIn(String(refused['next'])));
  });

  const rows: [title: string, role: string, pool: string][] = [
    ['of a pool of one’s own', 'kata', 'kata'],
    ['of the workers, on a node of a pool that takes theirs', 'worker', 'infra'],
  ];
  for (const [title, role, pool] of rows) {
    it(`is that ${title}`, async () => {
      host = await renderedTree('openshift-4.19', ['--pool', role], pool);

      const change = await host.json(['adopt', 'rendered']);

      const [{ next }] = change['findings'] as [{ next: string }];
      const [{ owner }] = (await host.json(['status']))['generations'] as [{ owner: { kind: string; name?: string } }];
      assert.deepEqual([owner.kind, owner.name], ['machineconfig', `99-${role}-kata-sysext`]);
      assert.match(generateIn(next), new RegExp(` --pool ${role} --form hook `));
    });
  }

  it('a script that says nothing of a MachineConfig: no name is recorded, and the command is for the pool of the node', async () => {
    host = await renderedTree('openshift-4.19', ['--pool', 'worker'], 'infra');
    const script = host.path(firstBoot.script);
    writeFileSync(script, readFileSync(script, 'utf8').replace(/: the MachineConfig \S+ of the pool \S+\.$/m, '.'));

    const change = await host.json(['adopt', 'rendered']);

    const [{ next }] = change['findings'] as [{ next: string }];
    const [{ owner }] = (await host.json(['status']))['generations'] as [{ owner: { kind: string; name?: string } }];
    assert.deepEqual([owner.kind, owner.name], ['machineconfig', undefined]);
    assert.match(generateIn(next), / --pool infra --form hook /);
  });

  it('lacks what only some handlers have, and says how nodes get that', async () => {
    const { first } = await releases();
    const go = await tinyRelease(out, { archive: 'go' });
    host = crioTree('rhcos', 'crio@1.32');
    await host.json(['install', first, go, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']);
    await host.json(['configure', '--handler', 'qemu', '--set', 'default_memory=4096']);
    put(host.root, currentConfig, owning(['/etc/kata-sysext/current']), 0o600);

    const refused = await host.json(['configure', '--set', 'default_vcpus=4'], 3);

    const { generate } = refused['details'] as { generate: string };
    assert.match(generate, / --set hypervisor\.qemu\.default_vcpus=4 /);
    assert.doesNotMatch(generate, /default_memory/);
    assert.match(
      String(refused['next']),
      /only some handlers have is not in it; on new nodes then also: kata-sysext configure .*--handler kata-qemu --set \S+default_memory=4096$/,
    );
  });
});
