import assert from 'node:assert/strict';
import type { FileSystem, HostView } from '../../cli/host/types.ts';
import { roomOf } from '../../cli/preflight/room.ts';
import { type EngineTree, engineTree } from '../support/trees/engineTree.ts';

const giga = 1_000_000_000;

/** Disks by their mount points, longest first. */
type Disks = Record<string, Partial<FileSystem>>;

describe('room that a change has to leave', () => {
  let tree: EngineTree;
  beforeEach(async () => {
    tree = await engineTree({ '/usr/bin/kubelet': '', '/var/lib/containerd/x': '' });
  });
  afterEach(async () => tree.remove());

  function on(disks: Disks): HostView {
    const fileSystem = async (path: string): Promise<FileSystem> => {
      const point = Object.keys(disks)
        .sort((a, b) => b.length - a.length)
        .find((each) => each === '/' || path === each || path.startsWith(`${each}/`))!;
      const standard = { sizeBytes: 100 * giga, freeBytes: 50 * giga, blockBytes: 4096, inodes: 1000, freeInodes: 900, whole: true };
      return { id: point, point, ...standard, ...disks[point] };
    };
    return { ...tree.host, booted: true, fileSystem };
  }

  async function codes(disks: Disks, bytes: number, entries = 0): Promise<string[]> {
    const room = await roomOf(on(disks), { kubelet: true });
    const found = await room.findings([{ what: 'payload', path: '/var/lib/kata-sysext/tree', bytes, entries }]);
    return found.map(({ code, subject }) => `${code} ${subject}`);
  }

  it('is 16 of 100 where images are: kubelet removes some as soon as less are free', async () => {
    const at = (freeBytes: number) => codes({ '/': { freeBytes } }, giga);

    const [just, less] = [await at(17 * giga), await at(17 * giga - 1)];

    assert.deepEqual([just, less], [[], ['host-space-kubelet /']]);
  });

  it('is 10 of 100 for pods where images have a disk of their own, and nothing on a third one', async () => {
    const disks = (free: number): Disks => ({
      '/': { freeBytes: free },
      '/var/lib/containerd': { freeBytes: 0 },
      '/var/lib/kata-sysext': {},
    });
    const shared = (freeBytes: number): Disks => ({ '/': { freeBytes }, '/var/lib/containerd': { freeBytes: 0 } });

    const third = await codes(disks(0), giga);
    const [just, less] = [await codes(shared(11 * giga), giga), await codes(shared(11 * giga - 1), giga)];

    assert.deepEqual([third, just, less], [[], [], ['host-space-kubelet /']]);
  });

  it('counts inodes, and blocks that are begun', async () => {
    const inodes = await codes({ '/': { freeInodes: 60 } }, 0, 11);
    const blocks = await codes({ '/': { freeBytes: 17 * giga + 4095 } }, giga, 1);
    const none = await codes({ '/': { inodes: 0, freeInodes: 0 } }, 0, 11);

    assert.deepEqual([inodes, blocks, none], [['host-space-kubelet /'], ['host-space-kubelet /'], []]);
  });

  it('is a little where there is no kubelet, and refused as plain room where both are missing', async () => {
    const full = await codes({ '/': { freeBytes: giga } }, giga);
    await tree.remove();
    tree = await engineTree({ '/etc/hostname': 'x' });

    const [fits, not] = [await codes({ '/': { freeBytes: 2 * giga } }, giga), await codes({ '/': { freeBytes: giga + 1000 } }, giga)];

    assert.deepEqual([full, fits, not], [['host-space /'], [], ['host-space /']]);
  });

  it('says what is free, what is needed, which threshold and what helps', async () => {
    await tree.write('/var/lib/kubelet/config.yaml', 'kind: KubeletConfiguration\nevictionHard: {nodefs.available: 40Gi}\n');
    const room = await roomOf(on({ '/': {} }), { kubelet: true });

    const [finding] = await room.findings([{ what: 'payload', path: '/var/lib/kata-sysext/tree', bytes: 10 * giga, entries: 0 }]);

    assert.deepEqual(finding, {
      code: 'host-space-kubelet',
      level: 'blocker',
      subject: '/',
      found: 'the file system / has 50 GB free, and the change needs 10 GB of it (/var/lib/kata-sysext/tree)',
      needed: '53 GB free now: 43 GB have to stay free, because kubelet acts below nodefs.available 43 GB (/var/lib/kubelet/config.yaml)',
      next: `free some: df -h ${tree.root}`,
    });
  });

  it('counts what is on the disk already once', async () => {
    const room = await roomOf(on({ '/': { freeBytes: 17 * giga } }), { kubelet: true });
    const payload = { what: 'payload', path: '/var/lib/kata-sysext/tree', bytes: 30 * giga, entries: 4, done: true };

    const found = await room.findings([payload, { what: 'program', path: '/var/lib/kata-sysext/bin', bytes: giga, entries: 0 }]);

    assert.deepEqual(found, []);
  });
});
