import assert from 'node:assert/strict';
import type { HostView, RunOptions } from '../../cli/host/index.ts';
import { entryText, messageId, writeSystemJournal } from '../../cli/runner/systemJournal.ts';

const ended = { verb: 'install', id: 4, result: 'done', from: 1, to: 2, release: '4.1.0', seconds: 3.2 } as const;

describe('the line in the journal of systemd', () => {
  it('has a field for each thing, and a message for people', () => {
    const text = entryText(ended);

    assert.match(messageId, /^[0-9a-f]{32}$/);
    assert.equal(
      text,
      `MESSAGE_ID=${messageId}
MESSAGE=change 4 (install, generation 1 to 2, Kata 4.1.0): done
PRIORITY=5
SYSLOG_IDENTIFIER=kata-sysext
KATA_SYSEXT_VERB=install
KATA_SYSEXT_CHANGE=4
KATA_SYSEXT_RESULT=done
KATA_SYSEXT_FROM=1
KATA_SYSEXT_TO=2
KATA_SYSEXT_RELEASE=4.1.0
KATA_SYSEXT_SECONDS=3.2
`,
    );
  });

  it('nothing that a release or an error says begins another field, or is without end', () => {
    const text = entryText({ ...ended, release: '4\nMESSAGE_ID=0\r\nX=1', reason: `${'x'.repeat(100_000)}\u2028\u001b[31m` });

    const names = text
      .trimEnd()
      .split('\n')
      .map((line) => line.split('=', 1)[0]!);
    assert.equal(names.length, new Set(names).size);
    assert.ok(!names.includes('X') && text.length < 4000);
    assert.match(text, /^KATA_SYSEXT_RELEASE=4 MESSAGE_ID=0 X=1$/m);
  });

  it('is written on a live host, and a program that fails or is missing is no failure of the change', async () => {
    const calls: [string, string[], RunOptions | undefined][] = [];
    const run: HostView['run'] = async (program, args, options) => {
      calls.push([program, args, options]);
      throw new Error('no such program');
    };
    const host = (view: Partial<HostView>) => ({ booted: true, image: false, run, ...view }) as HostView;

    await writeSystemJournal(host({}), ended);
    await writeSystemJournal(host({ booted: false }), ended);
    await writeSystemJournal(host({ image: true }), ended);

    const [[program, args, options]] = calls as [(typeof calls)[0]];
    assert.deepEqual([calls.length, program, args, options?.input], [1, 'logger', ['--journald'], entryText(ended)]);
    assert.ok((options?.timeoutMs ?? 0) > 0);
  });
});
