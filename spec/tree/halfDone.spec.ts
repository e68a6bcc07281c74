import assert from 'node:assert/strict';
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

  before(async () => {
    ({ first } = await releases());
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
});
