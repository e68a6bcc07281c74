import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { version } from '../../cli/version.ts';
import { cacheHeaders } from '../../scripts/single/builtinCaches.ts';
import { execArgv } from '../../scripts/single/make.ts';
import { archs, nodeFolder } from '../../scripts/single/node.ts';
import { run } from '../lab/run.ts';
import { denyExecmem } from '../support/execmem.ts';
import { needs } from '../support/needs.ts';
import { singleFiles } from '../support/singleFile.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

describe('the single file where a policy denies executable memory', function () {
  this.timeout(900_000);
  let file: string;
  let host: TreeHost | undefined;

  before(async function () {
    needs(this, 'python3', 'zstd');
    file = (await singleFiles()).x64;
    host = treeHost('fcos', undefined, { file });
  });
  after(() => host?.remove());

  it('is a place where V8 with its compilers dies before the first line', async () => {
    const node = join(await nodeFolder('x64'), 'node');

    const ran = await run([...denyExecmem, node, '-e', 'console.log("ran")'], { allowFailure: true });

    assert.notEqual(ran.code, 0);
    assert.equal(ran.stdout, '');
    assert.match(ran.stderr, /Check failed: 12 == /);
  });

  it('starts without a word on standard error', async () => {
    const ran = await run([...denyExecmem, file, '--version']);

    assert.deepEqual(ran, { code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('checks, installs, verifies, shows its status, upgrades and uninstalls, to the same bytes', async () => {
    const { first, second } = await releases();
    const before = host!.fingerprint();
    const ran = async (args: string[]) => await host!.json(args, 0, { wrapper: denyExecmem });

    const check = await ran(['check', first]);
    await ran(['install', first]);
    const verified = await ran(['verify']);
    await ran(['install', second]);
    const status = await ran(['status', '-v']);
    await ran(['uninstall', '--purge']);

    assert.equal(check['ready'], true);
    assert.deepEqual(verified['drift'], []);
    assert.deepEqual([status['installed'], (status['generations'] as unknown[]).length], [true, 2]);
    assert.deepEqual(host!.fingerprint(), before);
  });

  it('asks for no executable memory but that of files', async function () {
    needs(this, 'strace');
    const calls = ['strace', '--follow-forks', '--trace=mmap,mprotect,pkey_mprotect'];

    const { stderr } = await run([...calls, file, 'status', '--root', host!.root]);

    const executable = stderr.split('\n').filter((line) => line.includes('PROT_EXEC'));
    assert.ok(executable.length > 0, stderr.slice(0, 2000));
    assert.deepEqual(
      executable.filter((line) => /MAP_ANONYMOUS|PROT_WRITE|mprotect\(/.test(line)),
      [],
    );
  });

  it('has the code caches of Node’s own modules for the flags that it runs with, in both files', async () => {
    const files = await singleFiles();
    const headers = await cacheHeaders(join(await nodeFolder('x64'), 'node'), execArgv);

    const found = await Promise.all(archs.map(async (arch) => flagsOfCaches(await readFile(files[arch]), headers.with)));

    for (const flags of found) {
      assert.ok(flags.filter((each) => each === headers.with.toString('hex', 12)).length > 300);
      assert.equal(flags.includes(headers.without.toString('hex', 12)), false);
    }
  });
});

/** The flags of every code cache of one V8 in a file, in hexadecimal. */
function flagsOfCaches(bytes: Buffer, header: Buffer): string[] {
  const version = header.subarray(0, 8);
  const flags: string[] = [];
  for (let at = bytes.indexOf(version); at !== -1; at = bytes.indexOf(version, at + 8)) flags.push(bytes.toString('hex', at + 12, at + 16));
  return flags;
}
