import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { openView } from '../../cli/host/index.ts';
import { imageFindings, makerFindings } from '../../cli/images/index.ts';

import { put } from '../support/trees/hostTrees.ts';
import { scratch } from '../support/trees/treeHost.ts';

const roots: string[] = [];
const modules = 'usr/lib/modules/6.1.0';
const loadable = { [`${modules}/modules.dep`]: 'kernel/fs/squashfs/squashfs.ko.xz:\nkernel/fs/erofs/erofs.ko:\n' };

function viewOf(files: Record<string, string>) {
  const root = scratch('findings');
  roots.push(root);
  for (const [path, text] of Object.entries(files)) put(root, path, text);
  return openView(root, {});
}

async function codes(files: Record<string, string>): Promise<string[]> {
  return (await imageFindings(viewOf(files), 'squashfs')).map(({ code, subject }) => `${code} ${subject}`);
}

describe('what prevents images on a host', () => {
  after(() => {
    for (const root of roots.splice(0)) rmSync(root, { recursive: true });
  });

  const kernels: [what: string, files: Record<string, string>, found: string[]][] = [
    ['the kernel has it as a module', loadable, []],
    ['the kernel has it built in', { [`${modules}/modules.builtin`]: 'kernel/fs/squashfs/squashfs.ko\n' }, []],
    ['the tree shows no kernel', {}, []],
    ['the kernel has neither', { [`${modules}/modules.dep`]: 'kernel/fs/erofs/erofs.ko:\n' }, ['image-kernel squashfs']],
    ['a module has only a part of its name', { [`${modules}/modules.dep`]: 'kernel/fs/squashfs2.ko:\n' }, ['image-kernel squashfs']],
    ['one of two kernels has it', { ...loadable, 'usr/lib/modules/6.2.0/modules.dep': 'kernel/fs/erofs/erofs.ko:\n' }, []],
  ];
  for (const [what, files, found] of kernels)
    it(`${what}: ${found.join() || 'nothing'}`, async () => assert.deepEqual(await codes(files), found));

  const lists: [what: string, files: Record<string, string>, found: string[]][] = [
    ['blacklisted', { 'etc/modprobe.d/cis.conf': 'blacklist squashfs\n' }, ['image-blacklisted squashfs']],
    ['replaced by false', { 'usr/lib/modprobe.d/cis.conf': 'install squashfs /bin/false\n' }, ['image-blacklisted squashfs']],
    [
      'blacklisted where it is built in',
      { 'etc/modprobe.d/a.conf': 'blacklist squashfs\n', [`${modules}/modules.builtin`]: 'k/squashfs.ko\n' },
      [],
    ],
    ['blacklisted in a comment', { 'etc/modprobe.d/a.conf': '# blacklist squashfs\n' }, []],
    [
      'blacklisted in a file that another of its name hides',
      { 'etc/modprobe.d/a.conf': '', 'usr/lib/modprobe.d/a.conf': 'blacklist squashfs\n' },
      [],
    ],
  ];
  for (const [what, files, found] of lists)
    it(`a module that is ${what}: ${found.join() || 'nothing'}`, async () => {
      assert.deepEqual(await codes({ ...loadable, ...files }), found);
    });

  const policies: [policy: string, isRefused: boolean][] = [
    ['*', false],
    ['root=unprotected:usr=signed', false],
    ['root=signed+unprotected', false],
    ['root=open', false],
    ['=unprotected', false],
    ['root=signed', true],
    ['usr=unprotected', true],
    ['root=verity+signed:=unprotected', true],
    ['-', true],
    ['root=unprotectedx', true],
  ];
  for (const [policy, isRefused] of policies)
    it(`the policy ${policy} ${isRefused ? 'refuses images without a signature' : 'takes them'}`, async () => {
      const found = await codes({ 'etc/systemd/sysext.conf.d/50.conf': `[SysExt]\n ImagePolicy=${policy}\n` });

      assert.deepEqual(found, isRefused ? ['image-policy /etc/systemd/sysext.conf.d/50.conf'] : []);
    });

  it('a policy counts wherever systemd-sysext reads one, also on the command line of its unit', async () => {
    const dropIn = 'etc/systemd/system/systemd-sysext.service.d/a.conf';
    const found = await Promise.all([
      codes({ 'usr/lib/systemd/sysext.conf': '[SysExt]\nImagePolicy=root=signed\n' }),
      codes({ [dropIn]: '[Service]\nExecStart=systemd-sysext refresh --image-policy=root=signed\n' }),
      codes({ [dropIn]: '[Service]\nExecStart=systemd-sysext --image-policy root=signed refresh\n' }),
      codes({ 'etc/systemd/sysext.conf.d/readme': 'ImagePolicy=root=signed\n', 'etc/systemd/sysext.conf': '#ImagePolicy=root=signed\n' }),
    ]);

    assert.deepEqual(found, [['image-policy /usr/lib/systemd/sysext.conf'], [`image-policy /${dropIn}`], [`image-policy /${dropIn}`], []]);
  });

  const dropIn = 'etc/systemd/system/systemd-sysext.service.d/a.conf';
  const [all, strict] = ['[SysExt]\nImagePolicy=*\n', '[SysExt]\nImagePolicy=root=signed\n'];
  const main = 'usr/lib/systemd/sysext.conf';
  const merged: [what: string, files: Record<string, string>, refusing?: string][] = [
    ['a main file hides that of a later folder', { 'etc/systemd/sysext.conf': all, [main]: strict }],
    ['a drop-in counts more than the main file', { 'etc/systemd/sysext.conf.d/90.conf': all, [main]: strict }],
    [
      'an empty drop-in hides one of its name',
      { 'etc/systemd/sysext.conf.d/10.conf': '', 'usr/lib/systemd/sysext.conf.d/10.conf': strict },
    ],
    ['blanks around the equals sign', { [main]: strict.replace('=', ' = ') }, main],
    ['the last of two', { [main]: `${all}ImagePolicy=root=signed\n` }, main],
    ['the last of two that takes all', { [main]: `${strict}ImagePolicy=*\n` }],
    ['an empty value is the usual policy again', { [main]: `${strict}ImagePolicy=\n` }],
    ['a command in a comment', { [dropIn]: '[Service]\n#ExecStart=systemd-sysext --image-policy=root=signed refresh\n' }],
    ['an option in quotes', { [dropIn]: '[Service]\nExecStart=\nExecStart=systemd-sysext "--image-policy=root=signed" refresh\n' }, dropIn],
    [
      'commands count more than the configuration',
      { [dropIn]: '[Service]\nExecStart=systemd-sysext --image-policy=* refresh\n', [main]: strict },
    ],
    [
      'a command that was cleared',
      {
        [dropIn]: '[Service]\nExecStart=systemd-sysext --image-policy=root=signed refresh\nExecStart=\nExecStart=systemd-sysext refresh\n',
      },
    ],
  ];
  for (const [what, files, refusing] of merged)
    it(`policies are put together as systemd does it: ${what}`, async () => {
      assert.deepEqual(await codes(files), refusing === undefined ? [] : [`image-policy /${refusing}`]);
    });

  it('a host that runs needs loop devices, and a file system that is loaded counts', async () => {
    const view = { ...viewOf({ 'proc/sys/kernel/osrelease': '6.1.0\n', 'proc/filesystems': 'nodev\tproc\n\tsquashfs\n' }), live: true };

    const found = await Promise.all((['squashfs', 'erofs'] as const).map((format) => imageFindings(view, format)));

    assert.deepEqual(
      found.map((each) => each.map(({ code }) => code)),
      [['image-no-loop'], ['image-no-loop']],
    );
  });

  it('of the maker it names the package, and nothing where the program is there', async () => {
    const view = viewOf({});
    const [missing] = await makerFindings({ ...view, has: async () => false }, 'erofs');
    const there = await makerFindings({ ...view, has: async (name) => name === 'mksquashfs' }, 'squashfs');

    assert.deepEqual([missing?.code, missing?.subject, there], ['image-tool-missing', 'mkfs.erofs', []]);
    assert.match(missing!.next, /^install erofs-utils; .*kata-sysext build/);
  });
});
