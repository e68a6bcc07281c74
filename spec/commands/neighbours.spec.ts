import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import type { KataError } from '../../cli/errors/index.ts';
import { editDistance } from '../../cli/errors/suggest.ts';
import { openHost } from '../../cli/host/index.ts';
import { findEngine } from '../../cli/preflight/engine.ts';
import { run } from '../support/program.ts';

describe('a mistyped word of a known list', () => {
  const rows: [argv: string[], hint: string][] = [
    [['explain', 'host-spce'], 'there is no code “host-spce”; did you mean host-space?'],
    [['completion', 'bahs'], 'did you mean bash?'],
    [['generate', 'ignitoin', 'x.tar', '-o', '/nowhere', '--target', 'fcos'], 'did you mean ignition?'],
    [['generate', 'ignition', 'x.tar', '-o', '/nowhere', '--target', 'fcso'], 'did you mean fcos?'],
    [['adopt', 'layerd', 'x.tar'], 'did you mean layered?'],
    [['install', 'x.tar', '--allow', 'host-bsuy'], 'did you mean host-busy?'],
  ];
  for (const [argv, hint] of rows)
    it(argv.join(' '), async () => {
      const { status, stderr } = await run([...argv, '--root', tmpdir()]);

      assert.equal(status, 2, stderr);
      assert.ok(stderr.includes(hint), stderr);
    });

  it('the name of an engine', async () => {
    await assert.rejects(findEngine(openHost(tmpdir(), {}), 'conatinerd@1.7'), (error: KataError) => {
      assert.equal(error.complaint.found, '--engine conatinerd; did you mean containerd?');
      return true;
    });
  });

  it('nothing like it: no neighbour', async () => {
    const { stderr } = await run(['explain', 'zebra']);

    assert.doesNotMatch(stderr, /did you mean/);
  });

  it('two letters that changed places are one mistake', () => {
    const distances = [editDistance('bahs', 'bash'), editDistance('plian', 'plain'), editDistance('bash', 'fish'), editDistance('', 'abc')];

    assert.deepEqual(distances, [1, 1, 2, 3]);
  });
});
