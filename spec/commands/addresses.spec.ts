import assert from 'node:assert/strict';
import { refuseAddresses } from '../../cli/commands/parsing/addresses.ts';
import { parse } from '../../cli/commands/parsing/parser.ts';
import type { KataError } from '../../cli/errors/index.ts';

const base = 'http://example.org/r/';

/** What a refused address says to type next must do what was asked: for the same tree, engine and handlers. */
describe('an address where a file belongs', () => {
  it('is no mistake where the verb downloads it', async () => {
    const parsed = await parse(['install', 'https://example.org/r/a.tar.zst'], '0');

    assert.ok(parsed.kind === 'verb');
    assert.doesNotThrow(() => refuseAddresses(parsed.verb, parsed.words, []));
  });

  const rows: [title: string, argv: string[], next: string][] = [
    [
      'install keeps the tree and the engine',
      ['install', `${base}a.tar.zst`, '--root', '/mnt/tree', '--engine', 'containerd@1.7', '--dry-run'],
      `curl -fLO ${base}a.tar.zst; then: kata-sysext install a.tar.zst --root /mnt/tree --engine containerd@1.7 --dry-run --digest sha256:HEX`,
    ],
    [
      'a digest that is named is not asked for again',
      ['install', '--root=/mnt/tree', `${base}a.tar.zst`, '--digest', 'sha256:00'],
      `curl -fLO ${base}a.tar.zst; then: kata-sysext install --root=/mnt/tree a.tar.zst --digest sha256:00`,
    ],
    [
      'check keeps its options and takes no digest',
      ['check', `${base}a.tar.zst`, '--root', "/it's here", '--json'],
      `curl -fLO ${base}a.tar.zst; then: kata-sysext check a.tar.zst --root '/it'\\''s here' --json`,
    ],
    [
      'adopt layered',
      ['adopt', 'layered', `${base}a.tar.zst`, '--handler', 'qemu', '--root', '/mnt/tree', '--yes'],
      `curl -fLO ${base}a.tar.zst; then: kata-sysext adopt layered a.tar.zst --handler qemu --root /mnt/tree --yes --digest sha256:HEX`,
    ],
    [
      'each of two addresses is fetched, beside a file',
      ['install', `${base}a.tar.zst`, 'b.tar.zst', `${base}c.tar.zst`, '--root', '/t'],
      `curl -fLO ${base}a.tar.zst; then: curl -fLO ${base}c.tar.zst; then: kata-sysext install a.tar.zst b.tar.zst c.tar.zst --root /t` +
        ' --digest sha256:HEX --digest sha256:HEX --digest sha256:HEX',
    ],
    [
      'a password and a query are not repeated',
      ['install', 'http://anna:pass@example.org/r/a.tar.zst?token=secret#x', '--signature', 'https://example.org/a.sig?token=secret'],
      "curl -fLO -u anna 'http://example.org/r/a.tar.zst?QUERY'; then: kata-sysext install a.tar.zst --signature 'https://example.org/a.sig?QUERY' --digest sha256:HEX",
    ],
    [
      'an address to download stays as it is, without its query',
      ['install', 'ftp://example.org/a.tar.zst?token=secret', 'https://example.org/b.tar.zst?token=secret'],
      "curl -fLO 'ftp://example.org/a.tar.zst?QUERY'; then: kata-sysext install a.tar.zst 'https://example.org/b.tar.zst?QUERY' --digest sha256:HEX --digest sha256:HEX",
    ],
  ];
  for (const [title, argv, next] of rows)
    it(title, async () => {
      const parsed = await parse(argv, '0');

      assert.ok(parsed.kind === 'verb');
      assert.throws(
        () => refuseAddresses(parsed.verb, parsed.words, argv),
        (error: KataError) => {
          assert.equal(error.complaint.next, next);
          assert.doesNotMatch(JSON.stringify(error.complaint), /secret|pass@/);
          return error.code === 'usage';
        },
      );
    });
});
