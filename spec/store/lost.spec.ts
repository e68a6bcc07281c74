import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { differences } from '../support/judges/fingerprint.ts';
import { type InProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';
import { pointer, startingTrees } from '../support/trees/startingTrees.ts';

const state = 'var/lib/kata-sysext';
const config = 'etc/containerd/config.toml';

function payloads(host: InProcessTree): string[] {
  const manifests = readdirSync(host.path(`${state}/payloads`));
  const trees = ['var/usrlocal/libexec/kata-sysext/tree', `${state}/tree`].map(host.path).filter((path) => existsSync(path));
  return [...manifests, ...trees.flatMap((path) => readdirSync(path))].sort();
}

async function codeOf(host: InProcessTree, args: string[], env?: Record<string, string>): Promise<string> {
  const { stdout } = await host.run([...args, '--json', '--progress', 'none'], env);
  const { code, kind } = JSON.parse(stdout) as { code?: string; kind: string };
  return code ?? kind;
}

describe('what kata-sysext has lost', function () {
  this.timeout(300_000);
  const { bare, installed } = startingTrees();
  let first: string;
  let second: string;
  before(async () => {
    ({ first, second } = await plainReleases());
  });

  for (const name of ['record.json', 'manifest.json'])
    it(`the ${name} of the active generation: nothing of it is removed, and each change says what is gone`, async () => {
      const host = installed();
      const before = payloads(host);
      rmSync(host.path(`${state}/generations/2/${name}`));

      const codes: string[] = [];
      for (const args of [
        ['status'],
        ['install', first, '--dry-run'],
        ['install', first],
        ['configure', '--profile', 'debug'],
        ['uninstall'],
        ['gc'],
      ])
        codes.push(await codeOf(host, args));
      await host.run(['recover']);
      await host.run(['recover', '--boot', 'recover']);

      assert.deepEqual(new Set(codes), new Set(['state-damaged']));
      assert.deepEqual(payloads(host), before);
      const { stderr } = await host.run(['install', first]);
      assert.match(stderr, new RegExp(`generations/2/${name.replace('.', '\\.')} is damaged: it is gone, and the generation is active`));
      assert.match(stderr, /put .* back from a backup/);
    });

  it('the record of another generation: its payload stays, and so does the rest', async () => {
    const host = installed();
    const before = payloads(host);
    rmSync(host.path(`${state}/generations/1/record.json`));

    await host.json(['pin', '2']);

    assert.deepEqual(payloads(host), before);
    assert.ok(existsSync(host.path(`${state}/generations/1/manifest.json`)));
  });

  it('what a generation without a record has in common with those that go stays with it', async () => {
    const host = installed();
    await host.json(['configure', '--profile', 'debug']);
    const { payload } = JSON.parse(readFileSync(host.path(`${state}/generations/2/manifest.json`), 'utf8')) as { payload: string };
    rmSync(host.path(`${state}/generations/2/record.json`));

    await host.json(['uninstall']);

    const hex = payload.slice('sha256:'.length);
    assert.deepEqual(payloads(host), [hex, `${hex}.json`].sort());
  });

  it('a generation that was never whole goes, with its payload', async () => {
    const host = installed();
    const before = host.listing();
    for (const [number, name] of [
      [8, 'config'],
      [9, 'record.json'],
    ] as const) {
      mkdirSync(host.path(`${state}/generations/${number}`));
      if (name === 'config') mkdirSync(host.path(`${state}/generations/${number}/config`));
      else writeFileSync(host.path(`${state}/generations/${number}/${name}`), '{"schema":1,"state":"preparing"}\n');
    }

    await host.json(['recover']);

    assert.deepEqual(differences(before, host.listing()), []);
  });

  for (const [what, verb] of [
    ['an install of the same release', () => ['install', second]],
    ['an install of another release', () => ['install', first]],
    ['activate', () => ['activate', '1']],
  ] as const)
    it(`the pointer: ${what} takes the wiring for its own, and the uninstall gives back every byte`, async () => {
      const host = installed();
      const clean = bare();
      rmSync(host.path(pointer));

      await host.json(verb());
      await host.json(['uninstall', '--purge']);

      assert.deepEqual(differences(clean.listing(), host.listing()), []);
    });

  it('the note of its folders: the uninstall finds its files by their names, and only empty folders around them stay', async () => {
    const host = installed();
    const clean = bare();
    rmSync(host.path(`${state}/folders.json`));

    await host.json(['uninstall', '--purge']);

    assert.deepEqual(
      differences(clean.listing(), host.listing()).filter((line) => !/^\+ .* folder$/.test(line)),
      [],
    );
  });

  for (const [what, time] of [
    ['before 1970', -1.5],
    ['of 1960', -315_619_200],
  ] as const)
    it(`a file and a folder with a time ${what}: a change that fails puts both back`, async () => {
      const host = bare();
      for (const path of [config, dirname(config)]) utimesSync(host.path(path), new Date(time * 1000), new Date(time * 1000));
      const before = host.listing();
      const times = () => [config, dirname(config)].map((path) => Math.round(statSync(host.path(path)).mtimeMs));
      const wanted = times();

      const failed = await codeOf(host, ['install', first], { KATA_SYSEXT_FAILPOINT: 'commit/before=error' });

      assert.equal(failed, 'failed');
      // The story of the change stays, in its folder.
      assert.match(differences(before, host.listing()).join(), /^\+ var\/lib\/kata-sysext 40755 \d+:\d+ folder$/);
      assert.deepEqual(times(), wanted);
    });
});

describe('generations that another deployment needs', function () {
  this.timeout(300_000);
  const { installed } = startingTrees();
  const other = 'ostree/deploy/fedora-coreos/deploy/bbb.0/etc/kata-sysext';

  function pointsAt(host: InProcessTree, number: number): void {
    mkdirSync(host.path(other), { recursive: true });
    symlinkSync(`/var/lib/kata-sysext/generations/${number}`, host.path(`${other}/current`));
  }

  it('one that became active there meanwhile survives the clean-up that was to remove it', async () => {
    const host = installed();
    await host.json(['configure', '--profile', 'debug']);
    await host.run(['gc', '--keep', '1'], { KATA_SYSEXT_FAILPOINT: 'commit/after=error' });
    assert.equal(readdirSync(host.path(`${state}/journal`)).length, 1);
    const before = payloads(host);
    pointsAt(host, 1);

    await host.json(['recover']);

    assert.deepEqual(readdirSync(host.path(`${state}/journal`)), []);
    assert.ok(existsSync(host.path(`${state}/generations/1/manifest.json`)));
    assert.deepEqual(payloads(host), before);
  });

  it('that of a change which it has committed survives a change that fails here', async () => {
    const host = installed();
    await host.run(['configure', '--profile', 'debug'], { KATA_SYSEXT_FAILPOINT: 'commit/after=error' });
    const [entry] = readdirSync(host.path(`${state}/journal`));
    const path = host.path(`${state}/journal/${entry}/intent.json`);
    const intent = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    writeFileSync(path, JSON.stringify({ ...intent, deployment: 'bbb.0' }));
    pointsAt(host, 3);
    rmSync(host.path(pointer));
    symlinkSync('/var/lib/kata-sysext/generations/2', host.path(pointer));
    for (const name of readdirSync(host.path('etc')).filter((each) => each.startsWith('.kata-sysext'))) rmSync(host.path(`etc/${name}`));

    await host.run(['configure', '--set', 'default_memory=4096'], { KATA_SYSEXT_FAILPOINT: 'commit/before=error' });

    assert.deepEqual(readdirSync(host.path(`${state}/journal`)), [entry]);
    assert.ok(existsSync(host.path(`${state}/generations/3/manifest.json`)));
  });
});
