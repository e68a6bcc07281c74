import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Call } from '../../cli/commands/types.ts';
import { openHost } from '../../cli/host/index.ts';
import { run as feature } from '../../cli/nodePod/steps/feature.ts';
import { run as unfeature } from '../../cli/nodePod/steps/unfeature.ts';
import type { NodeReport } from '../../cli/requests/index.ts';
import { nodeReport } from '../support/nodeReport.ts';
import { scratch } from '../support/trees/treeHost.ts';

const folder = 'etc/kubernetes/node-feature-discovery/features.d';
const proof = 'katacontainers.io/kata-runtime=true\nkata-deploy.katacontainers.io/default=true\nkatacontainers.io/kata-sysext=2-4.1.0\n';

const done = nodeReport();

function put(root: string, report: NodeReport): void {
  mkdirSync(join(root, 'etc/kata-sysext'), { recursive: true });
  writeFileSync(join(root, 'etc/kata-sysext/report.json'), JSON.stringify({ apiVersion: 'kata-sysext/v1', kind: 'NodeReport', ...report }));
}

describe('node-pod feature', () => {
  let root: string;
  beforeEach(() => {
    root = scratch('feature');
    mkdirSync(join(root, folder), { recursive: true });
  });

  const file = () => join(root, folder, 'kata-sysext');
  const call = () => ({ context: { host: openHost(root, {}) } }) as unknown as Call;
  async function written(...reports: NodeReport[]): Promise<string | undefined> {
    for (const report of reports) {
      put(root, report);
      await feature(call());
    }
    return existsSync(file()) ? readFileSync(file(), 'utf8') : undefined;
  }

  const rows: [title: string, reports: NodeReport[], wanted: string | undefined][] = [
    ['is written by an install that is done', [done], proof],
    ['is not written by an observation', [{ ...done, mode: 'observe', state: 'observed' }], undefined],
    ['stays when an upgrade failed', [done, { ...done, state: 'failed', ready: false }], proof],
    ['goes where the node cannot have Kata', [done, { ...done, state: 'unsuitable' }], undefined],
    ['goes without a generation', [done, { ...done, state: 'observed', mode: 'observe', generation: undefined, handlers: [] }], undefined],
    [
      'follows the release, as a label may be',
      [done, { ...done, generation: 3, release: '4.2.0+x\ny=1' }],
      proof.replace('2-4.1.0', '3-4.2.0_x_y_1'),
    ],
  ];
  for (const [title, reports, wanted] of rows)
    it(title, async () => {
      assert.equal(await written(...reports), wanted);
    });

  it('is not written again with the same bytes, and goes before an uninstall', async () => {
    await written(done);
    const before = statSync(file());
    await written(done);
    const same = statSync(file());
    await unfeature(call());
    await unfeature(call());

    assert.equal(same.ino, before.ino);
    assert.equal(existsSync(file()), false);
  });

  it('fails without the report, and without the folder', async () => {
    const bare = scratch('feature');
    const host = { context: { host: openHost(bare, {}) } } as unknown as Call;

    await assert.rejects(feature(host), { code: 'node-pod-environment' });
    put(bare, done);
    await assert.rejects(feature(host), { code: 'node-pod-environment' });
  });
});
