import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';
import { scratch } from '../support/trees/treeHost.ts';

/** What must not leave the host, by what it is. */
const planted = {
  hostName: 'ruby-falcon-07',
  user: 'mgonzalez',
  address: '10.42.17.93',
  token: 'St4ple-0f-auth-token',
  password: 'pr0xy-p4ssw0rd',
  machine: '0123456789abcdef0123456789abcdef',
};

describe('the support bundle of an offline tree', function () {
  this.timeout(300_000);
  let host: InProcessTree;
  let folder: string;
  before(async () => {
    const { first } = await plainReleases();
    folder = scratch('report');
    host = inProcessTree('fcos', (root) => {
      put(root, 'etc/hostname', `${planted.hostName}\n`);
      put(root, 'etc/hosts', `127.0.0.1 localhost\n${planted.address} ${planted.hostName}.example.org\n`);
      put(root, 'etc/passwd', `root:x:0:0:root:/root:/bin/sh\n${planted.user}:x:1000:1000::/home/${planted.user}:/bin/sh\n`);
      put(
        root,
        'etc/systemd/system/containerd.service.d/proxy.conf',
        `[Service]\nEnvironment=HTTPS_PROXY=http://joe:${planted.password}@proxy:3128\n`,
      );
      appendFileSync(
        join(root, 'etc/containerd/config.toml'),
        `[plugins."io.containerd.grpc.v1.cri".registry.configs."r.example".auth]\n  password = "${planted.token}"\n`,
      );
    });
    await host.json(['install', first]);
    const entry = host.path('var/lib/kata-sysext/history/000001.json');
    const story = JSON.parse(readFileSync(entry, 'utf8')) as { evidence: string[] };
    story.evidence = [`${planted.hostName} dial tcp ${planted.address}: ${planted.token} of ${planted.user}`];
    writeFileSync(entry, JSON.stringify(story));
  });
  after(() => {
    host.remove();
    rmSync(folder, { recursive: true });
  });

  it('is one page with a heading for each section, and a file that only its owner may read', async () => {
    const file = join(folder, 'report.md');

    const report = await host.json(['report', '-o', file]);

    const text = readFileSync(file, 'utf8');
    const sections = report['sections'] as { title: string; missing?: string }[];
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.ok(sections.length >= 12);
    for (const { title } of sections) assert.ok(text.includes(`\n## ${title}`), title);
    assert.match(text, /generation 1/);
    assert.equal(report['sizeBytes'], Buffer.byteLength(text));
  });

  it('has none of the planted secrets, names and addresses, and says how often it replaced one', async () => {
    const report = await host.json(['report', '-o', '-', '-v']);

    const text = String(report['text']);
    for (const [what, value] of Object.entries(planted)) assert.ok(!text.includes(value), `${what} is in the report`);
    assert.ok((report['redacted'] as { times: number }[]).reduce((sum, { times }) => sum + times, 0) > 0);
  });

  it('is never written over a file that is there, nor into a folder that is not', async () => {
    const [taken, nowhere] = [join(folder, 'taken.md'), join(folder, 'nowhere/report.md')];
    writeFileSync(taken, 'theirs');

    const refused = [
      await host.json(['report', '-o', taken], 2),
      await host.json(['report', '-o', nowhere], 2),
      await host.json(['report'], 2),
    ];

    assert.deepEqual(
      refused.map(({ code }) => code),
      ['usage', 'usage', 'usage'],
    );
    assert.equal(readFileSync(taken, 'utf8'), 'theirs');
  });
});
