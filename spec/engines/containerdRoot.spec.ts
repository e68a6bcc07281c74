import assert from 'node:assert/strict';
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { containerd } from '../../cli/engines/containerd/index.ts';
import type { Instance, Wiring, WiringPlan } from '../../cli/engines/types.ts';
import type { KataError } from '../../cli/errors/index.ts';
import { type EngineTree, handler, treesOfSpec } from '../support/trees/engineTree.ts';
import { newId, newText, oldId } from './containerdPlans.ts';

const vendor = '/usr/share/containerd/config.toml';
const root = '/etc/containerd/kata-sysext-root.toml';
const tables = '/etc/containerd/kata-sysext.d/kata-sysext.toml';
const unitFile = '/usr/lib/systemd/system/containerd.service';
const folder = '/etc/systemd/system/containerd.service.d';
const dropIn = `${folder}/zz-kata-sysext.conf`;
const head = '# Written by kata-sysext and recorded by its exact text; "kata-sysext uninstall" removes it.\n';
const flatcar = `[Service]
Environment=CONTAINERD_CONFIG=${vendor}
ExecStart=/usr/bin/containerd --config \${CONTAINERD_CONFIG}
`;
const plain = `[Service]\nExecStart=/usr/bin/containerd -c ${vendor} --log-level=info\n`;
const settings = `version = 2\n[plugins."${oldId}"]\nsandbox_image = "pause"\n[plugins."${oldId}".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n`;

async function instance(tree: EngineTree, version: string): Promise<Instance> {
  const [found] = await containerd.detect(tree.host, version);
  return found!;
}

async function plan(tree: EngineTree, version: string, names: string[], recorded?: Wiring): Promise<WiringPlan> {
  return containerd.plan(tree.host, await instance(tree, version), names.map(handler), recorded);
}

function textAt({ changes }: WiringPlan, path: string): string {
  return newText(changes.find((change) => change.path === path));
}

