import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { codes } from '../../../cli/errors/index.ts';
import { type HostView, openView } from '../../../cli/host/index.ts';
import { profileNeed } from '../../../cli/planning/choices/profileNeeds.ts';
import { put } from '../../support/trees/hostTrees.ts';
import { scratch } from '../../support/trees/treeHost.ts';

/** Written from the kernel's documents: Documentation/admin-guide/mm/hugetlbpage.rst, ABI/testing/sysfs-kernel-iommu_groups, selinuxfs. */
const hosts: [need: string, code: string, level: string, path: string, met: string, lacking: string | undefined][] = [
  ['hugepages', 'host-hugepages', 'blocker', 'proc/meminfo', 'HugePages_Total:      64\n', 'HugePages_Total:       0\n'],
  ['iommu', 'host-iommu', 'warning', 'sys/kernel/iommu_groups/0/type', 'DMA\n', undefined],
  ['selinux', 'host-no-selinux', 'warning', 'sys/fs/selinux/enforce', '1', undefined],
];

describe('what a profile needs of a host', () => {
  let root: string;
  let live: HostView;

  beforeEach(() => {
    root = scratch('profileNeeds');
    live = { ...openView(root, {}), live: true, booted: true };
  });
  afterEach(() => rmSync(root, { recursive: true }));

  for (const [need, code, level, path, met, lacking] of hosts) {
    it(`${code} is found on a host without ${need}, and not on a host with it`, async () => {
      if (lacking !== undefined) put(root, path, lacking);
      const [without, ...more] = await profileNeed(live, need, 'some-profile');
      rmSync(join(root, path), { force: true });
      put(root, path, met);

      const withIt = await profileNeed(live, need, 'some-profile');

      assert.deepEqual([without?.code, without?.level, more], [code, level, []]);
      assert.match(without!.found, /^profile some-profile: /);
      assert.ok(codes[code] !== undefined);
      assert.deepEqual(withIt, []);
    });
  }

  it('is a warning of an offline tree, which has neither memory nor devices', async () => {
    const offline = openView(root, {});

    const found = [await profileNeed(offline, 'hugepages', 'p'), await profileNeed(offline, 'iommu', 'p')].flat();

    assert.deepEqual(
      found.map(({ code, level }) => [code, level]),
      [
        ['host-hugepages', 'warning'],
        ['host-iommu', 'warning'],
      ],
    );
  });
});
