import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KataError } from '../../cli/errors/index.ts';
import { openHost } from '../../cli/host/index.ts';
import { errorText } from '../../cli/output/index.ts';
import { nextId, readHistory } from '../../cli/store/history.ts';
import { lastNumber } from '../../cli/store/index.ts';

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
});
