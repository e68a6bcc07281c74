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

  it('a payload folder without leave to run programs is, and the remount is not the only step: the next boot would roll back', async () => {
    put(root, 'proc/self/mountinfo', '22 1 8:1 / / rw - ext4 /dev/a rw\n23 22 8:2 / /var rw,noexec - ext4 /dev/b rw\n');
    const next = async () =>
      (await hostFindings(host, await readFacts(host), backendOf('prefix'))).find(({ code }) => code === 'backend-unfit')?.next;

    const byUnit = await next();
    put(root, 'etc/fstab', '# /dev/b /srv ext4\n/dev/b /var ext4 defaults,noexec 0 2\n');
    const byTable = await next();

    assert.equal(
      byUnit,
      'mount -o remount,exec /var; and for the next boots take noexec away in Options= of its unit: systemctl edit --full -- "$(systemd-escape --path --suffix=mount /var)"',
    );
    assert.equal(byTable, 'mount -o remount,exec /var; and for the next boots take noexec away in the line of /var in /etc/fstab');
  });
});
