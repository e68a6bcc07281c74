import assert from 'node:assert/strict';
import { coloured, escapingStream, reporter, takesColour } from '../../cli/output/index.ts';

describe('progress', () => {
  const shown = (event: { doneBytes: number; totalBytes?: number }, seconds: number): string => {
    const lines: string[] = [];
    let now = 0;
    const { emit } = reporter('plain', { write: (text: string) => lines.push(text) }, () => now);
    emit({ kind: 'bytes', name: 'unpack', doneBytes: 0, ...(event.totalBytes !== undefined && { totalBytes: event.totalBytes }) });
    now = seconds * 1000;
    emit({ kind: 'bytes', name: 'unpack', ...event });
    return lines.at(-1)!.trimEnd();
  };

  it('has bytes, per cent, rate, and the time that is left', () => {
    assert.equal(shown({ doneBytes: 250e6, totalBytes: 1000e6 }, 10), '  unpack: 250 MB of 1.0 GB (25 %), 25 MB/s, 30 s left');
    assert.equal(shown({ doneBytes: 10e6, totalBytes: 1000e6 }, 10), '  unpack: 10 MB of 1.0 GB (1 %), 1.0 MB/s, 17 min left');
    assert.equal(shown({ doneBytes: 1e6, totalBytes: 1000e6 }, 10), '  unpack: 1.0 MB of 1.0 GB (0 %), 100 kB/s, 3 h left');
  });

  it('has no time at its end, and no per cent of an unknown whole', () => {
    assert.equal(shown({ doneBytes: 1000e6, totalBytes: 1000e6 }, 10), '  unpack: 1.0 GB of 1.0 GB (100 %), 100 MB/s');
    assert.equal(shown({ doneBytes: 10e6 }, 10), '  unpack: 10 MB, 1.0 MB/s');
    assert.equal(shown({ doneBytes: 0, totalBytes: 0 }, 10), '  unpack: 0 B of 0 B');
  });
});

describe('many small steps', () => {
  const shown = (mode: 'tty' | 'plain'): string => {
    let text = '';
    const { emit, close } = reporter(mode, { write: (more: string) => (text += more), columns: 30 });
    emit({ kind: 'step', name: 'folder', detail: 'make the folder /etc/kata-sysext', number: 1, total: 12 });
    emit({ kind: 'step', name: 'file', detail: 'edit /etc/a', number: 2, total: 12 });
    emit({ kind: 'phase', name: 'restart', detail: 'restart a.service' });
    emit({ kind: 'step', name: 'file', detail: 'edit /etc/b', number: 12, total: 12 });
    close();
    return text;
  };

  it('take one line of a terminal, no longer than that, until something that lasts', () => {
    assert.equal(
      shown('tty').replaceAll('\r\u001b[K', '|'),
      '|› 1/12 make the folder /etc/k|› 2/12 edit /etc/a\n› restart a.service\n|› 12/12 edit /etc/b\n',
    );
  });

  it('are a line each in a log', () => {
    assert.equal(shown('plain'), '› make the folder /etc/kata-sysext\n› edit /etc/a\n› restart a.service\n› edit /etc/b\n');
  });
});

describe('colour', () => {
  it('is on the sign that begins a line, and on differences', () => {
    assert.equal(coloured('✓ install: done\n  ! warning'), '\u001b[32m✓\u001b[0m install: done\n  \u001b[33m!\u001b[0m warning');
    assert.equal(coloured('error: no\n'), '\u001b[31merror:\u001b[0m no\n');
    assert.equal(coloured('       +[plugins]\n       -[a]'), '       \u001b[32m+[plugins]\u001b[0m\n       \u001b[31m-[a]\u001b[0m');
    assert.equal(coloured('the ✓ in a line, and !important'), 'the ✓ in a line, and !important');
  });

  const rows: [mode: 'auto' | 'always' | 'never', isTTY: boolean, env: Record<string, string>, on: boolean][] = [
    ['auto', true, {}, true],
    ['auto', true, { NO_COLOR: '1' }, false],
    ['auto', true, { NO_COLOR: '' }, true],
    ['auto', true, { TERM: 'dumb' }, false],
    ['auto', false, {}, false],
    ['always', false, { NO_COLOR: '1' }, true],
    ['never', true, {}, false],
  ];
  for (const [mode, isTTY, env, on] of rows)
    it(`${mode}, ${isTTY ? 'a terminal' : 'no terminal'}, ${JSON.stringify(env)}: ${on}`, () => {
      assert.equal(takesColour(mode, isTTY, env), on);
    });

  it('comes behind the escaping: a control character of the host stays escaped', () => {
    const written: string[] = [];
    escapingStream({ write: (text: string) => written.push(text) }, coloured).write('! \u001b[31m\n');

    assert.deepEqual(written, ['\u001b[33m!\u001b[0m \\u001b[31m\n']);
  });
});
