import assert from 'node:assert/strict';
import { escaped, escapingStream, reporter } from '../../cli/output/index.ts';
import { run } from '../support/program.ts';

/** One of each kind that a terminal acts on or that turns a line around. */
const hostile = [
  0x00, 0x07, 0x08, 0x0b, 0x0d, 0x1b, 0x7f, 0x85, 0x9b, 0x9d, 0xad, 0x61c, 0x200b, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e,
  0x2060, 0x2066, 0x2069, 0xfeff, 0xe0041,
].map((code) => String.fromCodePoint(code));

describe('what is printed', () => {
  it('has no sign that a terminal acts on; newline, tab and all letters stay', () => {
    const kept = 'kata-qemu → ●◦✓ “4 GB” é 漢字 😀\n\tx';

    const seen = hostile.map(escaped);

    assert.equal(escaped(kept), kept);
    for (const [index, text] of seen.entries()) {
      assert.match(text, /^(\\u[0-9a-f]{4}){1,2}$/);
      assert.equal(JSON.parse(`"${text}"`), hostile[index]);
    }
  });

  it('is escaped in JSON without a change of its value', () => {
    const value = { found: hostile.join('|'), next: 'a\nb\tc' };

    const text = escaped(JSON.stringify(value));

    assert.deepEqual(JSON.parse(text), value);
    assert.match(text, /^[\x20-\x7e]+$/);
  });

  it('keeps what the reporter itself tells the terminal, and escapes what came from elsewhere', () => {
    const wrote: string[] = [];
    const stream = escapingStream({ columns: 20, write: (text: string) => wrote.push(text) });
    const progress = reporter('tty', stream, () => 0);

    progress.emit({ kind: 'bytes', name: 'a\u001b[31m', doneBytes: 1 });
    progress.emit({ kind: 'warning', text: 'b\u009b2J\u202e' });

    assert.deepEqual(wrote, ['\r\u001b[K', '  a\\u001b[31m: 1 B', '\n', 'warning: b\\u009b2J\\u202e\n']);
  });

  it('fits terminals that say they have no columns, or one', () => {
    for (const [columns, expected] of [
      [0, 79],
      [1, 1],
      [2, 1],
      [40, 39],
    ] as const) {
      const wrote: string[] = [];
      const progress = reporter('tty', { columns, write: (text: string) => wrote.push(text) }, () => 0);

      progress.emit({ kind: 'bytes', name: 'x'.repeat(100), doneBytes: 1 });

      assert.equal(wrote.at(-1)?.length, expected, String(columns));
    }
  });

  it('of a hostile word on the command line is harmless, as text and as JSON', async () => {
    const word = hostile.slice(1).join('');

    const text = await run(['explain', word]);
    const json = await run(['explain', word, '--json']);

    for (const { status, stdout, stderr } of [text, json]) {
      assert.equal(status, 2);
      assert.match(stdout + stderr, /\\u001b/);
      assert.doesNotMatch((stdout + stderr).replace(/[\n\t]/g, ''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }
    assert.equal((JSON.parse(json.stdout) as { subject: string }).subject, word);
  });
});
