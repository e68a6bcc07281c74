import assert from 'node:assert/strict';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Host, openHost } from '../../cli/host/index.ts';
import { type Attempt, forget, isSameMemory, readAway, readMemory, recall, remember, rememberAway } from '../../cli/requests/index.ts';
import { scratch } from '../support/trees/treeHost.ts';

const attempt = (digit: string, more: Partial<Attempt> = {}): Attempt => ({
  request: `sha256:${digit.repeat(64)}`,
  retry: 0,
  outcome: 'done',
  engine: 'containerd 2.1.9',
  system: 'x',
  restarts: 1,
  ...more,
});
const [a, b, c] = [attempt('a'), attempt('b'), attempt('c', { outcome: 'failed' })];

describe('what a node remembers of requests', () => {
  let root: string;
  let host: Host;
  beforeEach(() => {
    root = scratch('memory');
    mkdirSync(join(root, 'var/lib/kata-sysext'), { recursive: true });
    host = openHost(root, {});
  });

  it('is as before for a request that was not begun after all, and what another run wrote meanwhile stays', async () => {
    for (const each of [a, b]) await remember(host, each);
    const earlier = await readMemory(host);
    await remember(host, { ...a, outcome: 'began' });
    await remember(host, c);

    await recall(host, a.request, earlier);

    assert.ok(isSameMemory(await readMemory(host), [a, b, c]));
  });

  it('is no file where nothing else was known', async () => {
    await remember(host, { ...a, outcome: 'began' });

    await forget(host, a.request);

    assert.deepEqual(await readMemory(host), []);
    assert.equal(existsSync(join(root, 'var/lib/kata-sysext/requests.json')), false);
  });

  it('has besides when the node came back, which is written once, and goes with the last request', async () => {
    const file = join(root, 'var/lib/kata-sysext/requests.json');
    const back = '2026-11-30T12:00:00.000Z';
    await rememberAway(host, back);
    await remember(host, a);
    const inode = statSync(file).ino;

    await rememberAway(host, back);

    assert.deepEqual([await readAway(host), statSync(file).ino], [back, inode]);
    assert.ok(isSameMemory(await readMemory(host), [a]));
    await forget(host, a.request);
    assert.deepEqual([await readAway(host), existsSync(file)], [undefined, false]);
  });

  it('is the same whatever the order of its keys, and another one with another attempt', () => {
    const { request, ...rest } = a;

    assert.equal(isSameMemory([a, b], [{ ...rest, request }, b]), true);
    assert.equal(isSameMemory([a, b], [a, { ...b, restarts: 2 }]), false);
  });
});
