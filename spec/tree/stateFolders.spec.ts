import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { differences } from '../support/judges/fingerprint.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';
import { untouched } from '../support/trees/untouched.ts';

const folders = ['var/lib/kata-sysext', 'etc/kata-sysext', 'usr/local/libexec/kata-sysext'];

describe('folders of the state', () => {
  let host: TreeHost;
  let first: string;
  let second: string;

  before(async () => {
    ({ first, second } = await releases());
  });

  beforeEach(() => {
    host = treeHost('fcos');
  });

  afterEach(() => host.remove());

  for (const folder of folders) {
    it(`/${folder} of another user is refused, and --allow overrides it`, async () => {
      mkdirSync(host.path(folder), { recursive: true });
      chownSync(host.path(folder), 1000, 1000);

      const error = await untouched(host, ['install', first], 3, 'state-unsafe');
      const done = await host.json(['install', first, '--allow', 'state-unsafe']);

      assert.match(String(error['found']), /belongs to the user with the id 1000/);
      assert.equal(done['changed'], true);
    });

    it(`/${folder} that others may write to is refused by every change`, async () => {
      await host.json(['install', first]);
      chmodSync(host.path(folder), 0o775);

      const error = await untouched(host, ['install', second], 3, 'state-unsafe');
      const rollback = await host.json(['uninstall'], 3);

      assert.match(String(error['found']), /775/);
      assert.equal(rollback['code'], 'state-unsafe');
    });
  }

  const believed: [string, (path: string) => void, RegExp][] = [
    ['var/lib/kata-sysext/journal', (path) => chmodSync(path, 0o777), /777/],
    ['var/lib/kata-sysext/generations/1/record.json', (path) => chmodSync(path, 0o666), /666/],
    ['var/lib/kata-sysext/generations/1', (path) => chownSync(path, 1000, 1000), /id 1000/],
    ['var/lib/kata-sysext/history/sequence', (path) => chownSync(path, 1000, 1000), /id 1000/],
    ['usr/local/libexec/kata-sysext/tree', (path) => chmodSync(path, 0o777), /777/],
    ['etc/kata-sysext/trust.d/team.json', (path) => chownSync(path, 1000, 1000), /id 1000/],
    ['var/lib/kata-sysext/payloads', (path) => chmodSync(path, 0o770), /770/],
  ];
  for (const [path, spoil, found] of believed) {
    it(`/${path} that another user could have filled is refused`, async () => {
      await host.json(['install', first]);
      mkdirSync(host.path('var/lib/kata-sysext/journal'), { recursive: true });
      mkdirSync(host.path('etc/kata-sysext/trust.d'));
      writeFileSync(host.path('etc/kata-sysext/trust.d/team.json'), '{}');
      spoil(host.path(path));

      const error = await untouched(host, ['install', second], 3, 'state-unsafe');

      assert.match(String(error['found']), found);
    });
  }

  it('a pipe where the journal should be is refused, and waits for nobody', async () => {
    await host.json(['install', first]);
    rmSync(host.path('var/lib/kata-sysext/journal'), { recursive: true, force: true });
    execFileSync('mkfifo', [host.path('var/lib/kata-sysext/journal')]);

    const error = await untouched(host, ['install', second], 3, 'state-unsafe');

    assert.match(String(error['found']), /neither a file nor a folder/);
  });

  it('a state folder that is a link to nothing leaves no folder behind after --purge', async () => {
    symlinkSync('/elsewhere/kata', host.path('var/lib/kata-sysext'));
    const before = host.fingerprint();

    await host.json(['install', first]);
    const there = readdirSync(host.path('elsewhere/kata')).length > 0;
    await host.json(['uninstall', '--purge']);

    assert.equal(there, true);
    assert.deepEqual(differences(before, host.fingerprint()), []);
    assert.equal(lstatSync(host.path('var/lib/kata-sysext')).isSymbolicLink(), true);
  });
});
