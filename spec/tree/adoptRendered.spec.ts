import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { failAt, judged, killedAt, pointsOf } from '../support/faults/crash.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { loopMs, sample } from '../support/sample.ts';
import { put } from '../support/trees/hostTrees.ts';
import { currentConfig, firstBoot, renderedTree, stampOf } from '../support/trees/renderedTree.ts';
import { releases, story, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const dropIn = 'etc/crio/crio.conf.d/50-kata-sysext.conf';
const record = 'var/lib/kata-sysext/generations/1/record.json';

interface Line {
  number: number;
  owner?: { kind: string; name?: string; files: string[] };
}

describe('adopt rendered', function () {
  this.timeout(loopMs);
  let ignition: TreeHost;
  let openshift: TreeHost;
  let host: TreeHost | undefined;

  before(async () => {
    ignition = await renderedTree('fcos', ['--alias', 'kata=qemu-runtime-rs']);
    openshift = await renderedTree('openshift-4.19');
    // The folder of open changes stays once somebody has made it; an archive has none.
    for (const { path } of [ignition, openshift]) mkdirSync(path('var/lib/kata-sysext/journal'), { mode: 0o700 });
  });
  after(() => {
    for (const each of [ignition, openshift]) each.remove();
  });
  afterEach(() => {
    host?.remove();
    host = undefined;
  });

  const spared = [...story, record];
  const lines = async (tree: TreeHost) => (await tree.json(['status']))['generations'] as Line[];

  it('what Ignition brought gets its owner, and its unit is wanted by nothing any more; no other byte changes', async () => {
    host = ignition.copy();
    const before = host.fingerprint([...spared, firstBoot.link]);

    const planned = await host.run(['adopt', 'rendered', '--dry-run']);
    const untouched = host.fingerprint([...story]);
    const change = await host.json(['adopt', 'rendered']);

    assert.match(planned.stdout, /remove \/etc\/systemd\/system\/multi-user\.target\.wants\/kata-sysext-first-boot\.service/);
    assert.match(planned.stdout, /note that generation 1 was brought by Ignition/);
    assert.deepEqual(differences(untouched, ignition.fingerprint([...story])), []);
    assert.deepEqual([change['verb'], change['changed'], change['from'], change['to']], ['adopt', true, 1, 1]);
    assert.equal(existsSync(host.path(firstBoot.script)), true);
    assert.equal(lstatSync(host.path(firstBoot.link), { throwIfNoEntry: false }), undefined);
    assert.deepEqual(differences(before, host.fingerprint([...spared, firstBoot.link])), []);
    assert.deepEqual((await lines(host))[0]?.owner, { kind: 'ignition', files: [`/${firstBoot.script}`, `/${firstBoot.unitFile}`] });
    assert.match((await host.run(['status'])).stdout, /^● 1 .*brought by Ignition/m);
  });

  it('its record keeps which archive brought it, by digest', async () => {
    host = ignition.copy();
    const script = readFileSync(host.path(firstBoot.script), 'utf8');
    const [, name, hex, url] = /^fetch (\S+) (\S+) (\S+) \d+$/m.exec(script)!;

    await host.json(['adopt', 'rendered']);

    const { owner } = JSON.parse(readFileSync(host.path(record), 'utf8')) as { owner: { archive: object } };
    assert.deepEqual(owner.archive, { name, digest: `sha256:${hex}`, url });
  });

  it('a second time nothing is done', async () => {
    host = ignition.copy();
    await host.json(['adopt', 'rendered']);
    const before = host.fingerprint();

    const again = await host.json(['adopt', 'rendered']);

    assert.equal(again['changed'], false);
    assert.deepEqual(
      differences(before, host.fingerprint(['var/lib/kata-sysext/lock'])).filter((line) => !/kata-sysext\/lock/.test(line)),
      [],
    );
  });

  it('what a MachineConfig brought stays as it is to the last byte, its unit included; the MachineConfig is named with what makes the next', async () => {
    host = openshift.copy();
    const before = host.fingerprint(spared);

    const change = await host.json(['adopt', 'rendered']);

    const [finding] = change['findings'] as { code: string; level: string; next: string }[];
    assert.deepEqual(differences(before, host.fingerprint(spared)), []);
    assert.deepEqual((await lines(host))[0]?.owner, {
      kind: 'machineconfig',
      name: '99-worker-kata-sysext',
      files: [`/${firstBoot.script}`, `/${firstBoot.unitFile}`],
    });
    assert.deepEqual([finding?.code, finding?.level], ['owned-by-machineconfig', 'info']);
    assert.match(
      finding!.next,
      /kata-sysext generate machineconfig \S+ --handler kata-qemu-runtime-rs .*--target openshift-4\.19 --pool worker --form hook /,
    );
    assert.match((await host.run(['status'])).stdout, /brought by the MachineConfig 99-worker-kata-sysext/);
  });

  it('from then on it is upgraded, rolled back and uninstalled as any other; what Ignition wrote stays', async () => {
    host = ignition.copy();
    const { second } = await releases();
    await host.json(['adopt', 'rendered']);

    await host.json(['install', second]);
    const upgraded = await lines(host);
    await host.json(['rollback']);
    const back = await host.json(['status']);
    await host.json(['uninstall', '--purge']);

    assert.deepEqual(
      upgraded.map(({ number, owner }) => [number, owner?.kind]),
      [
        [1, 'ignition'],
        [2, undefined],
      ],
    );
    assert.equal(back['active'], 1);
    assert.deepEqual(
      ['var/lib/kata-sysext', 'etc/kata-sysext', dropIn, firstBoot.script].map((path) => existsSync(host!.path(path))),
      [false, false, false, true],
    );
  });

  it('killed at any failpoint, then recover: the old or the new tree', async () => {
    const tried = ignition.copy();
    const points = await pointsOf(tried, ['adopt', 'rendered']);
    const trees = [judged(ignition), judged(tried)];

    const problems: string[] = [];
    for (const point of sample(points, 5, 'adopt rendered'))
      problems.push(...(await killedAt(ignition, ['adopt', 'rendered'], failAt(point, 'kill'), trees)));

    assert.ok(points.some((point) => point.startsWith('step/pointer/after')));
    assert.deepEqual(problems, []);
    tried.remove();
  });

  const shim = (tree: TreeHost) =>
    execFileSync('find', [tree.path('var/usrlocal'), '-name', 'containerd-shim-kata-v2'], { encoding: 'utf8' }).trim();
  const configuration = 'var/usrlocal/libexec/kata-sysext/generations/1/config/kata-qemu-runtime-rs/configuration.toml';
  const refusals: [title: string, spoil: (tree: TreeHost) => unknown, code: string, found: RegExp][] = [
    ['the script has not worked yet', (tree) => rmSync(tree.path(stampOf(tree.root))), 'adopt-unproven', /has not worked yet/],
    ['the script was interrupted', (tree) => put(tree.root, `${stampOf(tree.root)}.begun`, ''), 'adopt-unproven', /interrupted/],
    ['a file of the payload was changed', (tree) => appendFileSync(shim(tree), 'x'), 'adopt-unproven', /containerd-shim-kata-v2/],
    ['a configuration was changed', (tree) => appendFileSync(tree.path(configuration), '#\n'), 'adopt-unproven', /configuration\.toml/],
    ['the drop-in was edited', (tree) => appendFileSync(tree.path(dropIn), '# mine\n'), 'adopt-unproven', /50-kata-sysext\.conf/],
    ['the drop-in is gone', (tree) => rmSync(tree.path(dropIn)), 'adopt-unproven', /50-kata-sysext\.conf/],
    ['the pointer is gone', (tree) => rmSync(tree.path('etc/kata-sysext/current')), 'nothing-to-adopt', /no generation is active/],
    ['there is no script', (tree) => rmSync(tree.path(firstBoot.script)), 'nothing-to-adopt', /there is no .*hook\.sh/],
    [
      'the program has upgraded it already',
      async (tree) => tree.json(['install', (await releases()).second]),
      'nothing-to-adopt',
      /generation 2 is active/,
    ],
    ['what the operator wrote cannot be read', (tree) => put(tree.root, currentConfig, '{"spec":'), 'host-unknown', /currentconfig/],
  ];
  for (const [title, spoil, code, found] of refusals) {
    it(`refuses, and changes nothing: ${title}`, async () => {
      host = ignition.copy();
      await spoil(host);
      const before = host.fingerprint(story);

      const refused = await host.json(['adopt', 'rendered'], 3);

      assert.equal(refused['code'], code, JSON.stringify(refused));
      assert.match(String(refused['found']), found);
      assert.deepEqual(differences(before, host.fingerprint(story)), []);
    });
  }

  it('refuses what the program installed itself, on a plain host and at a first boot in the form hook', async () => {
    const { first } = await releases();
    host = treeHost('fcos');
    await host.json(['install', first]);

    const plain = await host.json(['adopt', 'rendered'], 3);
    put(
      host.root,
      firstBoot.script,
      '#!/bin/sh\nwork=/x\nstamp=/var/lib/y\nfetch kata-sysext 00 https://a.example\n"$work/kata-sysext" install\n',
    );
    const hook = await host.json(['adopt', 'rendered'], 3);

    assert.deepEqual([plain['code'], hook['code']], ['nothing-to-adopt', 'nothing-to-adopt']);
    assert.match(String(hook['found']), /the program itself installed/);
  });

  it('wants neither a bundle nor options of an installation, and knows two words', async () => {
    host = ignition.copy();

    for (const words of [
      ['rendered', 'kata.tar'],
      ['rendered', '--handler', 'qemu'],
      ['rendered', '--yes'],
      ['kata-deploy'],
      ['constructor'],
      ['layered'],
    ])
      assert.equal((await host.json(['adopt', ...words], 2))['code'], 'usage', words.join(' '));
  });
});
