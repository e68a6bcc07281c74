import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { codes } from '../../cli/errors/index.ts';
import { digestOf } from '../../cli/host/index.ts';
import { foreignElf } from '../support/archives/elf.ts';
import { json, run } from '../support/program.ts';
import { releases } from '../support/trees/treeHost.ts';

const digest = `sha256:${'1'.repeat(64)}`;

/** What somebody who generates is told at once, and a node would otherwise say at every boot. */
describe('generate: what cannot work', function () {
  this.timeout(900_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-refusals-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const words = (kind: string, target: string, more: string[], address = 'https://files.example.org/kata/kata.tar.zst', name = 'out') => [
    ...['generate', kind, address, '--digest', digest, '--program', 'https://files.example.org/kata/p', '--program-digest', digest],
    ...['--target', target, '-o', join(folder, name), ...more],
  ];

  const rows: [what: string, more: string[], code: string][] = [
    ['a handler that there is not', ['--handler', 'qmu'], 'handler-unknown'],
    ['an alias without a handler', ['--alias', 'kata'], 'usage'],
    ['a setting without a value', ['--set', 'garbage'], 'usage'],
    ['a profile that there is not', ['--profile', 'fast'], 'profile-unknown'],
    ['an engine that there is not', ['--engine', 'rkt'], 'usage'],
    ['an engine with a version that is none', ['--engine', 'crio@x'], 'usage'],
    ['an argument of the kernel that is two', ['--kernel-argument', 'a=1 b=2'], 'usage'],
    ['an argument of the kernel with a line end', ['--kernel-argument', 'a=1\nb=2'], 'usage'],
    ['one argument of the kernel twice', ['--kernel-argument', 'hugepages=4', '--kernel-argument', 'hugepages=4'], 'usage'],
  ];
  for (const [what, more, code] of rows) {
    it(`${what} is refused, and nothing is written`, async () => {
      const refused = await json(words('ignition', 'fcos', more), codes[code]!.exit);

      assert.equal(refused['code'], code);
      assert.deepEqual(readdirSync(folder), []);
    });
  }

  it('a file that is called like one that is written beside it is refused: it would be overwritten', async () => {
    const { first } = await releases();
    const [own, program] = [join(folder, 'own'), join(folder, 'p')];
    mkdirSync(own);
    writeFileSync(program, foreignElf, { mode: 0o755 });

    for (const name of ['hook.sh', 'Containerfile', 'kata-sysext-first-boot.service']) {
      const bundle = join(own, name);
      copyFileSync(first, bundle);
      const refused = await json(['generate', 'containerfile', bundle, '--target', 'fcos', '--program', program, '-o', own], 2);

      assert.equal(refused['found'], `two files are called ${name}`);
      assert.deepEqual(readdirSync(own), [name]);
      rmSync(bundle);
    }
    rmSync(own, { recursive: true });
    rmSync(program);
  });

  it('what the kernel and the operator take is taken: quoted blanks, and in a MachineConfig the same argument twice', async () => {
    const twice = ['hugepagesz=1G', 'hugepages=4', 'hugepagesz=2M', 'hugepages=4'].flatMap((each) => ['--kernel-argument', each]);

    const quoted = await run(words('ignition', 'fcos', ['--kernel-argument', 'dyndbg="file a.c +p"'], undefined, 'quoted'));
    const operator = await run(words('machineconfig', 'openshift-4.18', twice, undefined, 'twice'));

    assert.deepEqual([quoted.status, operator.status], [0, 0], quoted.stderr + operator.stderr);
    rmSync(join(folder, 'quoted'), { recursive: true });
    rmSync(join(folder, 'twice'), { recursive: true });
  });

  it('an address with a password is refused, and the password is not repeated', async () => {
    const addresses = ['https://me:hunter2@files.example.org/kata.tar.zst', 'https://hunter2@files.example.org/kata.tar.zst'];

    for (const address of addresses) {
      const refused = await run(words('ignition', 'fcos', [], address));

      assert.equal(refused.status, 2);
      assert.match(refused.stderr, /a user name or a password in it, on files\.example\.org/);
      assert.doesNotMatch(refused.stderr + refused.stdout, /hunter2/);
    }
  });

  it('an archive that an earlier run left in part is not taken for the whole one', async () => {
    const { first } = await releases();
    const output = join(folder, 'part');
    const request = [
      '--target',
      'fcos',
      '--form',
      'rendered',
      '--engine',
      'crio@1.34',
      '--from',
      'https://files.example.org',
      '-o',
      output,
    ];
    await json(['generate', 'ignition', first, ...request]);
    const archive = readdirSync(output).find((name) => name.endsWith('.tar.gz'))!;
    const whole = digestOf(readFileSync(join(output, archive)));

    const same = await run(['generate', 'ignition', first, ...request]);
    truncateSync(join(output, archive), 1000);
    const part = await json(['generate', 'ignition', first, ...request], 2);
    rmSync(join(output, archive));
    await json(['generate', 'ignition', first, ...request]);

    assert.equal(same.status, 0, same.stderr);
    assert.match(String(part['found']), /is there already, with other bytes/);
    assert.equal(digestOf(readFileSync(join(output, archive))), whole);
    assert.deepEqual(new Set(readdirSync(output)), new Set([archive, 'kata-sysext.ign']));
    rmSync(output, { recursive: true });
  });

  it('curl takes an address as it stands, brackets and all', async () => {
    const output = join(folder, 'brackets');
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.end('the bytes');
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const from = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x[1-3]y[z]`;
    const program = ['--program', `${from}/p`, '--program-digest', digestOf('the bytes')];
    const request = ['--digest', digestOf('the bytes'), ...program, '--target', 'fcos', '-o', output];
    await json(['generate', 'ignition', `${from}/b.tar`, ...request]);
    const ignition = readFileSync(join(output, 'kata-sysext.ign'), 'utf8');
    const hook = Buffer.from(/base64,([^"]+)/.exec(ignition)![1]!, 'base64').toString();
    const script = join(output, 'fetch.sh');
    const only = hook.slice(0, hook.indexOf('chmod 0755')).replace(/^work=.*$/m, `work=${output}/work`);
    writeFileSync(script, only);

    await promisify(execFile)('sh', [script]);

    server.close();
    assert.deepEqual(asked, ['/x[1-3]y[z]/p', '/x[1-3]y[z]/b.tar']);
    assert.equal(readFileSync(join(output, 'work/b.tar'), 'utf8'), 'the bytes');
  });
});
