import assert from 'node:assert/strict';
import { exceptKeys, type WiringPlan } from '../../cli/engines/index.ts';
import { digestOf } from '../../cli/host/index.ts';
import { displacing, viewWithout } from '../../cli/planning/displaced.ts';
import { treesOfSpec } from '../support/trees/engineTree.ts';

const files = [
  { engine: 'e', path: '/etc/e/main.toml', text: 'theirs = 1\nits = 2\n', after: 'theirs = 1\n' },
  { engine: 'e', path: '/etc/e/d/its.toml', text: 'its = 3\n', after: 'absent' as const },
];

describe('a host without what another installer wrote', () => {
  const treeOf = treesOfSpec();
  const made = () => treeOf({ '/etc/e/main.toml': files[0]!.text, '/etc/e/d/its.toml': files[1]!.text, '/etc/e/d/own.toml': 'own = 1\n' });

  it('reads, lists and weighs its files as they will be, and all others as they are', async () => {
    const { host } = await made();
    const view = viewWithout(host, { files, keys: [] });

    const read = [
      await view.readText('/etc/e/main.toml'),
      await view.digest('/etc/e/main.toml'),
      (await view.stat('/etc/e/main.toml'))?.sizeBytes,
      (await view.readHead('/etc/e/main.toml', 6))?.toString(),
    ];
    const gone = [await view.readText('/etc/e/d/its.toml'), await view.digest('/etc/e/d/its.toml'), await view.lstat('/etc/e/d/its.toml')];

    assert.deepEqual(read, ['theirs = 1\n', digestOf('theirs = 1\n'), 11, 'theirs']);
    assert.deepEqual(gone, [undefined, undefined, undefined]);
    await assert.rejects(view.readFile('/etc/e/d/its.toml'), { code: 'ENOENT' });
    assert.deepEqual(await view.readdir('/etc/e/d'), ['own.toml']);
    assert.equal(await view.readText('/etc/e/d/own.toml'), 'own = 1\n');
  });

  it('has one change for each file, from what it is now; what goes comes last', async () => {
    const { host } = await made();
    const after = 'theirs = 1\nours = 1\n';
    const plan: WiringPlan = {
      changes: [
        {
          path: '/etc/e/main.toml',
          before: digestOf(files[0]!.after as string),
          after: { text: after },
          foreign: true,
          ours: ['ours = 1\n'],
          tmpDir: '/etc',
        },
      ],
      makeFolders: [],
      dropFolders: [],
      findings: [],
    };

    const { changes, displaced } = await displacing(host, plan, { files: [...files].reverse(), keys: [['a', 'b.c']] });

    assert.deepEqual(
      changes.map(({ path, before, after: text }) => [path, before, text]),
      [
        ['/etc/e/main.toml', digestOf(files[0]!.text), { text: after }],
        ['/etc/e/d/its.toml', digestOf(files[1]!.text), 'absent'],
      ],
    );
    assert.deepEqual(displaced, ['a."b.c"']);
  });

  it('may differ in these keys and in all below them, and in no others', () => {
    const diff = { others: ['debug.level', 'debug.levels', 'proxy_plugins.x.type', 'root'] };

    const { others } = exceptKeys(diff, ['debug.level', 'proxy_plugins.x']);

    assert.deepEqual(others, ['debug.levels', 'root']);
  });
});
