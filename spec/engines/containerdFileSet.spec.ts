import assert from 'node:assert/strict';
import { link, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { handlerTable } from '../../cli/engines/containerd/handlers.ts';
import { containerd } from '../../cli/engines/containerd/index.ts';
import { KataError } from '../../cli/errors/index.ts';
import { handler, instanceOf, refusalOf, treesOfSpec } from '../support/trees/engineTree.ts';
import { main, newId, newText, oldId, plan } from './containerdPlans.ts';

const kata = [handler('kata-qemu'), handler('kata-clh')];

describe('engines/containerd: plans', () => {
  const engineTree = treesOfSpec();

  describe('engines/containerd: the set of files', () => {
    it('edits the last loaded file that defines the CRI plugin on 1.x', async () => {
      const tree = await engineTree({
        [main]: `version = 2\nimports = ["conf.d/*.toml"]\n[plugins."${oldId}".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n`,
        '/etc/containerd/conf.d/10-cri.toml': `[plugins."${oldId}"]\nsandbox_image = "x"\n`,
        '/etc/containerd/conf.d/20-debug.toml': '[debug]\nlevel = "info"\n',
      });

      const { changes } = await plan(tree, '1.7.24', ['kata-qemu']);
      const unknown = await refusalOf(plan(tree, undefined, ['kata-qemu']));

      assert.deepEqual(
        changes.map((change) => change.path),
        ['/etc/containerd/conf.d/10-cri.toml'],
      );
      assert.match(newText(changes[0]), /runtimes\.runc\]/);
      assert.equal(unknown, 'engine-unsupported');
    });

    it('follows nested imports, loads no file twice, and finds a handler of somebody else there', async () => {
      const tree = await engineTree({
        [main]: 'version = 2\nimports = ["/etc/containerd/config.toml", "a/*.toml"]\n',
        '/etc/containerd/a/x.toml': 'version = 2\nimports = ["../b/y.toml"]\n',
        '/etc/containerd/b/y.toml': `[plugins."${oldId}".containerd.runtimes.kata-qemu]\nruntime_type = "io.containerd.kata.v2"\n`,
      });

      const error = await plan(tree, '2.1.9', ['kata-qemu']).catch((reason: unknown) => reason);

      assert.ok(error instanceof KataError);
      assert.equal(error.code, 'engine-foreign-handler');
      assert.match(error.message, /\/etc\/containerd\/b\/y\.toml/);
    });

    it('leaves a handler to its owner who defined it exactly as needed', async () => {
      const theirs =
        'version = 3\n[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kata-qemu]\n' +
        Object.entries(handlerTable(handler('kata-qemu')))
          .map(([key, value]) => (key === 'options' ? '' : `${key} = ${JSON.stringify(value)}\n`))
          .join('') +
        `options = { ConfigPath = "${handler('kata-qemu').configuration}" }\n`;
      const tree = await engineTree({ [main]: theirs });

      const { wiring, changes, findings } = await plan(tree, '2.1.9', ['kata-qemu']);

      assert.deepEqual(changes, []);
      assert.deepEqual(wiring?.marks, []);
      assert.deepEqual(
        findings.map(({ level }) => level),
        ['info'],
      );
    });

    const images = 'io.containerd.cri.v1.images';
    const oldTable = `[plugins."${oldId}".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n`;
    const importing = 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n';
    const newTables = [newId, images].flatMap((id) => [
      `[plugins."${id}"]\n`,
      `[plugins."${id}".x.y]\nz = 1\n`,
      `[plugins]\n'${id}'.a = 1\n`,
    ]);
    /** Of what versions, and in which files, a table of the new plugin hides what the old one says. */
    const mixed: [
      what: string,
      versions: (string | undefined)[],
      wanted: 'refused' | 'taken',
      files: (table: string) => Record<string, string>,
    ][] = [
      ['the main file has', ['2.0.0', '2.1.9', '2.3.1', undefined], 'refused', (table) => ({ [main]: `version = 2\n${oldTable}${table}` })],
      [
        'the main file, first,',
        ['2.1.9'],
        'refused',
        (table) => ({ [main]: `version = 2\n${table}${table.startsWith('[plugins]') ? '' : oldTable}` }),
      ],
      [
        'an import has',
        ['2.1.9', '2.3.1', undefined],
        'refused',
        (table) => ({ [main]: importing + oldTable, '/etc/containerd/conf.d/a.toml': `version = 2\n${table}` }),
      ],
      [
        'an import without a version has',
        ['2.1.9', undefined],
        'refused',
        (table) => ({ [main]: importing + oldTable, '/etc/containerd/conf.d/a.toml': table }),
      ],
      [
        'an import without a version has, which 2.3 moves by itself:',
        ['2.3.1'],
        'taken',
        (table) => ({ [main]: importing + oldTable, '/etc/containerd/conf.d/a.toml': table }),
      ],
      ['the main file has, which 1.7 does not know:', ['1.7.24'], 'taken', (table) => ({ [main]: `version = 2\n${oldTable}${table}` })],
      ['the main file of version 3 has', ['2.1.9', '2.3.1'], 'taken', (table) => ({ [main]: `version = 3\n${table}` })],
    ];
    for (const [what, versions, wanted, files] of mixed) {
      it(`${what} a table of schema 3 below version 2: ${wanted}`, async () => {
        const cases = versions.flatMap((version) => newTables.map((table) => ({ version, table })));

        const answers = await Promise.all(
          cases.map(async ({ version, table }) => {
            const tree = await engineTree(files(table));
            return plan(tree, version, ['kata-qemu']).then(
              () => 'taken',
              (error: KataError) => (error.code === 'engine-config-mixed' ? 'refused' : `${error.code}: ${error.message}`),
            );
          }),
        );

        assert.deepEqual(new Set(answers), new Set([wanted]));
      });
    }

    it('says which file, which table, and what to do', async () => {
      const tree = await engineTree({ [main]: importing + oldTable, '/etc/containerd/conf.d/a.toml': `[plugins."${images}"]\n` });

      const error = await plan(tree, '2.1.9', ['kata-qemu']).then(
        () => undefined,
        (refusal: KataError) => refusal,
      );

      assert.equal(error?.complaint.subject, '/etc/containerd/conf.d/a.toml');
      assert.match(
        error?.complaint.found ?? '',
        /a\.toml has the table plugins\."io\.containerd\.cri\.v1\.images" of schema 3, and \/etc\/containerd\/config\.toml has version = 2/,
      );
      assert.match(error?.complaint.next ?? '', /Move what .*a\.toml says/);
    });

    it('of a live host the daemon’s own dump decides', async () => {
      const tree = await engineTree({ [main]: `version = 2\n${oldTable}[plugins."${images}"]\n` });
      const live = { ...tree.host, booted: true };

      const { changes } = await containerd.plan(live, instanceOf('2.1.9'), [handler('kata-qemu')]);

      assert.notEqual(changes.length, 0);
    });

    const refused: [string, string, Record<string, string>, string][] = [
      [
        'mixed schemas',
        '2.1.9',
        { [main]: 'version = 2\nimports = ["a.toml"]\n', '/etc/containerd/a.toml': 'version = 3\n' },
        'engine-config-mixed',
      ],
      ['a missing literal import', '2.1.9', { [main]: 'version = 3\nimports = ["/etc/none.toml"]\n' }, 'engine-config-invalid'],
      ['schema 3 for 1.x', '1.7.24', { [main]: 'version = 3\n' }, 'engine-config-invalid'],
      ['schema 4 for 2.1', '2.1.9', { [main]: 'version = 4\n' }, 'engine-config-invalid'],
      ['schema 1', '1.7.24', { [main]: 'version = 1\n' }, 'engine-unsupported'],
      [
        'SELinux labels with a containerd that forgets runtime_path',
        '1.6.20',
        { [main]: `version = 2\n[plugins."${oldId}"]\nenable_selinux = true\n` },
        'engine-unsupported',
      ],
      ['containerd 1.5', '1.5.9', { [main]: 'version = 2\n' }, 'engine-unsupported'],
      ['a disabled CRI', '1.7.24', { [main]: 'version = 2\ndisabled_plugins = ["cri"]\n' }, 'engine-unsupported'],
      ['a disabled CRI without a schema (Docker)', '1.7.24', { [main]: 'disabled_plugins = ["cri"]\n' }, 'engine-unsupported'],
      [
        'an inline table',
        '1.7.24',
        { [main]: `version = 2\n[plugins."${oldId}".containerd]\nruntimes = { runc = { runtime_type = "x" } }\n` },
        'engine-unsupported',
      ],
      ['a list of tables', '1.7.24', { [main]: `version = 2\n[[plugins."${oldId}".containerd.runtimes]]\nx = 1\n` }, 'engine-unsupported'],
      ['imports that are no list', '2.1.9', { [main]: 'version = 3\nimports = "x"\n' }, 'engine-config-invalid'],
      ['a version that is no integer', '2.1.9', { [main]: 'version = "3"\n' }, 'engine-config-invalid'],
      ['TOML 1.1', '2.1.9', { [main]: 'version = 3\na = { b = 1, }\n' }, 'engine-config-invalid'],
      [
        'a folder in the place of a file',
        '2.1.9',
        { [main]: 'version = 3\nimports = ["d/*.toml"]\n', '/etc/containerd/d/x.toml/y': '' },
        'engine-config-invalid',
      ],
      [
        'a relative pattern that 1.6 reads differently',
        '1.6.20',
        { [main]: 'version = 2\nimports = ["d/*.toml"]\n', '/etc/containerd/d/x.toml': '' },
        'engine-unsupported',
      ],
      [
        'a file of our name',
        '2.1.9',
        { [main]: 'version = 3\nimports = ["conf.d/*.toml"]\n', '/etc/containerd/conf.d/kata-sysext.toml': '# theirs\n' },
        'foreign-file',
      ],
    ];
    for (const [name, version, files, wanted] of refused) {
      it(`refuses ${name}`, async () => {
        const tree = await engineTree(files);

        assert.equal(await refusalOf(plan(tree, version, ['kata-qemu'])), wanted);
      });
    }

    it('refuses bytes that are no UTF-8, for an edit could not keep them', async () => {
      const tree = await engineTree({ [main]: Buffer.from('version = 2 # \xff\n', 'latin1') });

      assert.equal(await refusalOf(plan(tree, '1.7.24', ['kata-qemu'])), 'engine-config-invalid');
    });

    it('takes schema 4 for the tables of schema 3', async () => {
      const tree = await engineTree({ [main]: 'version = 4\n' });

      const { changes } = await plan(tree, '2.3.1', ['kata-qemu']);

      assert.match(newText(changes[0]), /^version = 4\n\n\[plugins\."io\.containerd\.cri\.v1\.runtime"/m);
    });

    it('accepts parents by dotted keys, as all daemons do', async () => {
      const tree = await engineTree({
        [main]: `version = 2\n[plugins."${oldId}"]\ncontainerd.runtimes.runc.runtime_type = "io.containerd.runc.v2"\n`,
      });

      const { wiring } = await plan(tree, '1.7.24', ['kata-qemu']);

      assert.equal(wiring?.method, 'range');
    });
  });

  describe('engines/containerd: files that are special', () => {
    it('edits what a link leads to', async () => {
      const tree = await engineTree({ '/var/lib/node/containerd.toml': 'version = 2\n', '/etc/containerd/x': '' });
      await symlink('/var/lib/node/containerd.toml', join(tree.root, main));

      const { changes } = await plan(tree, '1.7.24', ['kata-qemu']);

      assert.deepEqual(
        changes.map((change) => change.path),
        ['/var/lib/node/containerd.toml'],
      );
    });

    it('refuses a file with two names', async () => {
      const tree = await engineTree({ [main]: 'version = 2\n' });
      await link(join(tree.root, main), join(tree.root, '/etc/containerd/other'));

      assert.equal(await refusalOf(plan(tree, '1.7.24', ['kata-qemu'])), 'engine-unsupported');
    });

    it('refuses to edit a main file of the operating system, but uses a folder that it imports', async () => {
      const vendor = '/usr/share/containerd/config.toml';
      const tree = await engineTree({ [vendor]: 'version = 2\n' });
      const instance = instanceOf('2.1.9', vendor);

      const refusedCode = await refusalOf(containerd.plan(tree.host, instance, kata));
      await tree.write(vendor, 'version = 2\nimports = ["/usr/share/containerd/conf.d/*.toml", "/etc/containerd/conf.d/*.toml"]\n');
      const { changes } = await containerd.plan(tree.host, instance, kata);

      assert.equal(refusedCode, 'engine-unsupported');
      assert.deepEqual(
        changes.map((change) => change.path),
        ['/etc/containerd/conf.d/kata-sysext.toml'],
      );
    });

    it('keeps temporary files out of folders that the daemon reads', async () => {
      const tree = await engineTree({ [main]: 'version = 3\nimports = ["/etc/kata-sysext/*"]\n' });

      const { changes } = await plan(tree, '2.1.9', ['kata-qemu']);

      assert.notEqual(changes[0]?.tmpDir, '/etc/kata-sysext');
    });
  });
});
