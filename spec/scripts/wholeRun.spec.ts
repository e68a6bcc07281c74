import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import type { Sum } from '../../scripts/tierRun.ts';
import { repo } from '../support/program.ts';
import { textFiles } from '../support/textFiles.ts';

/** What a tier says that passes, after it has done something in its temporary folder or in that of the machine. */
const tier = (does: string) => `
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
const [own, machine] = [tmpdir(), process.env['MACHINE']];
${does}
console.log('\\n2 passed, 0 failed, 1 skipped');
`;

/** Runs two tiers that are both this program. */
const main = `
import { runTiers } from './scripts/wholeRun.ts';
const { sum, leftOut } = await runTiers(['one', 'two'], 7, process.env['PROGRAM'], 100, (process.env['PREPARING'] ?? '').split(' ').filter(Boolean));
console.log(JSON.stringify({ sum, leftOut }));
`;

describe('a run of the tiers', function () {
  this.timeout(300_000);
  const texts = textFiles();

  /** The words for Node, and how it is started. */
  function started(does: string, preparing = '') {
    const machine = `${texts.folder}/machine`;
    mkdirSync(machine, { recursive: true });
    const { KATA_SYSEXT_TIER: _own, ...outer } = process.env;
    const env = {
      ...outer,
      TMPDIR: machine,
      MACHINE: machine,
      PROGRAM: texts.put('tier.mjs', tier(does)),
      PREPARING: preparing,
      TSX_DISABLE_CACHE: '1',
    };
    return { machine, words: ['--import', 'tsx', '--input-type=module', '-e', main], options: { cwd: repo, env } };
  }

  function ran(does: string, preparing = '') {
    const { machine, words, options } = started(does, preparing);
    const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', ...options });
    assert.equal(stderr, '');
    const last = stdout.trim().split('\n').at(-1)!;
    return { ...(JSON.parse(last) as { sum: Sum; leftOut: string[] }), stdout, after: readdirSync(machine) };
  }

  it('adds up the tiers, and leaves nothing in the temporary folder', () => {
    const { sum, after } = ran('');

    assert.deepEqual(sum, { passed: 4, failed: 0, skipped: 2 });
    assert.deepEqual(after, []);
  });

  it('counts as failed what specs leave in the temporary folder of their tier, names it, and removes it', () => {
    const { sum, stdout, after } = ran("writeFileSync(own + '/left-here', '')");

    assert.deepEqual(sum, { passed: 4, failed: 2, skipped: 2 });
    assert.match(stdout, /# failed in tier one\n\nits specs left in their temporary folder: left-here/);
    assert.deepEqual(after, []);
  });

  it('counts as failed what specs leave in the temporary folder of the machine, but not beside another run of tests', () => {
    const alone = ran("writeFileSync(machine + '/kata-sysext-mine', '')");
    rmSync(`${texts.folder}/machine`, { recursive: true });
    const beside = ran("writeFileSync(machine + '/kata-sysext-mine', ''); writeFileSync(machine + '/kata-sysext-mocha-other', '')");
    rmSync(`${texts.folder}/machine`, { recursive: true });

    assert.deepEqual(
      [alone.sum, beside.sum].map(({ failed }) => failed),
      [1, 0],
    );
    assert.match(alone.stdout, /# failed in the temporary folder of the machine\n\nthe specs left kata-sysext-mine\n/);
    assert.match(beside.stdout, /the specs left kata-sysext-mine, or another run of tests did: not counted/);
  });

  it('starts what a tier needs beside the tiers, and waits for its end', () => {
    const done = `${texts.folder}/done`;
    const preparing = texts.put(
      'prepare.mjs',
      `import { writeFileSync } from 'node:fs'; setTimeout(() => writeFileSync('${done}', ''), 500);`,
    );

    const { sum, after } = ran('', preparing);

    assert.deepEqual(sum, { passed: 4, failed: 0, skipped: 2 });
    assert.equal(existsSync(done), true);
    assert.deepEqual(after, []);
  });

  for (const signal of ['SIGKILL', 'SIGHUP', 'SIGTERM'] as const)
    it(`leaves no tier behind that runs on when it ends by ${signal}`, async () => {
      const ending = JSON.stringify(`${repo}/scripts/ending.ts`);
      const { words, options } = started(
        `const { whenRunEnds } = await import(${ending}); whenRunEnds(() => { writeFileSync(machine + '/ended-' + process.argv[2], ''); process.exit(1); });
         writeFileSync(machine + '/runs-' + process.argv[2], ''); await new Promise((resolve) => setTimeout(resolve, 250_000));`,
      );
      const run = spawn(process.execPath, words, { ...options, stdio: 'ignore' });
      const gone = new Promise((resolve) => run.on('close', resolve));
      const there = async (name: string) => {
        while (!['one', 'two'].every((each) => existsSync(`${texts.folder}/machine/${name}-${each}`)))
          await new Promise((resolve) => setTimeout(resolve, 20));
      };
      await there('runs');

      run.kill(signal);

      await there('ended');
      await gone;
      rmSync(`${texts.folder}/machine`, { recursive: true });
    });

  it('hands all that was said to a slow reader', async () => {
    const ending = JSON.stringify(`${repo}/scripts/ending.ts`);
    const script = `const { exitWhenRead } = await import(${ending}); process.stdout.write('x'.repeat(1_000_000)); await exitWhenRead(3);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { cwd: repo });
    let length = 0;
    setTimeout(() => child.stdout.on('data', (piece: Buffer) => (length += piece.length)), 2000);

    const status = await new Promise((resolve) => child.on('close', resolve));

    assert.deepEqual([length, status], [1_000_000, 3]);
  });

  it('counts a tier that dies before its sum as failed, and names one that was left out', () => {
    const died = ran("console.log('the last words'); process.exit(0)");
    const left = ran("console.log('left out, it needs root')");

    assert.deepEqual(died.sum, { passed: 0, failed: 2, skipped: 0 });
    assert.match(died.stdout, /# failed in tier two\n\nthe last words/);
    assert.deepEqual(left.leftOut.sort(), ['one', 'two']);
  });
});
