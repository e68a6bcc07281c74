import assert from 'node:assert/strict';
import toml from '@iarna/toml';
import { handlerTable } from '../../cli/layout/index.ts';
import { configured, profileNamed, profileSettings, profiles, requireFit, rowsFor, unfit } from '../../cli/layout/settings/index.ts';
import { configurationSets } from './release.ts';

/** Which profiles fit Kata's own handlers, written by hand from the files and their comments. */
const fits: Record<string, string[]> = {
  debug: ['clh', 'dragonball', 'fc', 'qemu', 'qemu-runtime-rs', 'remote'],
  'virtiofs-dax': ['dragonball', 'qemu', 'qemu-runtime-rs'],
  sriov: ['clh', 'qemu', 'qemu-runtime-rs'],
  hugepages: ['clh', 'dragonball', 'fc', 'qemu', 'qemu-runtime-rs'],
  'guest-selinux': ['clh', 'qemu', 'qemu-runtime-rs'],
  'low-overhead': ['clh', 'dragonball', 'fc', 'qemu', 'qemu-runtime-rs'],
};

type Table = { [key: string]: unknown };

function valueAt(value: Table, path: string): unknown {
  return path.split('.').reduce<unknown>((at, key) => (at as Table | undefined)?.[key], value);
}

for (const { from, files } of configurationSets())
  describe(`profiles, ${from}`, () => {
    const real = files.map(({ row, text }) => ({ ...row, text }));

    it('are the ones that the documentation names', () => {
      assert.deepEqual(profiles.map(({ name }) => name).sort(), Object.keys(fits).sort());
    });

    for (const profile of profiles) {
      it(`${profile.name} fits the handlers that it is made for, of these`, () => {
        const seen = real.filter((row) => unfit(profile, row.text, row) === undefined).map(({ name }) => name);

        assert.deepEqual(seen.sort(), fits[profile.name]);
      });

      for (const row of real) {
        if (!fits[profile.name]?.includes(row.name)) continue;
        it(`${profile.name} sets keys that ${row.name} has, to values of the same type that differ from the release's`, () => {
          const before = toml.parse(row.text) as Table;
          const wanted = profileSettings(profile, row);

          const after = toml.parse(configured(row.text, row, { profiles: [profile.name], settings: {} })) as Table;

          assert.ok(wanted.size > 0);
          for (const [path, value] of wanted) {
            const was = valueAt(before, path);
            assert.equal(typeof was, typeof value, path);
            assert.notDeepEqual(was, value, path);
            assert.deepEqual(valueAt(after, path), value, path);
          }
        });
      }
    }

    it('every row is used by some handler of the table', () => {
      for (const profile of profiles) {
        const used = new Set(handlerTable.handlers.flatMap((row) => rowsFor(profile, row)));

        assert.deepEqual(new Set(profile.rows), used, profile.name);
      }
    });

    it('virtiofs-dax does not fit a handler that shares no files', () => {
      const qemu = real.find(({ name }) => name === 'qemu')!;
      const text = qemu.text.replace('shared_fs = "virtio-fs"', 'shared_fs = "none"');

      assert.throws(() => requireFit(profileNamed('virtiofs-dax'), text, qemu), {
        code: 'profile-unfit',
        message: /hypervisor\.qemu\.shared_fs = "none"/,
      });
    });

    it('a setting wins over a profile, and a later profile over an earlier one', () => {
      const qemu = real.find(({ name }) => name === 'qemu')!;
      const chosen = { profiles: ['low-overhead', 'debug'], settings: { 'hypervisor.qemu.default_memory': 3000 } };

      const after = toml.parse(configured(qemu.text, qemu, chosen)) as Table;

      assert.equal(valueAt(after, 'hypervisor.qemu.default_memory'), 3000);
      assert.equal(valueAt(after, 'hypervisor.qemu.reclaim_guest_freed_memory'), true);
      assert.equal(valueAt(after, 'runtime.enable_debug'), true);
    });

    it('names what a release lacks and the command that gives it up', () => {
      const qemu = real.find(({ name }) => name === 'qemu')!;
      const owner = { ...qemu, name: 'kata-qemu' };
      const text = qemu.text.replace('\nenable_hugepages =', '\nuse_hugepages =').replace('default_memory = 2048', 'default_memory = "2G"');
      const chosen = { profiles: ['debug', 'hugepages'], settings: { 'hypervisor.qemu.default_memory': 3000 } };

      assert.throws(
        () => configured(text, owner, chosen),
        (error: { code: string; exitCode: number; complaint: { found: string; next: string } }) => {
          assert.deepEqual([error.code, error.exitCode], ['bundle-lacks-setting', 4]);
          assert.match(error.complaint.found, /has no key hypervisor\.qemu\.enable_hugepages/);
          assert.match(error.complaint.found, /wants text for hypervisor\.qemu\.default_memory/);
          assert.match(
            error.complaint.next,
            /kata-sysext configure --unset hypervisor\.qemu\.default_memory --profile debug --handler kata-qemu$/,
          );
          return true;
        },
      );
    });

    it('an unknown one names the nearest', () => {
      assert.throws(() => profileNamed('debgu'), { code: 'profile-unknown' });
      assert.throws(() => profileNamed('__proto__'), { code: 'profile-unknown' });
    });
  });
