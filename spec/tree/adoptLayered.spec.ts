import assert from 'node:assert/strict';
import { chmodSync, existsSync, lstatSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Both, bothReleases } from '../support/archives/bothArchives.ts';
import { judged } from '../support/faults/crash.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { loopMs } from '../support/sample.ts';
import { put } from '../support/trees/hostTrees.ts';
import { layered, origin } from '../support/trees/layered.ts';
import { folder, layeredTree, own, runtimesOf, serves } from '../support/trees/layeredTree.ts';
import { releases, story, type TreeHost } from '../support/trees/treeHost.ts';

const ours = `${folder}/50-kata-sysext.conf`;

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

  it('takes a package that was layered from a file', async () => {
    put(host.root, origin.path, origin.text(`${'a'.repeat(64)}:kata-containers-3.2.0-1.fc44.x86_64;`, 'requested-local'));

    const change = await host.json(['adopt', 'layered', first]);

    assert.equal(change['changed'], true);
  });
});
