import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Arch, compilable, nodeReport } from '../../scripts/helpers.ts';
import { removeAfter } from '../support/endings.ts';
import { needs } from '../support/needs.ts';

const whole = { apiVersion: 'kata-sysext/v1', kind: 'NodeReport', ready: true, reason: 'the node has what is requested' };
const text = (more: object = {}) => `${JSON.stringify({ ...whole, ...more }, null, 2)}\n`;

describe('the reporter of a node pod', function () {
  this.timeout(60_000);
  const arch = process.arch as Arch;
  let folder: string;
  let program: string;
  let count = 0;

  before(function () {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-reporter-'));
    if (!compilable().includes(arch)) {
      console.log('      left out: no C compiler on this machine: see .ci/packages.txt');
      return this.skip();
    }
    program = join(folder, 'report');
    writeFileSync(program, nodeReport(arch), { mode: 0o755 });
  });
  removeAfter(() => folder);

  function ready(content: string | Buffer): { status: number | null; said: string } {
    count += 1;
    const file = join(folder, `report-${count}.json`);
    writeFileSync(file, content);
    return readyAt(file);
  }

  function readyAt(file: string): { status: number | null; said: string } {
    const { status, stdout } = spawnSync(program, ['ready', file], { encoding: 'buffer', timeout: 30_000 });
    return { status, said: stdout.toString() };
  }

  it('prints the reason, and ends as the node is', () => {
    const rows: [string, number, string][] = [
      [text(), 0, 'the node has what is requested'],
      [text({ ready: false, reason: 'it failed here' }), 1, 'it failed here'],
      [JSON.stringify({ ...whole, reason: 'on one line, é ✓ 漢 😀' }), 0, 'on one line, é ✓ 漢 😀'],
      [`\r\n\t${JSON.stringify({ nested: [{}, [], { ready: false, reason: 'inner' }, 1.5e-7, null], ...whole })} `, 0, whole.reason],
    ];

    const said = rows.map(([content]) => ready(content));

    assert.deepEqual(
      said,
      rows.map(([, status, reason]) => ({ status, said: `${reason}\n` })),
    );
  });

  it('counts keys of the outermost object alone: not those in a text, nor deeper ones', () => {
    const rows: [string, string][] = [
      [text({ ready: false, reason: '"ready": true' }), '"ready": true'],
      [text({ ready: false, reason: 'a\n  "ready": true,\n' }), 'a   "ready": true, '],
      [text({ ready: false, more: { ready: true } }), whole.reason],
      [text({ ready: false, more: [{ ready: true }] }), whole.reason],
      [text({ ready: false, 'ready ': true }), whole.reason],
      [text({ ready: false, reason: '\\' }), '\\'],
      [text({ ready: false, reason: '\\", "ready": true, "x": "' }), '\\", "ready": true, "x": "'],
    ];

    const said = rows.map(([content]) => ready(content));

    assert.deepEqual(
      said,
      rows.map(([, reason]) => ({ status: 1, said: `${reason}\n` })),
    );
  });

  it('is not ready by what is no whole report', () => {
    const report = text();
    const cuts = Array.from({ length: report.length - 2 }, (_, at) => report.slice(0, at));
    const broken = [
      ...cuts,
      `${report}x`,
      `${report}{}`,
      `${report}\0`,
      `\0${report}`,
      `[${report}]`,
      'true',
      '"ready": true',
      '{"kind":"NodeReport","reason":"a","ready":true,}',
      '{"kind":"NodeReport","reason":"a","ready":true]',
      '{"kind":"NodeReport","reason":"a","ready":"true"}',
      '{"kind":"NodeReport","reason":"a","ready":trueish}',
      '{"kind":"NodeReport","reason":"a","ready":1}',
      '{"kind":"NodeReport","reason":"a","ready":false,"ready":true}',
      '{"kind":"NodeReport","reason":"a","ready":false,"\\u0072eady":true}',
      text({ ready: false, '"ready": true': '"ready": true' }),
      '{"kind":"NodeReport","reason":["a"],"ready":true}',
      '{"kind":"NodeReport","ready":true}',
      '{"kind":"Other","reason":"a","ready":true}',
      '{"kind":"NodeReport","reason":"a\nb","ready":true}',
      '{"kind":"NodeReport","reason":"\\x","ready":true}',
      `{"kind":"NodeReport","reason":"a","ready":true,"deep":${'['.repeat(60_000)}`,
      Buffer.from([0xff, 0xfe, 0x00, 0x7b, 0x22]),
      Buffer.alloc(60_000, '{"'),
      Buffer.from(Array.from({ length: 60_000 }, (_, at) => (at * 167) % 256)),
    ];

    const said = broken.map((content) => ready(content));

    assert.deepEqual([...new Set(said.map(({ status }) => status))], [1]);
    for (const { said: line } of said) assert.match(line, /^the report cannot be read: [^\n]+\n$/);
  });

  it('prints one line of text, whatever the reason has', () => {
    const bytes = Buffer.concat([
      Buffer.from('{"kind":"NodeReport","ready":true,"reason":"a\\u001b[31m\\n\\ud800'),
      Buffer.from([0x7f, 0xc2, 0x9b, 0xff, 0xc3, 0xe2, 0x82, 0xed, 0xa0, 0x80, 0xc0, 0xaf]),
      Buffer.from('b"}'),
    ]);

    const [odd, long] = [ready(bytes), ready(text({ reason: '漢'.repeat(20_000) }))];

    assert.deepEqual([odd.status, long.status], [0, 0]);
    assert.match(odd.said, /^a\?\[31m \?{8,14}b\n$/);
    assert.match(long.said, /^漢{600,700}\n$/);
  });

  it('opens nothing but a regular file of at most 64 KiB', function () {
    needs(this, 'mkfifo');
    const padded = (bytes: number) => `${text().trimEnd()}${' '.repeat(bytes - text().trimEnd().length)}`;
    const [pipe, link, inside] = [join(folder, 'pipe'), join(folder, 'link'), join(folder, 'inside')];
    spawnSync('mkfifo', [pipe]);
    writeFileSync(inside, text());
    symlinkSync(inside, link);
    mkdirSync(join(folder, 'folder'));

    const sizes = [ready(padded(65_536)), ready(padded(65_537)), ready(Buffer.alloc(5_000_000, ' '))];
    const others = [pipe, link, join(folder, 'folder'), '/dev/null', join(folder, 'none')].map(readyAt);

    assert.deepEqual(
      sizes.map(({ status }) => status),
      [0, 1, 1],
    );
    assert.equal(sizes[1]!.said, 'the report is larger than 64 KiB\n');
    assert.deepEqual(
      others.map(({ said }) => said.trim()),
      [
        'the report is not a regular file',
        'the report cannot be opened',
        'the report is not a regular file',
        'the report is not a regular file',
        'no report yet',
      ],
    );
    assert.deepEqual([...new Set(others.map(({ status }) => status))], [1]);
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`waits without a word until ${signal}, and ends with 0`, async () => {
      const waiting = spawn(program, ['wait'], { stdio: ['ignore', 'pipe', 'pipe'] });
      await waitsIn(waiting);

      waiting.kill(signal);
      const [status] = (await once(waiting, 'exit')) as [number | null];

      assert.equal(status, 0);
    });
  }

  it('does so as process 1', async function () {
    needs(this, 'root', 'unshare');
    const shell = spawn('unshare', ['--pid', '--fork', program, 'wait'], { stdio: 'ignore' });
    await once(shell, 'spawn');
    const one = await childOf(shell.pid!);
    await waitsIn({ pid: one } as ChildProcess);

    process.kill(one, 'SIGTERM');
    const [status] = (await once(shell, 'exit')) as [number | null];

    assert.equal(status, 0);
  });

  it('says how it is used', () => {
    const runs = [[], ['wait', 'x'], ['ready', 'a', 'b'], ['other']].map((words) => spawnSync(program, words, { encoding: 'utf8' }));

    assert.deepEqual(
      runs.map(({ status, stdout }) => [status, stdout]),
      runs.map(() => [1, 'usage: report wait, report ready [FILE]\n']),
    );
  });
});

/** Waits until a process is this program and sleeps: in its one system call, then. */
async function waitsIn({ pid }: Pick<ChildProcess, 'pid'>): Promise<void> {
  for (let tries = 0; tries < 15_000; tries++) {
    if (/^\d+ \(report\) S /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) return;
    await sleep(2);
  }
  throw new Error(`process ${pid} does not wait`);
}

async function childOf(pid: number): Promise<number> {
  for (let tries = 0; tries < 15_000; tries++) {
    const child = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    if (child !== '') return Number(child);
    await sleep(2);
  }
  throw new Error(`process ${pid} has no child`);
}
