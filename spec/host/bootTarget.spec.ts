import assert from 'node:assert/strict';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bootPulls, wantedTarget } from '../../cli/facts/bootTarget.ts';
import { openView } from '../../cli/host/index.ts';
import { put } from '../support/trees/hostTrees.ts';
import { scratch } from '../support/trees/treeHost.ts';

describe('the target that a kernel’s command line asks for', () => {
  for (const [line, target] of [
    ['BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet', undefined],
    ['quiet single', 'rescue.target'],
    ['quiet 1\n', 'rescue.target'],
    ['emergency rescue', 'rescue.target'],
    ['rescue systemd.unit=multi-user.target', 'multi-user.target'],
    ['systemd.unit=emergency.target quiet', 'emergency.target'],
    ['rd.systemd.unit=rescue.target root=LABEL=single', undefined],
    ['1 3', 'multi-user.target'],
    ['-b', 'emergency.target'],
    ['quiet dyndbg="file drivers/vfio/* line 1 +p" root=/dev/sda1', undefined],
    ["note='single' 'rescue'", 'rescue.target'],
    ['', undefined],
    ['toString', undefined],
  ] as const)
    it(`${line.trim() || 'nothing'}: ${target ?? 'none'}`, () => assert.equal(wantedTarget(line), target));
});

describe('whether a boot pulls a unit in, by its files', () => {
  const vendor = 'usr/lib/systemd/system';
  const etc = 'etc/systemd/system';
  const unit = 'kata-sysext-confirm.service';
  let root: string;

  beforeEach(() => {
    root = scratch('target');
    put(root, 'proc/cmdline', 'quiet root=/dev/sda1\n');
    put(root, `${vendor}/multi-user.target`, '[Unit]\nRequires=basic.target\nConflicts=rescue.service rescue.target\n');
    put(root, `${vendor}/graphical.target`, '[Unit]\nRequires=multi-user.target\nWants=display-manager.service\n');
    put(root, `${vendor}/rescue.target`, '[Unit]\nRequires=sysinit.target rescue.service\n');
    put(root, `${vendor}/system-update.target`, '[Unit]\nRequires=sysinit.target\nWants=system-update-cleanup.service\n');
    put(root, `${vendor}/sysinit.target`, '[Unit]\nWants=local-fs.target\n');
    link(`${vendor}/default.target`, 'graphical.target');
    link(`${etc}/multi-user.target.wants/${unit}`, `../${unit}`);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const rows: [what: string, make: () => void, pulls: boolean | undefined][] = [
    ['the default of the vendor, through a second target', () => undefined, true],
    ['multi-user.target by default', () => link(`${etc}/default.target`, '/usr/lib/systemd/system/multi-user.target'), true],
    ['rescue mode by default', () => link(`${etc}/default.target`, '/usr/lib/systemd/system/rescue.target'), false],
    ['rescue mode on the command line', () => put(root, 'proc/cmdline', 'quiet 1\n'), false],
    ['rescue mode on the command line of a machine that this is a container of', () => contained('quiet 1\n'), true],
    [
      'an offline update, by the link of a generator',
      () => link('run/systemd/generator.early/default.target', '/usr/lib/systemd/system/system-update.target'),
      false,
    ],
    ['a target of its own without multi-user.target', () => kiosk('Requires=basic.target\nWants=containerd.service'), false],
    ['a target of its own that pulls graphical.target in', () => kiosk('Wants=basic.target \\\n graphical.target'), true],
    [
      'a target of its own that a drop-in lets pull it in',
      () => kiosk('', () => put(root, `${etc}/kiosk.target.d/10.conf`, '[Unit]\nWants=multi-user.target\n')),
      true,
    ],
    [
      'a target of its own that wants the unit by a link',
      () => kiosk('', () => link(`${etc}/kiosk.target.wants/${unit}`, `../${unit}`)),
      true,
    ],
    ['a file default.target', () => put(root, `${etc}/default.target`, '[Unit]\nRequires=rescue.target\n'), false],
    [
      'targets that pull each other in',
      () => kiosk('Wants=second.target', () => put(root, `${etc}/second.target`, '[Unit]\nWants=kiosk.target\n')),
      false,
    ],
    ['a target that has no file', () => put(root, 'proc/cmdline', 'systemd.unit=nowhere.target\n'), undefined],
  ];
  for (const [what, make, pulls] of rows)
    it(`${what}: ${pulls ?? 'unknown'}`, async () => {
      make();

      assert.equal(await bootPulls({ ...openView(root, {}), booted: true }, unit), pulls);
    });

  it('a tree that does not run: unknown', async () => {
    assert.equal(await bootPulls(openView(root, {}), unit), undefined);
  });

  function link(path: string, target: string): void {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(target, join(root, path));
  }

  function kiosk(lines: string, besides?: () => void): void {
    put(root, `${etc}/kiosk.target`, `[Unit]\n${lines}\n`);
    link(`${etc}/default.target`, 'kiosk.target');
    besides?.();
  }

  function contained(line: string): void {
    put(root, 'run/systemd/container', 'systemd-nspawn\n');
    put(root, 'proc/cmdline', line);
  }
});
