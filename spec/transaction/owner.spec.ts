import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openView } from '../../cli/host/index.ts';
import { type Owner, ownerOf } from '../../cli/transaction/journal.ts';
import type { Intent } from '../../cli/transaction/types.ts';

const machine = 'a'.repeat(32);
const [imageA, imageB] = ['a'.repeat(128), 'b'.repeat(128)];

/** Whose /etc an interrupted change speaks of. Two deployments, of which b.0 is booted. */
describe('the owner of a journal entry', () => {
  let root: string;
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-owner-'));
    for (const name of ['a.0', 'b.0']) mkdirSync(join(root, 'ostree/deploy/fedora/deploy', name, 'etc'), { recursive: true });
    mkdirSync(join(root, '.snapshots/7/snapshot/etc'), { recursive: true });
    for (const image of [imageA, imageB]) mkdirSync(join(root, 'sysroot/state/deploy', image, 'etc'), { recursive: true });
  });
  after(() => rmSync(root, { recursive: true }));

  const rows: [what: string, entry: Partial<Intent>, here: string, owner: Owner][] = [
    ['of this deployment', { deployment: 'b.0' }, 'b.0', 'own'],
    ['of another one that is on the disk', { deployment: 'a.0' }, 'b.0', 'parked'],
    ['of a snapshot that is on the disk', { deployment: 'snapshot-7' }, 'b.0', 'parked'],
    ['of another image of composefs', { deployment: imageA }, imageB, 'parked'],
    ['of an image of composefs that is gone', { deployment: 'c'.repeat(128) }, imageB, 'orphan'],
    ['of one that is gone', { deployment: 'c.0' }, 'b.0', 'orphan'],
    ['of an offline tree', { deployment: 'offline' }, 'b.0', 'own'],
    ['of another machine', { deployment: 'b.0', machine: 'b'.repeat(32) }, 'b.0', 'stranger'],
    ['of another machine and a deployment that is gone', { deployment: 'c.0', machine: 'b'.repeat(32) }, 'b.0', 'stranger'],
    ['of one that is gone, seen by a system without deployments', { deployment: 'c.0' }, 'single', 'stranger'],
    ['of a deployment, seen from an offline tree', { deployment: 'c.0' }, 'offline', 'stranger'],
  ];
  for (const [what, entry, here, wanted] of rows) {
    it(`${what}: ${wanted}`, async () => {
      const intent = { machine, ...entry } as Intent;

      const owner = await ownerOf(openView(root, {}), intent, { machine, deployment: here });

      assert.equal(owner, wanted);
    });
  }
});
