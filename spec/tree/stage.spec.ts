import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { differences } from '../support/judges/fingerprint.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const ours = ['var/lib/kata-sysext', 'var/usrlocal/libexec'];

describe('a staged generation', () => {
  let host: TreeHost;
  let first: string;
  let second: string;

  beforeEach(async () => {
    ({ first, second } = await releases());
    host = treeHost('rhcos');
  });

  afterEach(() => host.remove());

  const active = () => readlinkSync(host.path('etc/kata-sysext/current')).split('/').at(-1);

  it('changes nothing outside our folders until it is activated; rollback leads back', async () => {
    await host.json(['install', first]);
    const before = host.fingerprint(ours);

    const staged = await host.json(['install', second, '--stage']);

    assert.deepEqual([staged['verb'], staged['to'], active()], ['stage', 2, '1']);
    assert.match(String(staged['nextCommand']), /^kata-sysext activate 2 --engine containerd@1\.7\.24 --root /);
    assert.deepEqual(differences(before, host.fingerprint(ours)), []);

    const done = await host.json(['activate']);

    assert.deepEqual([done['from'], done['to'], active()], [1, 2, '2']);
    assert.deepEqual((await host.json(['verify']))['drift'], []);
    await host.json(['rollback']);
    assert.equal(active(), '1');
    assert.deepEqual(differences(before, host.fingerprint(ours)), []);
    await host.json(['activate', '2']);
    assert.equal(active(), '2');
  });

  it('can be the first one: nothing is wired before it is activated', async () => {
    const empty = host.fingerprint(ours);

    await host.json(['install', first, '--stage']);

    const status = await host.json(['status']);
    assert.equal(status['installed'], false);
    assert.ok(!existsSync(host.path('etc/kata-sysext')));
    assert.deepEqual(differences(empty, host.fingerprint(ours)), []);
    const done = await host.json(['activate']);
    assert.match(String(done['undoCommand']), /^kata-sysext uninstall/);
    await host.json(['uninstall', '--purge']);
    assert.deepEqual(differences(empty, host.fingerprint()), []);
  });

  it('is made once', async () => {
    await host.json(['install', first]);
    await host.json(['install', second, '--stage']);

    const again = await host.json(['install', second, '--stage']);

    assert.deepEqual([again['changed'], again['to']], [false, 2]);
    const said = await host.run(['install', second, '--stage', '--progress', 'none']);
    assert.match(said.stdout, /^stage: nothing to do; generation 2 is there · next: kata-sysext activate 2 /);
  });

  it('of what is active already touches nothing, not even wiring that somebody took out', async () => {
    const plain = readFileSync(host.path('etc/containerd/config.toml'));
    await host.json(['install', first]);
    writeFileSync(host.path('etc/containerd/config.toml'), plain);

    const planned = await host.json(['install', first, '--stage', '--dry-run']);
    const done = await host.json(['install', first, '--stage']);

    assert.deepEqual([planned['verb'], planned['steps']], ['stage', []]);
    assert.deepEqual([done['verb'], done['changed'], done['to']], ['stage', false, 1]);
    assert.deepEqual(readFileSync(host.path('etc/containerd/config.toml')), plain);
  });

  it('uninstall takes one that was never activated', async () => {
    const empty = host.fingerprint();
    await host.json(['install', first, '--stage']);

    await host.json(['uninstall', '--purge']);

    assert.deepEqual(differences(empty, host.fingerprint()), []);
  });

  it('--dry-run writes nothing and says what comes next', async () => {
    await host.json(['install', first]);
    const before = host.fingerprint(['var/lib/kata-sysext/lock']);

    const plan = await host.json(['install', second, '--stage', '--dry-run']);

    assert.match(JSON.stringify(plan['steps']), /waits for: kata-sysext activate 2/);
    assert.deepEqual(differences(before, host.fingerprint(['var/lib/kata-sysext/lock'])), []);
  });

  it('activate without one is refused and names the way', async () => {
    await host.json(['install', first]);

    const refused = await host.json(['activate'], 3);

    assert.equal(refused['code'], 'nothing-staged');
    assert.equal((await host.json(['activate', 'two'], 2))['code'], 'usage');
    assert.equal((await host.json(['activate', '7'], 2))['code'], 'unknown-generation');
  });
});

describe('a pinned generation', () => {
  it('stays through gc until it is unpinned', async () => {
    const { first, second } = await releases();
    const host = treeHost('microos');
    await host.json(['install', first]);
    await host.json(['install', second]);
    await host.json(['install', first, '--handler', 'qemu-runtime-rs', '--handler', 'dragonball']);
    await host.json(['install', second, '--handler', 'qemu-runtime-rs', '--handler', 'dragonball']);

    const pinned = await host.json(['pin', '1']);
    const again = await host.json(['pin', '1']);
    const said = await host.run(['pin', '1', '--progress', 'none']);
    const kept = await host.json(['gc', '--keep', '0']);
    await host.json(['unpin', '1']);
    const gone = await host.json(['gc', '--keep', '0']);

    assert.deepEqual([pinned['changed'], again['changed']], [true, false]);
    assert.equal(said.stdout, 'pin: nothing to do\n', 'generation 4 is the active one');
    assert.deepEqual(kept['removedGenerations'], [2]);
    assert.deepEqual(gone['removedGenerations'], [1]);
    assert.equal((await host.json(['pin', '9'], 2))['code'], 'unknown-generation');
    host.remove();
  });
});
