import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HostView, openView } from '../../cli/host/index.ts';
import { sandboxesByGeneration } from '../../cli/inspect/status.ts';
import type { Generation } from '../../cli/store/index.ts';
import { scratch } from '../support/trees/treeHost.ts';

const now = Date.parse('2026-06-01T12:00:00.000Z');
const upSeconds = 100_000;
const [one, two] = ['1', '2'].map((digit) => `/var/lib/kata-sysext/tree/${digit.repeat(64)}/usr/share/kata`) as [string, string];
const shim = 'bin/containerd-shim-kata-v2';

/** A generation that became active so many seconds ago. */
function generation(number: number, payloadFolder: string, secondsAgo: number | undefined): Generation {
  const activated = secondsAgo === undefined ? {} : { activated: new Date(now - secondsAgo * 1000).toISOString() };
  return {
    manifest: { number, payloadFolder, handlers: [{ name: 'kata-qemu', shim }] },
    record: { schema: 1, state: 'active', ...activated },
  } as unknown as Generation;
}

describe('sandboxes that run', () => {
  let root: string;
  let host: HostView;
  let next: number;

  beforeEach(() => {
    root = scratch('sandboxes');
    mkdirSync(join(root, 'proc'));
    writeFileSync(join(root, 'proc/uptime'), `${upSeconds}.00 1.00\n`);
    host = { ...openView(root, {}), live: true, booted: true, now: () => new Date(now) };
    next = 100;
  });
  afterEach(() => rmSync(root, { recursive: true }));

  /** A process as /proc shows it; without `exe` the link cannot be read. */
  function runs(words: string[], { exe, secondsAgo = 10, uid = 0 }: { exe?: string; secondsAgo?: number; uid?: number } = {}) {
    const folder = join(root, `proc/${next++}`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'cmdline'), words.map((word) => `${word}\0`).join(''));
    writeFileSync(join(folder, 'stat'), `1 (a) R (b) S ${'0 '.repeat(18)}${(upSeconds - secondsAgo) * 100} 0 0\n`);
    writeFileSync(join(folder, 'status'), `Name:\tx\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\n`);
    if (exe !== undefined) symlinkSync(exe, join(folder, 'exe'));
  }

  /** Shim, hypervisor and virtiofsd of a sandbox. */
  function pod(id: string, folder: string, secondsAgo = 10) {
    runs([`${folder}/${shim}`, '-namespace', 'k8s.io', '-id', id], { exe: `${folder}/${shim}`, secondsAgo });
    runs([`${folder}/bin/qemu-system-x86_64`, '-name', `sandbox-${id}`], { exe: `${folder}/bin/qemu-system-x86_64`, secondsAgo });
    runs([`${folder}/bin/virtiofsd`, '--fd=3'], { exe: `${folder}/bin/virtiofsd`, secondsAgo });
    runs([`${folder}/bin/virtiofsd`, '--fd=3'], { exe: `${folder}/bin/virtiofsd`, secondsAgo });
  }

  it('are counted, not their processes, and only for the payload that they run from', async () => {
    pod('a', one);
    pod('b', one);
    pod('c', two);

    const counts = await sandboxesByGeneration(host, [generation(1, one, 900), generation(2, two, 600), generation(3, `${two}x`, 300)]);

    assert.deepEqual(
      [...counts],
      [
        [1, 2],
        [2, 1],
      ],
    );
  });

  it('are root’s: the words of no other user’s process are read', async () => {
    pod('a', one);
    runs([`${one}/${shim}`, '-namespace', 'k8s.io', '-id', 'b'], { exe: `${one}/${shim}`, uid: 1000 });
    const read: string[] = [];
    const readText = (path: string) => {
      read.push(path);
      return host.readText(path);
    };
    const noting = { ...host, readText };

    const counts = await sandboxesByGeneration(noting, [generation(1, one, 900)]);

    assert.deepEqual([...counts], [[1, 1]]);
    assert.deepEqual(
      read.filter((path) => path.endsWith('/cmdline')),
      [100, 101, 102, 103].map((pid) => `/proc/${pid}/cmdline`),
    );
  });

  it('count once where generations share a payload: for the one that became active last before they started', async () => {
    pod('old', one, 700);
    pod('new', one, 10);
    const generations = [generation(1, one, 900), generation(2, one, 600), generation(3, one, undefined)];

    const counts = await sandboxesByGeneration(host, generations);

    assert.deepEqual(
      [...counts],
      [
        [1, 1],
        [2, 1],
      ],
    );
  });

  it('that are older than all records count for the first generation of their payload', async () => {
    pod('a', one, 5000);

    const counts = await sandboxesByGeneration(host, [generation(1, one, 900), generation(2, one, 600)]);

    assert.deepEqual([...counts], [[1, 1]]);
  });

  it('count once, whatever helps with them: the oldest process decides', async () => {
    runs([`${two}/${shim}`, '-id', 'a', 'delete'], { exe: `${two}/${shim}`, secondsAgo: 1 });
    runs([`${one}/${shim}`, '-id', 'a'], { exe: `${one}/${shim}.damaged`.replace('/usr/', '.damaged/usr/'), secondsAgo: 500 });

    const counts = await sandboxesByGeneration(host, [generation(1, one, 900), generation(2, two, 600)]);

    assert.deepEqual([...counts], [[1, 1]]);
  });

  it('of others are not counted', async () => {
    runs(['/usr/bin/containerd-shim-runc-v2', '-id', 'a'], { exe: '/usr/bin/containerd-shim-runc-v2' });
    runs(['containerd-shim-kata-v2', '-id'], { exe: `${one}/${shim}` });
    runs([]);

    const counts = await sandboxesByGeneration(host, [generation(1, one, 900)]);

    assert.deepEqual([...counts], []);
  });

  it('are seen by an ordinary user too, by the path that root’s process was started from', async () => {
    runs([`${one}/${shim}`, '-id', 'a']);
    runs([`/usr/share/kata/${shim}`, '-id', 'merged']);
    runs([`${one}/${shim}`, '-id', 'forged'], { uid: 1000 });
    chmodSync(join(root, 'proc/100'), 0o755);

    const counts = await sandboxesByGeneration(host, [generation(1, one, 900), generation(2, two, 600)]);

    assert.deepEqual(
      [...counts],
      [
        [1, 1],
        [2, 1],
      ],
    );
  });

  it('are none on a tree that does not run', async () => {
    pod('a', one);

    const counts = await sandboxesByGeneration(openView(root, {}), [generation(1, one, 900)]);

    assert.deepEqual([...counts], []);
  });
});
