import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Finding } from '../../cli/errors/index.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';

const units = 'etc/systemd/system';
const unit = `${units}/kata-sysext-overlay.service`;
const wants = `${units}/sysinit.target.wants/kata-sysext-overlay.service`;
const theirs = '# of another program\n[Unit]\nDescription=mine\n';

/** What the unit runs. */
function withPrograms(root: string): void {
  for (const name of ['sh', 'grep', 'mount', 'umount', 'mountpoint']) put(root, `usr/bin/${name}`, '');
}

/** What others make of the unit file, by name. */
const edits: Record<string, (path: string) => void> = {
  'a line below': (path) => appendFileSync(path, '# mine\n'),
  'a line above': (path) => writeFileSync(path, `# mine\n${readFileSync(path, 'utf8')}`),
  'a mask': (path) => {
    unlinkSync(path);
    symlinkSync('/dev/null', path);
  },
};

describe('units of kata-sysext that another program or user changed', function () {
  this.timeout(300_000);
  let first: string;
  let second: string;
  let host: InProcessTree;
  before(async () => {
    ({ first, second } = await plainReleases());
  });
  beforeEach(() => {
    host = inProcessTree('fcos', withPrograms);
  });
  afterEach(() => host.remove());

  const about = (result: Record<string, unknown>, path: string) =>
    (result['findings'] as Finding[]).filter(({ subject }) => subject === `/${path}`).map(({ code, level }) => `${level} ${code}`);

  for (const [name, edit] of Object.entries(edits))
    it(`${name} of the overlay’s unit stays and is reported, and the uninstall goes on`, async () => {
      await host.json(['install', first, '--backend', 'overlay']);
      edit(host.path(unit));
      const edited = lstatSync(host.path(unit)).isSymbolicLink() ? readlinkSync(host.path(unit)) : readFileSync(host.path(unit), 'utf8');

      const result = await host.json(['uninstall', '--purge']);

      const now = lstatSync(host.path(unit)).isSymbolicLink() ? readlinkSync(host.path(unit)) : readFileSync(host.path(unit), 'utf8');
      assert.deepEqual(about(result, unit), ['warning foreign-edit']);
      assert.equal(now, edited);
      assert.deepEqual([existsSync(host.path(wants)), existsSync(host.path('etc/kata-sysext'))], [false, false]);
    });

  it('an upgrade writes the unit of its version and says that an edit is in it; settings of a drop-in stay', async () => {
    await host.json(['install', first, '--backend', 'overlay']);
    const text = readFileSync(host.path(unit), 'utf8');
    put(host.root, `${unit}.d/mine.conf`, '[Unit]\n');
    const quiet = await host.json(['install', second, '--dry-run']);
    appendFileSync(host.path(unit), '# mine\n');

    const result = await host.json(['install', second]);

    assert.deepEqual(about(quiet, unit), []);
    assert.deepEqual(about(result, unit), ['warning foreign-edit']);
    assert.equal(readFileSync(host.path(unit), 'utf8'), text);
    assert.ok(existsSync(host.path(`${unit}.d/mine.conf`)));
  });

  it('an absolute link, as systemctl reenable makes it, starts the unit for verify too, and goes with an uninstall', async () => {
    const before = host.listing();
    await host.json(['install', first, '--backend', 'overlay']);
    unlinkSync(host.path(wants));
    symlinkSync(`/${unit}`, host.path(wants));

    const { drift } = await host.json(['verify']);
    await host.json(['install', second]);
    const kept = readlinkSync(host.path(wants));
    await host.json(['uninstall', '--purge']);

    assert.deepEqual(drift, []);
    assert.equal(kept, `/${unit}`);
    assert.deepEqual(differences(before, host.listing()), []);
  });

  for (const what of ['a file', 'a link to another unit'] as const)
    it(`${what} in the place of the link that starts the overlay is refused and stays`, async () => {
      mkdirSync(dirname(host.path(wants)), { recursive: true });
      if (what === 'a file') writeFileSync(host.path(wants), theirs);
      else symlinkSync('../other.service', host.path(wants));
      const before = host.listing();

      const refused = await host.json(['install', first, '--backend', 'overlay'], 3);

      assert.deepEqual([refused['code'], refused['subject']], ['foreign-file', `/${wants}`]);
      assert.match(String(refused['next']), new RegExp(`mv ${host.path(wants)} `));
      assert.deepEqual(differences(before, host.listing()), []);
    });
});
