import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tinyRelease } from '../lab/release/index.ts';
import { type Both, bothReleases, go, refused, rust } from '../support/archives/bothArchives.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

describe('a bundle is asked which handlers fit', () => {
  let both: Both;
  let host: TreeHost;

  before(async () => {
    both = await bothReleases();
  });
  after(() => both.remove());
  beforeEach(() => {
    host = treeHost('fcos');
  });
  afterEach(() => host.remove());

  describe('check with a bundle', () => {
    interface Offer {
      name: string;
      byDefault: boolean;
      installed: boolean;
      findings: { code: string }[];
    }
    const offers = (checked: Record<string, unknown>) => (checked['bundle'] as { handlers: Offer[] }).handlers;

    it('tells what it carries, what is the default, and writes nothing', async () => {
      const before = host.fingerprint();

      const one = await host.json(['check', both.first[0]]);
      const two = await host.json(['check', ...both.first]);

      const named = (checked: Record<string, unknown>) =>
        offers(checked)
          .map(({ name }) => name)
          .sort();
      assert.deepEqual(named(one), ['kata-dragonball', rust]);
      assert.deepEqual(named(two), ['kata-clh', 'kata-dragonball', 'kata-fc', 'kata-firecracker', go, rust, 'kata-remote']);
      assert.deepEqual(
        offers(two)
          .filter((offer) => offer.byDefault)
          .map(({ name }) => name),
        [rust],
      );
      assert.deepEqual(
        offers(two)
          .filter(({ findings }) => findings.length > 0)
          .map(({ name, findings }) => [name, findings.map(({ code }) => code)]),
        ['kata-fc', 'kata-firecracker'].map((name) => [name, ['handler-needs-block-devices']]),
      );
      assert.deepEqual(differences(before, host.fingerprint()), []);
      assert.ok(!existsSync('/nonexistent'));
    });

    it('tells which handler an install would refuse for a file that its configuration names', async () => {
      const folder = scratch('incomplete');
      execFileSync('tar', ['-C', folder, '-xf', both.first[1]]);
      const hypervisor = execFileSync('find', [folder, '-name', 'cloud-hypervisor'], { encoding: 'utf8' }).trim().split('\n')[0]!;
      rmSync(hypervisor);

      const checked = await host.json(['check', folder]);
      const named = await host.json(['check', folder, '--handler', 'clh'], 3);
      const refusal = await host.json(['install', folder, '--handler', 'clh'], 4);

      const told = offers(checked).map(({ name, findings }) => [name, findings.map(({ code }) => code)] as const);
      assert.deepEqual(
        told.filter(([, found]) => found.includes('bundle-incomplete')).map(([name]) => name),
        ['kata-clh'],
      );
      assert.equal(refusal['code'], 'bundle-incomplete');
      assert.deepEqual([checked['ready'], named['ready']], [true, false]);
      const blockers = (named['findings'] as { code: string; level: string }[]).filter(({ level }) => level === 'blocker');
      assert.deepEqual(
        blockers.map(({ code }) => code),
        ['bundle-incomplete'],
      );
      rmSync(folder, { recursive: true });
    });

    it('is not ready where an install would refuse the default handler', async () => {
      const folder = scratch('lacking-default');
      execFileSync('tar', ['-C', folder, '-xf', both.first[0]]);
      for (const path of execFileSync('find', [folder, '-name', 'vmlinu*'], { encoding: 'utf8' }).trim().split('\n')) rmSync(path);

      const checked = await host.json(['check', folder], 3);
      const refusal = await host.json(['install', folder], 4);

      const found = checked['findings'] as { code: string; level: string }[];
      assert.deepEqual(
        [checked['ready'], found[0]?.code, found[0]?.level, refusal['code']],
        [false, 'bundle-incomplete', 'blocker', 'bundle-incomplete'],
      );
      rmSync(folder, { recursive: true });
    });

    it('is a blocker for an installed handler that it lacks, and for none that it has', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']);

      const lacking = await host.json(['check', both.second[0]], 3);
      const whole = await host.json(['check', ...both.second]);

      assert.deepEqual((lacking['bundle'] as { lacks: string[] }).lacks, [go]);
      const blockers = (lacking['findings'] as { code: string; level: string; subject: string }[]).filter(
        ({ level }) => level === 'blocker',
      );
      assert.deepEqual(
        blockers.map(({ code, subject }) => [code, subject]),
        [['bundle-lacks-handler', go]],
      );
      assert.deepEqual([whole['ready'], (whole['bundle'] as { lacks: string[] }).lacks], [true, []]);
      assert.deepEqual(
        offers(whole)
          .filter((offer) => offer.installed)
          .map(({ name }) => name)
          .sort(),
        [go, rust],
      );
    });

    it('rejects a bundle that an install would reject', async () => {
      const folder = scratch('odd');
      const bundle = await tinyRelease(folder, { odd: ['linkOut'] });

      await refused(host, ['check', bundle], 4, 'bundle-member-escapes');
      await refused(host, ['check', join(folder, 'missing.tar.zst')], 4, 'bundle-missing');

      rmSync(folder, { recursive: true });
    });

    it('says that the very bundle is installed already, as long as install has nothing to do', async () => {
      const first = both.first[0]!;
      const fresh = await host.json(['check', first]);
      await host.json(['install', first]);

      const again = await host.json(['check', first]);
      const { stdout } = await host.run(['check', first]);
      const said = await host.run(['install', first, '--dry-run']);
      const other = await host.json(['check', both.second[0]!]);
      const more = await host.json(['check', ...both.first, '--handler', 'qemu']);
      rmSync(host.path('etc/kata-sysext/current'));
      const drifted = await host.json(['check', first]);

      const installed = [fresh, again, other, more, drifted].map((checked) => checked['installed']);
      assert.deepEqual(installed, [undefined, 1, undefined, undefined, undefined]);
      assert.deepEqual([again['ready'], again['writes']], [true, []]);
      assert.match(stdout, /^✓ installed already: Kata \S+, generation 1; install has nothing to do$/m);
      assert.doesNotMatch(stdout, /^writes:|Next:/m);
      assert.match(said.stdout, /nothing to do/);
    });

    it('--handler asks about handlers that are not installed, and about no others', async () => {
      const checked = await host.json(['check', '--handler', 'clh-azure', '--handler', 'fc']);

      const codes = (checked['findings'] as { code: string }[]).map(({ code }) => code).filter((code) => code.startsWith('handler-'));
      assert.deepEqual(codes.sort(), ['handler-needs-block-devices', 'handler-needs-host-kernel']);
      await refused(host, ['check', '--handler', 'nobody'], 3, 'handler-unknown');
    });
  });

  it('what the host lacks for a handler that comes is in the plan and in the receipt, once', async () => {
    const codesOf = (change: Record<string, unknown>) =>
      (change['findings'] as { code: string }[]).map(({ code }) => code).filter((code) => code.startsWith('handler-needs'));

    const plan = await host.json(['install', both.first[1], '--handler', 'fc', '--dry-run']);
    const come = await host.json(['install', both.first[1], '--handler', 'fc']);
    const upgrade = await host.json(['install', both.second[1]]);

    assert.deepEqual(
      [codesOf(plan), codesOf(come), codesOf(upgrade)],
      [['handler-needs-block-devices'], ['handler-needs-block-devices'], []],
    );
  });
});
