import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { put } from '../support/trees/hostTrees.ts';
import { scratch } from '../support/trees/treeHost.ts';
import { madeRendered } from './requests.ts';

/** The lines of a rendered first boot about kernel modules, on a tree, with stand-ins for `place`, `say` and modprobe. */
function play(root: string, fails = ''): string[] {
  const [file] = madeRendered('ignition', 'fcos');
  const config = JSON.parse(file!.text) as { storage: { files: { path: string; contents: { source: string } }[] } };
  const source = config.storage.files.find(({ path }) => path.endsWith('hook.sh'))!.contents.source;
  const script = Buffer.from(source.slice(source.indexOf(',') + 1), 'base64').toString();
  const lines = script.split('\n').filter((line) => line.includes('modules-load.d/kata-sysext.conf'));
  const standIns = [
    'say() { echo "say $1"; }',
    'place() { echo "place $1"; }',
    `modprobe() { echo "modprobe $*"; [ "$2" != "${fails}" ]; }`,
    'work=work',
  ];
  const text = [...standIns, ...lines.map((line) => line.replaceAll(/(?<!new")\/etc\/modules/g, 'etc/modules'))].join('\n');
  const { stdout, status, stderr } = spawnSync('/bin/sh', ['-eu', '-c', text], { cwd: root, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.equal(lines.length, 2);
  return stdout.trimEnd().split('\n');
}

describe('the kernel modules of a rendered first boot', () => {
  let root: string;

  beforeEach(() => {
    root = scratch('rendered-modules');
    put(root, 'work/.new/etc/modules-load.d/kata-sysext.conf', '# kata-sysext: its own\nvhost_vsock\ntun\n');
    mkdirSync(join(root, 'etc/modules-load.d'), { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('are kept by the file and loaded at once, because systemd has read its folder already', () => {
    const said = play(root);

    assert.deepEqual(said, ['place etc/modules-load.d/kata-sysext.conf', 'modprobe -b vhost_vsock', 'modprobe -b tun']);
  });

  it('that cannot be loaded are told, and the rest goes on', () => {
    const said = play(root, 'vhost_vsock');

    assert.deepEqual(said.slice(1), ['modprobe -b vhost_vsock', 'say the kernel module vhost_vsock cannot be loaded', 'modprobe -b tun']);
  });

  it('leave a file and a link of the node’s own as they are', () => {
    put(root, 'etc/modules-load.d/kata-sysext.conf', 'mine\n');
    const file = play(root);
    rmSync(join(root, 'etc/modules-load.d/kata-sysext.conf'));
    symlinkSync('/nonexistent', join(root, 'etc/modules-load.d/kata-sysext.conf'));

    const link = play(root);

    for (const said of [file, link]) assert.match(said[0]!, /^say .*is there already and stays as it is$/);
    assert.throws(() => readFileSync(join(root, 'etc/modules-load.d/kata-sysext.conf')), /ENOENT/);
  });
});
