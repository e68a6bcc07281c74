import assert from 'node:assert/strict';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { backendOf } from '../../cli/backends/index.ts';
import { readFacts } from '../../cli/facts/index.ts';
import { type HostView, openView } from '../../cli/host/index.ts';
import { hostFindings } from '../../cli/preflight/refusals.ts';
import { put } from '../support/trees/hostTrees.ts';
import { scratch } from '../support/trees/treeHost.ts';

describe('what a host must have for any change', () => {
  let root: string;
  let host: HostView;

  beforeEach(() => {
    root = scratch('refusals');
    put(root, 'etc/os-release', 'ID=fedora\nVARIANT_ID=coreos\n');
    mkdirSync(join(root, 'etc/kata-sysext'));
    mkdirSync(join(root, 'var/lib/kata-sysext'), { recursive: true });
    mkdirSync(join(root, 'usr/libexec/kata-sysext'), { recursive: true });
    symlinkSync('/usr/libexec/kata-sysext/generations/0', join(root, 'etc/kata-sysext/current'));
    const view = openView(root, {});
    host = { ...view, live: true, booted: true, canWrite: async (path) => !path.startsWith('/usr') && (await view.canWrite(path)) };
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const unwritable = async (backend: string) => {
    const found = await hostFindings(host, await readFacts(host), backendOf(backend));
    return found.filter(({ code }) => code === 'host-read-only').map(({ found: text }) => text.split(' ')[0]);
  };

  it('a read-only /usr is none of it where the OS image brought the files', async () => {
    const brought = await unwritable('baked');

    assert.deepEqual(brought, []);
  });

  it('a folder that files are written to is', async () => {
    mkdirSync(join(root, 'usr/local/libexec'), { recursive: true });
    mkdirSync(join(root, 'ostree'));
    put(root, 'run/ostree-booted', '');

    const written = await unwritable('prefix');

    assert.deepEqual(written, ['/usr/local/libexec/kata-sysext']);
  });
});
