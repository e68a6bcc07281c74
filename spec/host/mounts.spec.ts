import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { needs } from '../support/needs.ts';

/** Real mounts, in a mount namespace of their own. */
describe('what is mounted in a folder that goes', function () {
  this.timeout(120_000);
  let base: string;

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'kata-sysext-mounts-'));
    for (const folder of ['outside', 'root/opt/kata/cache', 'root/opt/kata/bin']) mkdirSync(join(base, folder), { recursive: true });
    writeFileSync(join(base, 'outside/precious'), 'x');
  });

  afterEach(() => rmSync(base, { recursive: true, force: true }));

  /** What the lines print, where `outside` is mounted on `at`. */
  function mounted(at: string, lines: string): string {
    const program = `const host = openHost(${JSON.stringify(join(base, 'root'))}, {}); const of = (work) => work.then(() => 'done', ({ code }) => code); ${lines}`;
    const script = `mount --bind "$1/outside" "$1/root${at}" && exec node --import tsx --input-type=module -e "$2"`;
    const argv = ['--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh', base, `${imports} ${program}`];
    const { status, stdout, stderr } = spawnSync('unshare', argv, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return stdout.trim();
  }

  for (const at of ['/opt/kata/cache', '/opt/kata'])
    it(`is never removed, and a plan sees it on a tree too: ${at}`, function () {
      needs(this, 'root', 'unshare');

      const planned = mounted(at, "console.log(await of(refuseMounted(host, { trees: ['/opt/kata'] })));");
      const removed = mounted(at, "console.log(await of(host.removeTree('/opt/kata')));");

      assert.deepEqual([planned, removed, existsSync(join(base, 'outside/precious'))], ['adopt-unproven', 'host-file-unfit', true]);
    });

  it('keeps no other folder from being removed', function () {
    needs(this, 'root', 'unshare');

    const removed = mounted('/opt/kata/cache', "console.log(await of(host.removeTree('/opt/kata/bin')));");

    assert.deepEqual([removed, existsSync(join(base, 'root/opt/kata/bin'))], ['done', false]);
  });
});

const imports = `import { openHost } from './cli/host/index.ts'; import { refuseMounted } from './cli/operations/adopt/kataDeploy/living.ts';`;
