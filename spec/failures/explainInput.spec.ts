import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { checkJson } from '../support/judges/schemas.ts';
import { program, repo } from '../support/program.ts';

const line = '  Warning  FailedCreatePodSandBox  22s  kubelet  failed to get sandbox runtime: no runtime for "kata-clh" is configured\n';

function explain(words: string[], input: string | Buffer | undefined) {
  const stdio = input === undefined ? (['ignore', 'pipe', 'pipe'] as const) : undefined;
  const options = {
    cwd: repo,
    encoding: 'utf8' as const,
    ...(input === undefined ? {} : { input }),
    ...(stdio === undefined ? {} : { stdio: [...stdio] }),
  };
  return spawnSync(process.execPath, [program(), 'explain', ...words], options);
}

describe('explain on standard input', function () {
  this.timeout(120_000);

  it('answers with cause and next command, by itself and with -', () => {
    const [piped, dashed] = [explain([], line), explain(['-'], line)];

    assert.deepEqual([piped.status, piped.stdout], [dashed.status, dashed.stdout]);
    assert.equal(piped.status, 0);
    assert.match(
      piped.stdout,
      /^! engine-no-handler\n {4}line: .*\n {4}cause: .*\n {4}next: {3}kata-sysext status .*\n {12}kata-sysext install BUNDLE --add-handler kata-clh /,
    );
  });

  it('gives one JSON object of the kind Explanation', () => {
    const { stdout, status } = explain(['--json'], `${line}avc:  denied  { read }\n`);

    const body = JSON.parse(stdout) as { kind: string; failures: { id: string }[] };
    assert.equal(status, 0);
    assert.deepEqual([body.kind, body.failures.map(({ id }) => id)], ['Explanation', ['engine-no-handler', 'selinux-denied']]);
    checkJson(body);
  });

  it('shows no character that a terminal acts on', () => {
    const { stdout } = explain([], `\u001b]0;owned\u0007\u202e timed out connecting to vsock \u001b[2J1:1024\n`);

    assert.match(stdout, /! agent-timeout/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
    assert.ok(!/[\u0000-\u0009\u000b-\u001f\u007f\u202e]/.test(stdout));
  });

  it('says of what it does not know that it does not, with a status and what to do', () => {
    const { status, stderr } = explain([], 'Normal  Started  kubelet  Started container\n');

    assert.equal(status, 1);
    assert.match(stderr, /failure-unknown/);
    assert.match(stderr, /kata-sysext report -o FILE/);
  });

  it('says that it waits where an open pipe brings nothing', async () => {
    const child = spawn(process.execPath, [program(), 'explain', '--progress', 'plain'], { cwd: repo });
    let told = '';

    for await (const piece of child.stderr) {
      told += String(piece);
      if (told.includes('standard input')) child.stdin.end(line);
    }

    assert.match(told, /reading lines of events or logs from standard input/);
  });

  it('lists the codes where nothing is handed over, and asks for lines where - is said', () => {
    const [none, empty, asked] = [explain([], undefined), explain([], ''), explain(['-'], '')];

    assert.match(none.stdout, /^usage {2,}/);
    assert.match(empty.stdout, /^usage {2,}/);
    assert.deepEqual([none.status, empty.status, asked.status], [0, 0, 1]);
  });

  it('ends at the bound of an input that does not end', () => {
    const { status, stdout } = spawnSync(
      '/bin/sh',
      ['-c', `yes '${line.trim()}' | "$0" --import tsx cli/main.ts explain`, process.execPath],
      { cwd: repo, encoding: 'utf8' },
    );

    assert.equal(status, 0);
    assert.match(stdout, /\nOnly the first \d+ lines were read\.\n$/);
  });

  it('still explains a code, whatever stands in front of it', () => {
    const { stdout, status } = explain(['lock-held'], line);

    assert.equal(status, 0);
    assert.match(stdout, /^lock-held \(exit status 75\)/);
  });
});
