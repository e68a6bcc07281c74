import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { differences } from '../support/judges/fingerprint.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

interface Finding {
  code: string;
  level: string;
  subject: string;
  found: string;
  next: string;
}

/** What reading verbs say of a host on which something stopped half-way. */
describe('a half-done host', () => {
  let host: TreeHost;
  let first: string;
  let second: string;

  before(async () => {
    ({ first, second } = await releases());
  });
  beforeEach(() => {
    host = treeHost('fcos');
  });
  afterEach(() => host.remove());

  async function killed(args: string[], point: string): Promise<void> {
    const ran = await host.run(args, { env: { KATA_SYSEXT_FAILPOINT: `${point}=kill` } });
    assert.equal(ran.status, 137, ran.stderr);
  }

  function recovering(): string {
    return `kata-sysext recover --root ${host.root}`;
  }

  it('verify tells the change that was interrupted, and is content once it is settled', async () => {
    await killed(['install', first], 'step/pointer/after');

    const { drift } = (await host.json(['verify'], 1)) as unknown as { drift: Finding[] };
    const { stdout } = await host.run(['verify']);
    await host.json(['install', first]);
    const settled = await host.json(['verify']);

    assert.deepEqual(
      drift.map(({ code, level, found, next }) => [code, level, found, next]),
      [['drift-found', 'blocker', 'change 1 was interrupted', recovering()]],
    );
    assert.match(stdout, new RegExp(`^✗ change 1 was interrupted\ngeneration 1: .*: differing: 1\\. Next: ${recovering()}\n$`));
    assert.deepEqual(settled['drift'], []);
  });

  it('verify names it as well where no generation is active any more', async () => {
    await host.json(['install', first]);
    await killed(['uninstall'], 'commit/after');

    const refused = (await host.json(['verify'], 3)) as unknown as Finding;

    assert.deepEqual(
      [refused.code, refused.found, refused.next],
      ['nothing-installed', 'there is no active generation, and change 2 is committed, but its clean-up is pending', recovering()],
    );
  });

  it('status and verify tell a committed change, whose clean-up is pending, from one that will be undone', async () => {
    await killed(['install', first], 'commit/after');

    const status = await host.json(['status']);
    const { stdout } = await host.run(['status']);
    const { drift } = (await host.json(['verify'], 1)) as unknown as { drift: Finding[] };

    const said = 'change 1 is committed, but its clean-up is pending';
    assert.deepEqual([status['interrupted'], status['committed']], [[1], [1]]);
    assert.deepEqual(
      (status['findings'] as Finding[]).map(({ code, found, next }) => [code, found, next]),
      [['journal-open', said, recovering()]],
    );
    assert.ok(stdout.endsWith(`\n! ${said}: ${recovering()}\n`), stdout);
    assert.deepEqual(
      drift.map(({ found }) => found),
      [said],
    );
  });

  it('status, check and verify see that somebody put the file of the engine back, and the command that they name mends it', async () => {
    const file = host.path('etc/containerd/config.toml');
    const original = readFileSync(file);
    await host.json(['install', first]);
    const before = await host.json(['status']);
    writeFileSync(file, original);

    const status = await host.json(['status']);
    const { stdout } = await host.run(['status']);
    const check = await host.json(['check']);
    const { drift } = (await host.json(['verify'], 1)) as unknown as { drift: Finding[] };
    await host.json(['install', first]);
    const after = await host.json(['status']);

    const path = '/etc/containerd/config.toml';
    const found = `${path}: kata-sysext’s wiring in it is gone or was changed`;
    const next = `kata-sysext install --root ${host.root} ${first}`;
    const engine = before['engine'] as Record<string, unknown>;
    const told = (findings: unknown) => (findings as Finding[]).filter(({ code }) => code === 'drift-found');
    assert.deepEqual([engine['files'], before['findings']], [[path], []]);
    assert.deepEqual(status['engine'], { ...engine, files: [], lost: [path] });
    for (const findings of [status['findings'], told(check['findings'])])
      assert.deepEqual(
        (findings as Finding[]).map((each) => [each.code, each.level, each.found, each.next]),
        [['drift-found', 'warning', found, next]],
      );
    assert.ok(stdout.endsWith(`\n! ${found}: ${next}\n`), stdout);
    assert.ok(!stdout.includes('wired into'), stdout);
    assert.deepEqual(
      drift.map((each) => each.found),
      [found],
    );
    assert.deepEqual([after['engine'], after['findings']], [engine, []]);
  });

  it('what a killed unpacking left is told with its bytes, counted by recover, and is no one’s while the change runs', async () => {
    const holder = await host.paused(['install', first], 'store/unpack/after=pause');
    const running = await host.json(['status']);
    await holder.kill();
    const bytes = left();

    const status = await host.json(['status']);
    const { stdout } = await host.run(['status']);
    const check = await host.json(['check']);
    const plan = await host.json(['recover', '--dry-run']);
    const planned = (await host.run(['recover', '--dry-run'])).stdout;
    const copy = host.copy();
    const receipt = (await copy.run(['recover'])).stdout;
    copy.remove();
    const recovered = await host.json(['recover']);
    const after = await host.json(['status']);

    const [folder, said] = ['/usr/local/libexec/kata-sysext/staging', /^an unpacking was interrupted; [\d.]+ k?B of it are left in \S+$/];
    const findings = [
      ...(status['findings'] as Finding[]),
      ...(check['findings'] as Finding[]).filter(({ code }) => code === 'journal-open'),
    ];
    assert.ok(bytes > 0);
    assert.deepEqual([running['staging'], running['findings']], [undefined, []]);
    assert.deepEqual(status['staging'], { folders: [folder], sizeBytes: bytes });
    assert.deepEqual(
      findings.map(({ code, found, next }) => [code, said.test(found), next]),
      [1, 2].map(() => ['journal-open', true, recovering()]),
    );
    assert.match(stdout, /\n! an unpacking was interrupted; [\d.]+ k?B of it are left in \S+: kata-sysext recover --root \S+\n$/);
    assert.deepEqual(
      [plan['freedBytes'], (plan['steps'] as { text: string }[]).map(({ text }) => text)],
      [bytes, [`remove what an interrupted unpacking left in ${folder}`]],
    );
    assert.match(planned, /^plan: recover, [\d.]+ k?B freed\n {2}1\. remove what an interrupted unpacking left in /);
    assert.match(receipt, /^✓ removed what an interrupted unpacking left in \S+: [\d.]+ k?B freed\n$/);
    assert.deepEqual(recovered['removed'], { folders: [folder], sizeBytes: bytes });
    assert.deepEqual([after['staging'], after['findings']], [undefined, []]);
  });

  it('a dry run of a verb that unpacks nothing leaves it there, and the host as it was', async () => {
    await killed(['install', first], 'store/unpack/after');
    const alone = host.fingerprint(['var/lib/kata-sysext/lock']);
    const other = treeHost('fcos');
    await other.json(['install', first]);
    const holder = await other.paused(['install', second], 'store/unpack/after=pause');
    await holder.kill();
    const beside = other.fingerprint(['var/lib/kata-sysext/lock']);

    await host.json(['gc', '--dry-run']);
    for (const verb of [['gc', '--keep', '0'], ['uninstall'], ['configure', '--set', 'default_memory=4096']]) {
      const planned = await other.run([...verb, '--dry-run']);
      assert.equal(planned.status, 0, planned.stderr);
    }

    assert.deepEqual(differences(alone, host.fingerprint(['var/lib/kata-sysext/lock'])), []);
    assert.deepEqual(differences(beside, other.fingerprint(['var/lib/kata-sysext/lock'])), []);
    other.remove();
  });

  /** Bytes of files in the staging folder, by a judge of its own. */
  function left(): number {
    const sizes = execFileSync('find', [host.root, '-path', '*/kata-sysext/staging/*', '-type', 'f', '-printf', '%s\n'], {
      encoding: 'utf8',
    });
    return sizes.split('\n').reduce((sum, size) => sum + Number(size), 0);
  }
});
