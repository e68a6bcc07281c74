import assert from 'node:assert/strict';
import { run } from '../support/program.ts';

/** What a person sees who types the wrong thing first. */
describe('the first words that people type', () => {
  it('nothing, -h and help print the verbs and end with 0; -V and version the version', async () => {
    const all = await Promise.all([[], ['-h'], ['help'], ['--help']].map((args) => run(args)));
    const versions = await Promise.all([['-V'], ['version'], ['--version']].map((args) => run(args)));

    for (const { status, stdout, stderr } of all) {
      assert.deepEqual([status, stderr], [0, '']);
      assert.equal(stdout, all[0]!.stdout);
    }
    for (const { status, stdout } of versions) assert.deepEqual([status, stdout], [0, versions[0]!.stdout]);
  });

  it('upgrade ends with 2 and names install, as text and as JSON', async () => {
    const text = await run(['upgrade', 'x.tar']);
    const json = await run(['upgrade', 'x.tar', '--json']);

    assert.deepEqual([text.status, json.status, text.stdout], [2, 2, '']);
    assert.match(text.stderr, /^error: there is no verb “upgrade”; install does that\n.*\n {2}next: {3}kata-sysext help install\n/);
    assert.equal((JSON.parse(json.stdout) as { subject: string }).subject, 'upgrade');
  });

  it('explain says by which status an interrupted change ends', async () => {
    const { stdout } = await run(['explain', 'interrupted']);

    assert.match(stdout, /^interrupted \(exit status 128 \+ N\)$/m);
  });
});
