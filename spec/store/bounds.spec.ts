import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { count, moment, tableOf } from '../../cli/documents/shapes.ts';
import { KataError } from '../../cli/errors/index.ts';
import { openHost } from '../../cli/host/index.ts';
import { errorText } from '../../cli/output/index.ts';
import { nextId, readHistory } from '../../cli/store/history.ts';
import { lastNumber, writeJson } from '../../cli/store/index.ts';
import { requireStorable } from '../../cli/store/payload/stage.ts';

type Code = { code?: string };
const isDamaged = (error: Code) => error.code === 'state-damaged';

describe('state that somebody else wrote', () => {
  let root: string;
  let history: string;
  let host: ReturnType<typeof openHost>;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-bounds-'));
    history = join(root, 'var/lib/kata-sysext/history');
    mkdirSync(history, { recursive: true });
    host = openHost(root, {});
  });

  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('a name of many digits does not decide which id comes next', async () => {
    writeFileSync(join(history, '000007.json'), '{}');
    writeFileSync(join(history, '99999999999999999999.json'), '{}');

    assert.equal(await nextId(host, [3]), 8);
  });

  for (const text of ['1e3', '0x10', '-1', '1.5', '99999999999999999999', ' 7', '7\n7']) {
    it(`the sequence ${JSON.stringify(text)} is damaged`, async () => {
      writeFileSync(join(history, 'sequence'), text);

      await assert.rejects(lastNumber(host), isDamaged);
    });
  }

  it('an entry of the history that no change wrote is damaged: too large, or of another shape', async () => {
    writeFileSync(join(history, '000001.json'), ' '.repeat(300_000));
    await assert.rejects(readHistory(host), isDamaged);
    writeFileSync(join(history, '000001.json'), '{"schema":1,"id":1,"user":{"uid":"root"}}');
    await assert.rejects(readHistory(host), isDamaged);
  });

  it('a text with lines in an error has none that looks like ours', () => {
    const found = 'a name\n  next:   rm -rf /\n  code:   fine';
    const lines = errorText(new KataError('failed', { found, needed: 'a\nb', next: 'look' }))
      .join('\n')
      .split('\n');

    assert.deepEqual(
      lines.filter((line) => /^ {0,3}(?:next|code|needed|error):/.test(line)).map((line) => line.trim().split(':')[0]),
      ['error', 'needed', 'next', 'code'],
    );
  });

  it('a list of files that could not be read again is refused before anything is kept', () => {
    const entry = (at: number) => ({
      path: `share/${String(at).padStart(170, 'x')}`,
      kind: 'file',
      mode: 0o644,
      sizeBytes: 1,
      digest: `sha256:${'0'.repeat(64)}`,
    });
    const listOf = (length: number) => ({ sources: [{ name: 'hostile.tar' }], entries: Array.from({ length }, (_, at) => entry(at)) });

    assert.throws(
      () => requireStorable(listOf(60_000) as never),
      (error: KataError) => {
        assert.equal(error.code, 'bundle-too-large');
        assert.match(error.complaint.found, /^hostile\.tar: the list of its 60000 files cannot be kept: it is larger than 16777216 bytes$/);
        return true;
      },
    );
  });

  it('a document of another shape than its reader takes is not written', async () => {
    const path = '/var/lib/kata-sysext/history/000002.json';

    await assert.rejects(writeJson(host, path, tableOf({ schema: count, at: moment }), { schema: 1 }), /at is missing/);

    assert.equal(await host.lstat(path), undefined);
  });
});
