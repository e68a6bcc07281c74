import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Odd, tinyRelease } from '../lab/release/index.ts';
import { checkJson } from '../support/judges/schemas.ts';
import { run } from '../support/program.ts';
import { releases, scratch, story, type TreeHost, treeHost } from '../support/trees/treeHost.ts';
import { untouched } from '../support/trees/untouched.ts';

/** Every way in which a release is not what it should be, and the code that says so. */
const rejections: [odd: Odd, code: string][] = [
  ['absolute', 'bundle-member-escapes'],
  ['dotdot', 'bundle-member-escapes'],
  ['outside', 'bundle-layout'],
  ['device', 'bundle-member-kind'],
  ['setuid', 'bundle-member-kind'],
  ['duplicate', 'bundle-member-duplicate'],
  ['hardlinkOut', 'bundle-member-escapes'],
  ['linkOut', 'bundle-member-escapes'],
  ['linkAbsolute', 'bundle-member-escapes'],
  ['throughLink', 'bundle-member-escapes'],
  ['emptyKernel', 'bundle-empty-asset'],
  ['missingShim', 'bundle-no-shim'],
  ['missingQemu', 'bundle-incomplete'],
  ['truncated', 'bundle-damaged'],
  ['notCompressed', 'bundle-format'],
  ['empty', 'bundle-damaged'],
];

describe('refusals', () => {
  let host: TreeHost;
  let first: string;
  let folder: string;

  before(async () => {
    ({ first } = await releases());
  });

  beforeEach(() => {
    host = treeHost('fcos');
    folder = scratch('refused');
  });

  afterEach(() => {
    host.remove();
    rmSync(folder, { recursive: true });
  });

  describe('a bundle that is not what it should be: 4', () => {
    for (const [odd, code] of rejections) {
      it(`${odd}: ${code}, on a bare host and on one with Kata`, async () => {
        const bundle = await tinyRelease(folder, { odd: [odd] });

        await untouched(host, ['install', bundle], 4, code);
        await host.json(['install', first]);
        await untouched(host, ['install', bundle], 4, code, story);
      });
    }

    it('a wrong --digest', async () => {
      await untouched(host, ['install', first, '--digest', `sha256:${'0'.repeat(64)}`], 4, 'bundle-digest');
    });

    it('one that is not there', async () => {
      await untouched(host, ['install', join(folder, 'missing.tar.zst')], 4, 'bundle-missing');
    });

    it('a handler that it does not have', async () => {
      await untouched(host, ['install', first, '--handler', 'fc'], 4, 'bundle-lacks-handler');
    });
  });

  describe('a command line that is wrong: 2', () => {
    const wrong = [
      ['instal', 'x'],
      ['install'],
      ['status', 'x'],
      ['install', 'x', '--frobnicate'],
      ['install', 'x', '--wait', 'soon'],
      ['install', 'x', '--wait', '-1'],
      ['install', 'x', '--digest', 'md5:1'],
      ['install', 'x', '--backend', 'magic'],
      ['install', 'x', '--engine', 'cri-x'],
      ['install', 'x', '--engine', 'containerd@new'],
      ['install', 'x', '--engine', 'containerd@'],
      ['install', 'x', '--engine', '@1.7'],
      ['check', '--engine', 'containerd@1.7@2.0'],
      ['install', 'x', '--allow', 'no-such-code'],
      ['install', 'x', '--allow', 'engine-unhealthy'],
      ['install', 'x', '--digest', `sha256:${'0'.repeat(64)}`, '--digest', `sha256:${'1'.repeat(64)}`],
      ['diff', 'a'],
      ['history', '7'],
      ['explain', 'no-such-code'],
      [],
    ];
    for (const args of wrong) {
      it(args.join(' ') || 'nothing at all', async () => {
        const before = host.fingerprint();

        const { status, stdout } = await run([...args, '--root', host.root, '--json']);

        const error = JSON.parse(stdout) as Record<string, unknown>;
        checkJson(error);
        assert.deepEqual([status, error['kind'], error['exitCode']], [2, 'Error', 2]);
        assert.deepEqual(host.fingerprint(), before);
      });
    }

    it('a --root that is not there, or is no folder', async () => {
      for (const root of [join(folder, 'missing'), first]) {
        const { status, stdout } = await run(['install', first, '--root', root, '--json']);

        const error = JSON.parse(stdout) as Record<string, unknown>;
        assert.deepEqual([status, error['code'], error['subject']], [2, 'usage', '--root'], root);
      }
      assert.ok(!existsSync(join(folder, 'missing')));
    });

    it('--allow names what can be overridden', async () => {
      const error = await host.json(['install', first, '--allow', 'engine-unhealthy'], 2);

      assert.match(String(error['needed']), /engine-pending-edits, engine-restart-kills/);
    });

    it('rollback to a generation that never was', async () => {
      await host.json(['install', first]);
      await untouched(host, ['rollback', '--to', '7'], 2, 'unknown-generation', story);
    });
  });
});
