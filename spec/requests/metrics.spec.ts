import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openHost } from '../../cli/host/index.ts';
import { metricsText, writeMetrics } from '../../cli/requests/metrics.ts';
import { removeAfter } from '../support/endings.ts';
import { nodeReport } from '../support/nodeReport.ts';

const report = nodeReport({
  generation: 3,
  system: 'a "quoted" \\ name\nof two lines',
  at: '2026-11-30T14:00:00.500Z',
});

describe('metrics of a node', () => {
  let root: string;
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-metrics-'));
    mkdirSync(join(root, 'var/metrics'), { recursive: true });
  });
  removeAfter(() => root);

  it('are gauges in the text format, with labels escaped', () => {
    const lines = metricsText(report).split('\n');

    assert.deepEqual(
      lines.filter((line) => !line.startsWith('#')),
      [
        'kata_sysext_node_ready 1',
        `kata_sysext_node_info{state="done",mode="install",code="",release="4.1.0",generation="3",request="sha256:${'a'.repeat(64)}",engine="containerd 2.1.9",system="a \\"quoted\\" \\\\ name\\nof two lines"} 1`,
        'kata_sysext_request_engine_restarts 1',
        'kata_sysext_report_since_seconds 1796047200.5',
        '',
      ],
    );
    for (const [, name] of metricsText(report).matchAll(/^([a-z_]+)/gm))
      assert.ok(lines.includes(`# TYPE ${name} gauge`) && lines.some((line) => line.startsWith(`# HELP ${name} `)), name);
  });

  it('are a file that everybody may read, written only where it changes, and no link is followed', async () => {
    const host = openHost(root, {});
    const file = join(root, 'var/metrics/kata_sysext.prom');
    writeFileSync(join(root, 'other'), 'of another');
    symlinkSync(join(root, 'other'), file);

    const faults = [await writeMetrics(host, '/var/metrics', report)];
    const first = statSync(file);
    faults.push(await writeMetrics(host, '/var/metrics', report));
    const second = statSync(file);
    faults.push(await writeMetrics(host, '/var/metrics', { ...report, ready: false }));

    assert.deepEqual(faults, [undefined, undefined, undefined]);
    assert.deepEqual([first.mode & 0o777, first.ino], [0o644, second.ino]);
    assert.equal(readFileSync(join(root, 'other'), 'utf8'), 'of another');
    assert.match(readFileSync(file, 'utf8'), /^kata_sysext_node_ready 0$/m);
  });

  it('fail no request: a folder that is not there, or is none, is said', async () => {
    const host = openHost(root, {});
    mkdirSync(join(root, 'var/taken/kata_sysext.prom'), { recursive: true });

    const said = [
      await writeMetrics(host, '/var/none', report),
      await writeMetrics(host, '/other', report),
      await writeMetrics(host, '/var/taken', report),
    ];

    assert.deepEqual(said, [
      'metrics: there is no folder /var/none',
      'metrics: there is no folder /other',
      'metrics: /var/taken/kata_sysext.prom cannot be written (EISDIR)',
    ]);
  });
});