describe('engines/containerd: a main file of the read-only operating system', () => {
  const treeOf = treesOfSpec();
  const host = (unit: string, more: Record<string, string> = {}) =>
    treeOf({ '/usr/bin/containerd': '', [unitFile]: unit, [vendor]: settings, ...more });

  it('is imported on 2.x by a root file without a version, with tables of its schema, and the unit’s variable names that', async () => {
    const tree = await host(flatcar);

    const planned = await plan(tree, '2.1.9', ['kata-qemu']);

    assert.deepEqual([planned.wiring?.method, planned.wiring?.configPath, planned.reads], ['root file', root, root]);
    assert.equal(
      textAt(planned, root),
      `${head}imports = ["/usr/share/containerd/config.tom[l*]", "/etc/containerd/kata-sysext.d/*.toml"]\n`,
    );
    assert.match(textAt(planned, tables), new RegExp(`^${head}\\n\\[plugins\\."${oldId}"\\.containerd\\.runtimes\\.kata-qemu\\]\\n`));
    assert.equal(textAt(planned, dropIn), `${head}[Service]\nEnvironment=CONTAINERD_CONFIG=${root}\n`);
  });

  it('is imported beside a drop-in that is read later and says nothing of it', async () => {
    const tree = await host(flatcar, { [`${folder}/zzz-mine.conf`]: '[Service]\nEnvironment=HTTPS_PROXY=http://proxy\n' });

    assert.equal((await plan(tree, '2.1.9', ['kata-qemu'])).wiring?.configPath, root);
  });

  it('takes the ids of schema 3 where it has that', async () => {
    const tree = await host(flatcar, { [vendor]: 'version = 3\n' });

    assert.match(textAt(await plan(tree, '2.1.9', ['kata-qemu']), tables), new RegExp(`\\[plugins\\."${newId}"`));
  });

  it('is named by the command where the unit has no variable for it, and all else of the command is kept', async () => {
    const rows: [unit: string, command: string][] = [
      [plain, `/usr/bin/containerd --config ${root} --log-level=info`],
      [
        `[Service]\nExecStart=-/usr/bin/containerd --log-level "in fo" --config="${vendor}"\n`,
        `-/usr/bin/containerd --log-level "in fo" --config ${root}`,
      ],
      [
        `[Service]\nEnvironmentFile=-/etc/default/containerd\nExecStart=/usr/bin/containerd -c $CONFIG\n`,
        `/usr/bin/containerd --config ${root}`,
      ],
      [
        `[Service]\nExecStart=-/usr/bin/env PATH=/run/bin:\${PATH} GODEBUG=x /usr/bin/containerd --config ${vendor} -l info\n`,
        `-/usr/bin/env PATH=/run/bin:\${PATH} GODEBUG=x /usr/bin/containerd --config ${root} -l info`,
      ],
    ];
    for (const [unit, command] of rows) {
      const tree = await host(unit, { '/etc/default/containerd': `CONFIG="${vendor}"\n` });

      const planned = await plan(tree, '2.1.9', ['kata-qemu']);

      assert.equal(textAt(planned, dropIn), `${head}[Service]\nExecStart=\nExecStart=${command}\n`);
    }
  });

  it('goes through a link to it as well, and through drop-ins of others, of which the last one counts', async () => {
    const tree = await host('[Service]\nExecStart=/usr/bin/containerd\n', {
      [`${folder}/override.conf`]: `[Service]\nExecStart=\nExecStart=/usr/bin/containerd --config ${vendor} \\\n  --log-level debug\n`,
      [`/usr/lib/systemd/system/containerd.service.d/50-vendor.conf`]: '[Service]\nExecStart=\nExecStart=/usr/bin/other\n',
    });

    const planned = await plan(tree, '2.1.9', ['kata-qemu']);

    assert.match(textAt(planned, dropIn), new RegExp(`\nExecStart=/usr/bin/containerd --config ${root} +--log-level debug\n`));
  });

  it('plans the same again, follows a vendor who adds a flag, and goes back to no file of its own', async () => {
    const tree = await host(plain);
    const before = tree.everything();
    const first = await plan(tree, '2.1.9', ['kata-qemu']);
    await tree.apply(first);

    const again = await plan(tree, '2.1.9', ['kata-qemu'], first.wiring);
    await tree.write(unitFile, plain.replace('--log-level=info', '--log-level=info --metrics'));
    const updated = await plan(tree, '2.1.9', ['kata-qemu'], first.wiring);
    await tree.apply(updated);
    const gone = await plan(tree, '2.1.9', [], updated.wiring);
    await tree.apply(gone);
    await tree.write(unitFile, plain);

    assert.deepEqual(again.changes, []);
    assert.equal(again.wiring?.key, first.wiring?.key);
    assert.equal(
      textAt(updated, dropIn),
      `${head}[Service]\nExecStart=\nExecStart=/usr/bin/containerd --config ${root} --log-level=info --metrics\n`,
    );
    assert.notEqual(updated.wiring?.key, first.wiring?.key);
    assert.equal(gone.reads, vendor);
    assert.deepEqual(tree.everything(), before);
  });

  it('is named by the drop-in only while it is there: that comes last and goes first, and the files after the restart', async () => {
    const tree = await host(plain);
    const first = await plan(tree, '2.1.9', ['kata-qemu']);
    await tree.apply(first);

    const gone = await plan(tree, '2.1.9', [], first.wiring);

    assert.deepEqual(
      first.changes.map(({ path, settles }) => [path, settles]),
      [
        [tables, undefined],
        [root, undefined],
        [dropIn, undefined],
      ],
    );
    assert.deepEqual(
      gone.changes.map(({ path, settles }) => [path, settles]),
      [
        [dropIn, undefined],
        [tables, 'last'],
        [root, 'last'],
      ],
    );
  });

  it('is not copied where only some users may read it, and of a copy only the block is shown', async () => {
    const tree = await host(flatcar);
    const shown = (await plan(tree, '1.7.24', ['kata-qemu'])).changes.find(({ path }) => path === root);
    chmodSync(join(tree.root, vendor), 0o640);

    const refused = plan(tree, '1.7.24', ['kata-qemu']);

    assert.match(shown?.ours[0] ?? '', /^# BEGIN kata-sysext/);
    await assert.rejects(refused, ({ complaint }: KataError) => /not every user may read it/.test(complaint.found));
  });

  it('is copied on 1.x, which unites no tables, and copied again when the vendor’s file changes', async () => {
    const tree = await host(flatcar);
    const first = await plan(tree, '1.7.24', ['kata-qemu']);
    await tree.apply(first);
    await tree.write(vendor, `${settings}[debug]\nlevel = "debug"\n`);

    const again = await plan(tree, '1.7.24', ['kata-qemu'], first.wiring);

    assert.deepEqual([first.wiring?.method, first.wiring?.configPath], ['root copy', root]);
    assert.ok(textAt(first, root).startsWith(settings));
    assert.match(textAt(first, root), /runtimes\.kata-qemu\]/);
    assert.deepEqual(
      again.changes.map(({ path }) => path),
      [root],
    );
    assert.match(textAt(again, root), /level = "debug"\n[\s\S]*runtimes\.kata-qemu\]/);
  });

  it('a removed drop-in of the unit is told, and the next change writes it again', async () => {
    const tree = await host(plain);
    const first = await plan(tree, '2.1.9', ['kata-qemu']);
    await tree.apply(first);
    rmSync(join(tree.root, dropIn));

    const again = await plan(tree, '2.1.9', ['kata-qemu'], first.wiring);

    assert.deepEqual(
      again.findings.map(({ code, subject }) => [code, subject]),
      [['foreign-edit', dropIn]],
    );
    assert.equal(textAt(again, dropIn), textAt(first, dropIn));
  });

  const refusals: [what: string, unit: string, more: Record<string, string>, found: RegExp][] = [
    [
      'two commands',
      `[Service]\nExecStart=/usr/bin/containerd -c ${vendor}\nExecStart=/usr/bin/containerd -c ${vendor}\n`,
      {},
      /has 2 ExecStart=/,
    ],
    ['a shell', `[Service]\nExecStart=/bin/sh -c "exec containerd --config ${vendor}"\n`, {}, /starts \/bin\/sh/],
    ['another name for it', `[Service]\nExecStart=@/usr/bin/containerd other -c ${vendor}\n`, {}, /starts @\/usr\/bin\/containerd/],
    [
      'a script',
      `[Service]\nExecStart=/usr/local/bin/start-containerd --config ${vendor}\n`,
      {},
      /starts \/usr\/local\/bin\/start-containerd/,
    ],
    ['any options', `[Service]\nEnvironment=X=y\nExecStart=/usr/bin/containerd $X --config ${vendor}\n`, {}, /variable in its command/],
    [
      'a configuration in quotes, and another',
      `[Service]\nExecStart=/usr/bin/containerd "--config=${vendor}" -c ${vendor}\n`,
      {},
      /more than once/,
    ],
    ['a quote without its end', `[Service]\nExecStart=/usr/bin/containerd --x=it's -c ${vendor}\n`, {}, /quote without its end/],
    ['a variable that is not expanded', '[Service]\nEnvironment=C=/x\nExecStart=:/usr/bin/containerd -c $C\n', {}, /no plain path/],
    [
      'a variable of files that a pattern finds',
      '[Service]\nEnvironment=C=/x\nEnvironmentFile=-/etc/default/containerd*\nExecStart=/usr/bin/containerd -c $C\n',
      {},
      /no plain path/,
    ],
    ['two configurations', `[Service]\nExecStart=/usr/bin/containerd -c ${vendor} --config ${vendor}\n`, {}, /more than once/],
    [
      'a drop-in that is read after kata-sysext’s and names the vendor’s file again',
      flatcar,
      { [`${folder}/zzz-mine.conf`]: `[Service]\nEnvironment=CONTAINERD_CONFIG=${vendor}\n` },
      /^\/etc\/systemd\/system\/containerd\.service\.d\/zzz-mine\.conf is read after .*zz-kata-sysext\.conf, and lets containerd read \/usr/,
    ],
    [
      'a command that such a drop-in sets',
      plain,
      { '/usr/lib/systemd/system/service.d/zzz.conf': `[Service]\nExecStart=\nExecStart=/usr/bin/containerd -c ${vendor} -l info\n` },
      /^\/usr\/lib\/systemd\/system\/service\.d\/zzz\.conf is read after/,
    ],
    ['a file that its pattern would find, too', plain, { '/usr/share/containerd/config.tom*': '' }, /lies beside/],
  ];
  for (const [what, unit, more, found] of refusals)
    it(`is left alone where the unit has ${what}`, async () => {
      const tree = await host(unit, more);
      const before = tree.everything();

      const planned = containerd.plan(tree.host, { ...(await instance(tree, '2.1.9')), configPath: vendor }, [handler('kata-qemu')]);

      await assert.rejects(planned, ({ code, complaint }: KataError) => code === 'engine-unsupported' && found.test(complaint.found));
      assert.deepEqual(tree.everything(), before);
    });

  const untold: [what: string, command: string, found: RegExp][] = [
    [
      'a variable that nothing sets',
      `/usr/bin/containerd --config \${CONTAINERD_CONFIG}`,
      /\$\{CONTAINERD_CONFIG\}, which nothing in its files sets/,
    ],
    ['two variables', `/usr/bin/env PATH=\${B}:\${PATH} \${B}/containerd --config \${A}\${CONTAINERD_CONFIG}`, /which is no plain path/],
    ['env with options', `/usr/bin/env -i /usr/bin/containerd --config $C`, /starts \/usr\/bin\/env/],
    ['a specifier', '/usr/bin/containerd --config /etc/%N.toml', /names the configuration \/etc\/%N\.toml, which is no plain path/],
    ['a script', '/usr/local/bin/start-containerd', /starts \/usr\/local\/bin\/start-containerd/],
  ];
  for (const [what, command, found] of untold)
    it(`is not guessed in a tree whose unit has ${what}, unless it was wired before`, async () => {
      const tree = await treeOf({ '/usr/bin/containerd': '', '/etc/containerd/config.toml': 'version = 2\n' });
      const first = await plan(tree, '2.1.9', ['kata-qemu']);
      await tree.apply(first);
      await tree.write(unitFile, `[Service]\nExecStart=${command}\n`);

      const planned = plan(tree, '2.1.9', ['kata-clh']);
      const again = await plan(tree, '2.1.9', ['kata-qemu'], first.wiring);

      await assert.rejects(planned, ({ code, complaint }: KataError) => code === 'engine-unsupported' && found.test(complaint.found));
      assert.deepEqual(again.changes, []);
    });

  it('is told by a path in the command of a script, and by options in a variable', async () => {
    const rows: [command: string, options: string, config: string][] = [
      [`/bin/sh -c "exec containerd --config ${vendor}"`, '', vendor],
      ['/usr/bin/containerd $OPTS', `--config ${vendor}`, vendor],
      ['/usr/bin/containerd $OPTS', '--log-level debug', '/etc/containerd/config.toml'],
      ['/usr/bin/containerd $OTHER', '', '/etc/containerd/config.toml'],
    ];
    for (const [command, options, config] of rows) {
      const tree = await host(`[Service]\nEnvironmentFile=-/etc/default/containerd\nExecStart=${command}\n`, {
        '/etc/default/containerd': `OPTS="${options}"\n`,
      });

      assert.equal((await instance(tree, '2.1.9')).configPath, config);
    }
  });

  it('tells the drop-in that takes the root file back, not one that is read later still, and a command that helps', async () => {
    const resets = `[Service]\nExecStart=\nExecStart=/usr/bin/containerd -c ${vendor}\n`;
    const tree = await host(plain, {
      [`${folder}/zz-local.conf`]: resets,
      [`${folder}/zzz-limits.conf`]: '[Service]\nLimitNOFILE=1\n',
    });
    const system = await host(plain, { '/usr/lib/systemd/system/containerd.service.d/zzz.conf': resets });
    const hostile = await host(plain, { [`${folder}/zzz;reboot;.conf`]: resets });

    await assert.rejects(plan(tree, '2.1.9', ['kata-qemu']), ({ complaint }: KataError) => {
      assert.equal(complaint.subject, `${folder}/zz-local.conf`);
      assert.match(complaint.next!, /mv \/tmp\S+\/zz-local\.conf \/tmp\S+\/50-zz-local\.conf$/);
      return true;
    });
    await assert.rejects(plan(system, '2.1.9', ['kata-qemu']), ({ complaint }: KataError) => {
      assert.match(
        complaint.next!,
        /cp \/tmp\S+\/usr\/lib\S+zzz\.conf \/tmp\S+\/etc\S+50-zzz\.conf; ln -s \/dev\/null \/tmp\S+\/etc\S+\/zzz\.conf$/,
      );
      return true;
    });
    await assert.rejects(
      plan(hostile, '2.1.9', ['kata-qemu']),
      ({ complaint }: KataError) => complaint.next === `Look at what there is for containerd.service: ls ${hostile.root}${folder}`,
    );
  });

  it('is not asked for where another program starts containerd without options, and a path in a script ends where its command ends', async () => {
    const main = { '/etc/containerd/config.toml': 'version = 3\n' };
    const commands = [
      '@/usr/bin/containerd containerd',
      '/usr/bin/nice -n -5 /usr/bin/containerd',
      "/bin/sh -c 'exec /usr/bin/containerd'",
      '/bin/bash -c "ulimit -l; exec /usr/bin/containerd --config /etc/containerd/config.toml; true"',
    ];

    const plans = await Promise.all(
      commands.map(async (command) => plan(await host(`[Service]\nExecStart=${command}\n`, main), '2.1.9', ['kata-qemu'])),
    );

    assert.deepEqual(
      plans.map(({ wiring }) => wiring?.configPath),
      commands.map(() => '/etc/containerd/config.toml'),
    );
  });
});
