import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { forTree } from '../../cli/commands/advice.ts';
import { json } from '../support/program.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

describe('advice for an offline tree', () => {
  const rows: [given: string, wanted: string][] = [
    ['kata-sysext recover', 'kata-sysext recover --root /a/tree'],
    ['kata-sysext install BUNDLE', 'kata-sysext install --root /a/tree BUNDLE'],
    ['kata-sysext uninstall, then install again', 'kata-sysext uninstall --root /a/tree, then install again'],
    [
      'kata-sysext history N (its number: kata-sysext history); journalctl -n 50',
      'kata-sysext history --root /a/tree N (its number: kata-sysext history --root /a/tree); journalctl -n 50',
    ],
    ['kata-sysext activate 2 --root /a/tree', 'kata-sysext activate 2 --root /a/tree'],
    ['kata-sysext install --help', 'kata-sysext install --help'],
    ['kata-sysext explain lock-held', 'kata-sysext explain lock-held'],
    ['rm /var/lib/kata-sysext/journal/1/x', 'rm /var/lib/kata-sysext/journal/1/x'],
  ];
  for (const [given, wanted] of rows) {
    it(given, () => {
      assert.equal(forTree(given, '/a/tree'), wanted);
      assert.equal(forTree(given, '/'), given);
    });
  }

  it('quotes the tree where a shell would take it apart', () => {
    assert.equal(forTree('kata-sysext recover', "/it's here"), "kata-sysext recover --root '/it'\\''s here'");
  });

  describe('of the program', () => {
    let host: TreeHost;

    beforeEach(() => {
      host = treeHost('fcos');
    });
    afterEach(() => host.remove());

    it('an interrupted uninstall: status and check say what to run, and not on the live host', async () => {
      const { first } = await releases();
      await host.json(['install', first]);
      await host.run(['uninstall'], { env: { KATA_SYSEXT_FAILPOINT: 'afterwards/payload=kill' } });

      const status = await host.run(['status']);
      const check = await host.run(['check', first]);
      const answer = await host.json(['check']);
      const refused = await host.run(['install', first, '--dry-run']);

      const recover = `kata-sysext recover --root ${host.root}`;
      assert.equal(
        status.stdout,
        `Kata is not installed by kata-sysext on this host.\n! change 2 is committed, but its clean-up is pending: ${recover}\n`,
      );
      assert.match(check.stdout, new RegExp(`^ {4}next: {3}${recover}$`, 'm'));
      assert.ok(check.stdout.endsWith(`Next: kata-sysext install ${first} --root ${host.root}\n`), check.stdout);
      assert.equal((answer['findings'] as { code: string; next: string }[]).find(({ code }) => code === 'journal-open')?.next, recover);
      assert.ok(refused.stderr.includes(`next:   ${recover}\n`), refused.stderr);
    });

    it('a guest of a tree: to boot it on the host itself, and not the command that was refused', async () => {
      const refused = await host.json(['verify', '--boot-guest'], 2);

      assert.equal(refused['next'], 'run it on the host itself, after its first boot and without --root');
    });

    it('an engine that is named and not there: that one', async () => {
      const { first } = await releases();

      const refused = await json(['install', first, '--root', host.root, '--engine', 'crio'], 3);
      const any = await json(['install', first, '--root', empty(host), '--dry-run'], 3);

      assert.deepEqual([refused['found'], refused['next']], ['no crio in the tree', 'name it: --engine crio@VERSION']);
      assert.deepEqual(
        [any['found'], any['next']],
        [
          'no containerd, crio, docker, k3s, rke2, k0s or nodeadm in the tree',
          'name it: --engine containerd@VERSION (or crio, docker, k3s, rke2, k0s, nodeadm)',
        ],
      );
    });

    it('a bare tree: what to run next', async () => {
      const status = await host.run(['status']);
      const check = await host.run(['check']);
      const nothing = await host.run(['verify']);

      assert.ok(status.stdout.endsWith(`Next: kata-sysext check --root ${host.root}\n`), status.stdout);
      assert.ok(check.stdout.endsWith(`Next: kata-sysext install BUNDLE --root ${host.root}\n`), check.stdout);
      assert.ok(nothing.stderr.includes(`next:   kata-sysext install --root ${host.root} BUNDLE\n`), nothing.stderr);
    });
  });
});

/** The tree without the engine that it came with. */
function empty(host: TreeHost): string {
  rmSync(host.path('etc/containerd'), { recursive: true });
  rmSync(host.path('usr/bin/containerd'), { force: true });
  return host.root;
}
