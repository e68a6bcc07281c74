import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { put } from '../support/trees/hostTrees.ts';
import { inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';

interface Found {
  findings: { subject: string; next: string }[];
}

describe('commands in messages for a tree', function () {
  this.timeout(300_000);
  let first: string;
  before(async () => {
    ({ first } = await plainReleases());
  });

  it('name its files below its root, in words that a shell takes', async () => {
    const host = inProcessTree('fcos');
    await host.json(['install', first]);
    put(host.root, 'etc/kata-containers/kata-qemu-runtime-rs.d/10-mine.toml', '');
    put(host.root, 'etc/kata-sysext/my notes.txt', '');
    const modules = 'etc/modules-load.d/kata-sysext.conf';
    put(host.root, modules, `${readFileSync(host.path(modules), 'utf8')}mine\n`);

    const { findings } = (await host.json(['uninstall'])) as unknown as Found;

    const commands = findings.filter(({ subject }) => subject.startsWith('/etc/')).map(({ next }) => next);
    assert.equal(commands.length, 3);
    for (const next of commands) assert.match(next, new RegExp(`(?:rm|cat) '?${host.root}/etc/`), next);
    assert.ok(commands.some((next) => next.endsWith(`rm '${host.root}/etc/kata-sysext/my notes.txt'`)));
    host.remove();
  });

  it('that refuses a pointer of others too', async () => {
    const host = inProcessTree('fcos');
    mkdirSync(host.path('etc/kata-sysext'), { recursive: true });
    writeFileSync(host.path('etc/kata-sysext/current'), 'x');

    const { next } = await host.json(['install', first], 3);

    assert.match(`${next}`, new RegExp(`mv ${host.root}/etc/kata-sysext/current `));
    host.remove();
  });
});
