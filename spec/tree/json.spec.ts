import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '../support/digests.ts';
import { checkJson, kinds } from '../support/judges/schemas.ts';
import { run } from '../support/program.ts';
import { releases, treeHost } from '../support/trees/treeHost.ts';

/** What people write, and no verb prints. */
const given = ['Request'];
/** What is printed of a cluster: spec/fleet and spec/cluster/token judge it. */
const ofClusters = ['FleetStatus'];

describe('--json', () => {
  it('gives one object of the kind that schema/ describes, for every verb, and no kind is left out', async () => {
    const { first, second } = await releases();
    const host = treeHost('microos');
    const seen = new Set<unknown>();
    // A release in a folder is nothing that a node could fetch: any file will do.
    const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-generated-'));
    const generated = { folder, bundle: join(folder, 'kata.tar') };
    writeFileSync(generated.bundle, generated.bundle);
    const request = join(folder, 'request.json');
    writeFileSync(request, JSON.stringify({ apiVersion: 'kata-sysext/v1', kind: 'Request', mode: 'observe' }));
    const catalogue = join(folder, 'team.json');
    writeFileSync(catalogue, '{"name":"team","serial":1,"origin":"https://a.example","releases":[]}');

    for (const args of [
      ['check'],
      ['install', first, '--dry-run'],
      ['install', first],
      ['install', second],
      ['configure'],
      ['configure', '--set', 'default_memory=4096', '--dry-run'],
      ['configure', '--set', 'default_memory=4096', '--set', 'kernel_modules=["a"]', '--profile', 'debug'],
      ['status'],
      ['status', '--verbose'],
      ['history'],
      ['history', '1'],
      ['diff'],
      ['diff', '1', '2'],
      ['verify'],
      ['rollback'],
      ['pin', '1'],
      ['unpin', '1'],
      ['install', first, '--handler', 'dragonball', '--stage', '--dry-run'],
      ['install', first, '--handler', 'dragonball', '--stage'],
      ['activate'],
      ['gc', '--keep', '0', '--dry-run'],
      ['gc'],
      ['recover'],
      ['explain'],
      ['completion', 'fish'],
      ['report', '-o', '-'],
      ['notices', '-o', host.path('notices')],
      ['build', first, '-o', host.path('kata.raw')],
      ['inspect', host.path('kata.raw')],
      ['inspect', host.path('kata.raw'), '-v'],
      ['releases', 'add', catalogue, '--digest', `sha256:${sha256(readFileSync(catalogue))}`],
      ['releases'],
      ['apply', request, '--dry-run'],
      ['releases', 'remove', 'team'],
      ['bundle', 'save', first, '-o', host.path('kata.bundle')],
      [
        'generate',
        'ignition',
        generated.bundle,
        '--target',
        'fcos',
        '--program',
        'https://a.example/kata-sysext',
        '--program-digest',
        'a'.repeat(64),
        '--from',
        'https://a.example/',
        '-o',
        generated.folder,
      ],
      ['uninstall', '--dry-run'],
      ['uninstall'],
    ]) {
      seen.add((await host.json(args))['kind']);
    }
    seen.add((await host.json(['verify'], 3))['kind']);
    const explained = await run(['explain', '-', '--json'], {
      wrapper: ['sh', '-c', `echo 'no runtime for "kata" is configured' | "$@"`, 'sh'],
    });
    const explanation = JSON.parse(explained.stdout) as Record<string, unknown>;
    checkJson(explanation);
    seen.add(explanation['kind']);
    const tried = await run(['try', '--json']);
    const trial = JSON.parse(tried.stdout) as Record<string, unknown>;
    checkJson(trial);
    seen.add(trial['kind']);
    const version = JSON.parse((await run(['version', '--json'])).stdout) as Record<string, unknown>;
    checkJson(version);
    seen.add(version['kind']);

    assert.deepEqual([...seen, ...given, ...ofClusters].map(String).sort(), kinds().sort());
    rmSync(folder, { recursive: true });
    host.remove();
  });

  it('is the only thing on standard output; progress goes to standard error', async () => {
    const { first } = await releases();
    const host = treeHost('fcos');

    const { stdout, stderr } = await host.run(['install', first, '--json', '--progress', 'json']);

    checkJson(JSON.parse(stdout) as Record<string, unknown>);
    assert.equal(stdout.trimEnd().split('\n').length, 1);
    const events = stderr
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { kind: string }).kind);
    assert.ok(events.includes('phase') && events.includes('bytes'));
    host.remove();
  });

  it('tells a program what verify found: status 1 and every path', async () => {
    const { first } = await releases();
    const host = treeHost('fcos');
    await host.json(['install', first]);
    const shim = execFileSync('find', [host.root, '-name', 'containerd-shim-kata-v2'], { encoding: 'utf8' }).trim();
    appendFileSync(shim, 'x');

    const verified = await host.json(['verify'], 1);

    const drift = verified['drift'] as { subject: string }[];
    assert.deepEqual(
      drift.map(({ subject }) => subject.endsWith('/runtime-rs/bin/containerd-shim-kata-v2')),
      [true],
    );
    host.remove();
  });
});
