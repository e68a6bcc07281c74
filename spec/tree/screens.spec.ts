import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const handler = 'kata-qemu-runtime-rs';

describe('status and history', () => {
  let host: TreeHost;
  let names: string[];

  before(async () => {
    const { first, second } = await releases();
    names = [first, second];
    host = treeHost('fcos');
    await host.json(['install', first, '--alias', 'kata=qemu-runtime-rs']);
    await host.json(['configure', '--set', 'default_memory=4096', '--profile', 'debug']);
    await host.json(['install', second, '--stage']);
    await host.json(['pin', '1']);
  });
  after(() => host.remove());

  it('status has a header, a row for each generation, and the files that have the wiring', async () => {
    const { stdout } = await host.run(['status']);
    const { engine, generations } = (await host.json(['status'])) as {
      engine: { files: string[]; method: string };
      generations: { number: number; sandboxes: number; sizeBytes: number }[];
    };

    const [head, ...rows] = stdout.split('\n');
    assert.match(head!, /^ {2}GENERATION +STATE +RELEASE +HANDLERS +SETTINGS +AGE +SIZE +SANDBOXES +BACKEND +NOTES$/);
    assert.match(rows[0]!, new RegExp(`^◦ 1 +retired +4\\S+ +${handler} +\\d+ (s|min) +\\d+ kB +0 +prefix +pinned$`));
    assert.match(rows[1]!, new RegExp(`^ +kata → ${handler}$`));
    assert.match(rows[2]!, new RegExp(`^● 2 +staged +4\\S+ +${handler} +profile debug, 1 setting +\\d+ (s|min) `));
    assert.match(rows[4]!, /^ {2}3 +staged .* activate switches to it$/);
    assert.ok(stdout.includes(`\nwired into containerd: ${engine.files.join(', ')} (${engine.method})\n`));
    assert.ok(generations.every(({ sandboxes, sizeBytes }) => sandboxes === 0 && sizeBytes > 0));
  });

  it('status -v shows what its help says: settings, sources, payloads and times', async () => {
    const { stdout } = await host.run(['status', '--verbose']);

    for (const line of [
      /^generation 2:$/m,
      /^ {2}made: {4}2\d{3}-\d\d-\d\dT/m,
      /^ {2}source: {2}\S+\.tar\.zst sha256:[0-9a-f]{64}$/m,
      /^ {2}payload: sha256:[0-9a-f]{64}\n {11}in \/usr\/local\/libexec\/kata-sysext\/tree\//m,
      new RegExp(`^  set: {5}${handler}: profile debug; hypervisor\\.qemu\\.default_memory = 4096$`, 'm'),
    ])
      assert.match(stdout, line);
  });

  it('history has a header, and for each change who asked for it and by what', async () => {
    const { stdout } = await host.run(['history']);
    const { entries } = (await host.json(['history'])) as { entries: { cause: string; user?: { uid: number } }[] };

    const [head, ...rows] = stdout.trimEnd().split('\n');
    assert.match(head!, /^CHANGE {2}TIME +AGE +VERB +GENERATION +RESULT +SECONDS +USER +CAUSE$/);
    assert.match(rows[0]!, /^1 +2\S+Z +\d+ (s|min) +install +– → 1 +done +[\d.]+ +\S+ +install \S+\.tar\.zst$/);
    assert.deepEqual(
      entries.map(({ cause }) => cause),
      [`install ${names[0]}`, 'configure --profile debug', `install ${names[1]} --stage`, 'pin 1'],
    );
    assert.ok(entries.every(({ user }) => Number.isSafeInteger(user?.uid)));
  });

  it('an entry of a boot names no user, and hostile bytes of a record reach no terminal', async () => {
    const other = treeHost('fcos');
    mkdirSync(other.path('var/lib/kata-sysext/history'), { recursive: true });
    const head = { schema: 1, id: 1, verb: 'boot', at: '2026-01-01T00:00:00Z', cause: 'boot guard (settle)' };
    const entry = { ...head, result: 'undone', restarted: [], seconds: 1 };
    const evidence = ['\u001b]0;title\u0007 \u202eabc'];
    writeFileSync(other.path('var/lib/kata-sysext/history/000001.json'), JSON.stringify({ ...entry, evidence, leftovers: [] }));

    const { stdout } = await other.run(['history', '1']);
    const json = await other.run(['history', '1', '--json']);

    other.remove();
    assert.match(
      stdout,
      /^CHANGE {2}TIME +AGE +VERB +RESULT +SECONDS +CAUSE\n1 {7}2026-01-01T00:00:00Z {2}\d+ d .* boot guard \(settle\)\n/,
    );
    assert.ok(stdout.includes(' | \\u001b]0;title\\u0007 \\u202eabc\n'), stdout);
    assert.ok(!json.stdout.includes('\u202e'));
    assert.deepEqual((JSON.parse(json.stdout) as { entries: { evidence: string[] }[] }).entries[0]!.evidence, evidence);
  });

  it('history of a change that was not undone whole has the next step of each file that is left', async () => {
    const other = treeHost('fcos');
    mkdirSync(other.path('var/lib/kata-sysext/history'), { recursive: true });
    const head = { schema: 1, id: 1, verb: 'install', at: '2026-01-01T00:00:00Z', cause: 'install' };
    const leftovers = [{ path: '/etc/x', found: 'edited', next: 'look at it: cat /etc/x' }];
    const entry = { ...head, result: 'not-restored', restarted: [], seconds: 1, evidence: [], leftovers };
    writeFileSync(other.path('var/lib/kata-sysext/history/000001.json'), JSON.stringify(entry));

    const { stdout } = await other.run(['history', '1']);

    other.remove();
    assert.ok(stdout.endsWith('  left: /etc/x: edited\n  next: look at it: cat /etc/x\n'), stdout);
  });
});
