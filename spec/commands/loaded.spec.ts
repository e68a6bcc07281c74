import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeHostTree, makeRelease } from '../../cli/commands/try/tree.ts';
import { engines } from '../../cli/engines/index.ts';
import { engineNames } from '../../cli/engines/names.ts';
import { repo } from '../support/program.ts';
import { scratch } from '../support/trees/treeHost.ts';

/** What no machine should pay for that asks often: docs/adr/0046-fast-status.md. Names alone cost nothing. */
const costly =
  /^cli\/(?:assets\/long|cluster|fleet|engines\/(?!names\.ts)|layout|planning|operations|runner\/(?!asked\.ts)|gate|cri|documents\/toml)/;

describe('what a verb loads', function () {
  this.timeout(120_000);
  let folder: string;
  let byInstall: string[];
  before(async () => {
    folder = scratch('loaded');
    mkdirSync(join(folder, 'bare/etc'), { recursive: true });
    await makeHostTree(join(folder, 'root'));
    await makeRelease(join(folder, 'release'), '4.1.0');
    byInstall = loadedBy(['install', join(folder, 'release'), '--root', join(folder, 'root')]);
  });

  function loadedBy(args: string[]): string[] {
    const noted = join(folder, 'noted');
    rmSync(noted, { force: true });
    const ran = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--import', join(repo, 'spec/support/noteModules.mjs'), 'cli/main.ts', ...args],
      {
        cwd: repo,
        env: { ...process.env, NOTED: noted },
        encoding: 'utf8',
      },
    );
    assert.equal(ran.status, 0, ran.stderr);
    const all = readFileSync(noted, 'utf8').matchAll(/\/(?<path>cli\/\S+\.ts)/g);
    return [...new Set([...all].map(({ groups }) => groups!['path']!))].sort();
  }

  it('is seen: an install loads engines', () => {
    assert.ok(byInstall.includes('cli/engines/containerd/index.ts'), byInstall.join('\n'));
  });

  it('is nothing of sigstore for an install without a bundle of it', () => {
    assert.deepEqual(
      byInstall.filter((path) => path.startsWith('cli/trust/sigstore')),
      [],
    );
    assert.ok(byInstall.includes('cli/trust/signature.ts'), byInstall.join('\n'));
  });

  for (const [what, root] of [
    ['a tree without Kata', 'bare'],
    ['a tree with it', 'root'],
  ] as const)
    it(`is nothing of engines, layouts, planners and TOML for the status of ${what}`, () => {
      const loaded = loadedBy(['status', '--root', join(folder, root)]);

      assert.deepEqual(
        loaded.filter((path) => costly.test(path)),
        [],
      );
    });

  it('is nothing of engines for the help of a verb, which names them all the same', () => {
    const loaded = loadedBy(['install', '--help']);

    assert.deepEqual(
      loaded.filter((path) => /^cli\/engines\/(?!names\.ts)/.test(path)),
      [],
    );
    assert.equal(
      engines()
        .map(({ name }) => name)
        .join(', '),
      engineNames,
    );
  });
});
