import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Call } from '../../cli/commands/types.ts';
import { openHost } from '../../cli/host/index.ts';
import { readySince } from '../../cli/nodePod/readySince.ts';
import { nodeReadySince, run } from '../../cli/nodePod/steps/ready.ts';
import { type FakeApi, fakeApi } from '../support/fakeApi.ts';
import { scratch } from '../support/trees/treeHost.ts';

const now = new Date('2026-11-30T12:00:00Z');
const ready = (status: string, lastTransitionTime: unknown) => ({
  kind: 'Node',
  status: {
    conditions: [
      { type: 'DiskPressure', status: 'True', lastTransitionTime: '2020-01-01T00:00:00Z' },
      { type: 'Ready', status, lastTransitionTime },
    ],
  },
});

describe('since when a node is ready', () => {
  let root: string;
  let api: FakeApi | undefined;
  beforeEach(() => {
    root = scratch('ready');
    for (const folder of ['run/node-ready', 'proc']) mkdirSync(join(root, folder), { recursive: true });
  });
  afterEach(() => api?.close());

  const rows: [what: string, node: unknown, since: string | undefined][] = [
    ['by its condition', ready('True', '2026-11-30T11:00:00Z'), '2026-11-30T11:00:00.000Z'],
    ['not at all', ready('False', '2026-11-30T11:00:00Z'), now.toISOString()],
    ['not known', ready('Unknown', '2026-11-30T11:00:00Z'), now.toISOString()],
    ['with a time that is none', ready('True', '$(reboot)'), undefined],
    ['with another kind of time', ready('True', { __proto__: null }), undefined],
    ['without conditions', { kind: 'Node', status: {} }, undefined],
    ['no object', 'no', undefined],
  ];
  for (const [what, node, since] of rows)
    it(`${what}: ${since ?? 'nothing is said'}`, () => {
      assert.equal(nodeReadySince(node, now), since);
    });

  /** Of the moment when the test runs: the tier may have been loaded long before. */
  const secondsAgo = (minutes: number) => Math.floor(Date.now() / 1000) - minutes * 60;
  const ago = (minutes: number) => new Date(secondsAgo(minutes) * 1000).toISOString();

  it('is left for the step change, by one request', async () => {
    const since = ago(3);
    api = await fakeApi(() => ({ json: ready('True', since) }));
    const host = openHost(root, { ...api.pod(root), NODE_NAME: 'node1' });

    await run({ context: { host, signal: new AbortController().signal } } as unknown as Call);

    assert.deepEqual(
      api.asked.map(({ method, path }) => [method, path]),
      [['GET', '/api/v1/nodes/node1']],
    );
    assert.equal(readFileSync(join(root, 'run/node-ready/since'), 'utf8'), `${since}\n`);
    assert.equal(await readySince(host), since);
  });

  const later: [what: string, said: number | string | undefined, booted: number | string, since: 'said' | 'booted' | undefined][] = [
    ['its boot is later than the word of the cluster', 5, 2, 'booted'],
    ['its boot is earlier', 2, 5, 'said'],
    ['the cluster was not asked', undefined, 2, 'booted'],
    ['the file is none of ours', '--purge; reboot', 2, 'booted'],
    ['the word of the cluster is later than now', -60, 2, 'booted'],
    ['it was ready for ten minutes when the pod was made', 11, 12, undefined],
    ['nothing is known', undefined, 'cpu 1', undefined],
    ['the kernel’s word is none', undefined, 'btime 999999999999', undefined],
  ];
  for (const [what, said, booted, since] of later)
    it(`${what}: ${since ?? 'nothing'}`, async () => {
      const file = typeof said === 'number' ? ago(said) : said;
      const boot = typeof booted === 'number' ? secondsAgo(booted) : 0;
      if (file !== undefined) writeFileSync(join(root, 'run/node-ready/since'), file);
      writeFileSync(join(root, 'proc/stat'), `cpu 1\n${typeof booted === 'number' ? `btime ${boot}` : booted}\n`);

      const found = await readySince(openHost(root, {}));

      assert.equal(found, since === 'said' ? file : since === 'booted' ? new Date(boot * 1000).toISOString() : undefined);
    });

  it('is not read where a link leads', async () => {
    symlinkSync('/dev/zero', join(root, 'run/node-ready/since'));

    assert.equal(await readySince(openHost(root, {})), undefined);
  });
});
