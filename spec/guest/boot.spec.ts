import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KataError } from '../../cli/errors/index.ts';
import { needLive } from '../../cli/guest/index.ts';
import { comesUp, type GuestTree, guestTree } from '../support/trees/guestTree.ts';
import { put } from '../support/trees/hostTrees.ts';

const qemu = 'kata-qemu';
const kernelOnly = "printf 'Linux version 6.12.47 (x)\\n'";
const panic = `${kernelOnly}; printf '[    0.9] Kernel panic - not syncing: VFS: Unable to mount root fs\\n'; sleep 60`;

describe('a guest that is booted', () => {
  let tree: GuestTree;
  beforeEach(async () => {
    tree = await guestTree([{ name: qemu }]);
  });
  afterEach(() => tree.remove());
  const booted = async (...args: Parameters<GuestTree['boot']>) => (await tree.boot(...args))[0]!;

  it('that comes up tells its kernel, and its hypervisor is ended with all that it started', async () => {
    tree.hypervisor(`echo $$ >"$0.pid"; ${comesUp}`);

    const { ok, kernel, reachedInit, accelerator, path, findings } = await booted();

    assert.deepEqual([ok, kernel, reachedInit, accelerator, path, findings], [true, '6.12.47', true, 'kvm', '/opt/kata/bin/qemu', []]);
    const pid = execFileSync('cat', [tree.path('opt/kata/bin/qemu.pid')], { encoding: 'utf8' }).trim();
    assert.equal(existsSync(`/proc/${pid}`), false);
  });

  it('gets the files of its configuration, read-only, and KVM', async () => {
    tree.hypervisor(`printf '%s\\n' "$@" >"$0.args"; ${comesUp}`);

    await booted();

    const args = execFileSync('cat', [tree.path('opt/kata/bin/qemu.args')], { encoding: 'utf8' }).split('\n');
    assert.equal(args[args.indexOf('-kernel') + 1], '/opt/kata/vmlinux');
    assert.equal(args[args.indexOf('-initrd') + 1], '/opt/kata/initrd');
    assert.match(args.join(' '), /accel=kvm/);
  });

  const failures: [what: string, script: string, found: RegExp][] = [
    ['panics', panic, /its kernel 6\.12\.47 ended with: Kernel panic - not syncing: VFS: Unable to mount root fs$/],
    [
      'panics when its first program ends',
      `${kernelOnly}; printf '[    0.5] Run /init as init process\\nhello\\n[    0.6] Kernel panic - not syncing: Attempted to kill init!\\n'; sleep 60`,
      /its kernel 6\.12\.47 ended with: Kernel panic - not syncing: Attempted to kill init!$/,
    ],
    ['has no first program', `${kernelOnly}; sleep 60`, /its kernel 6\.12\.47 started, but no first program of its initrd or image within/],
    [
      'ends before its kernel',
      'echo "bad kernel image" >&2; exit 3',
      /ended with status 3 after .*before any kernel was seen; it said: .*bad kernel image$/,
    ],
    ['shows no kernel', 'echo BIOS; exec sleep 60', /no kernel was seen within .*; the last line of its console: BIOS$/],
    ['is killed', `${kernelOnly}; kill -9 $$`, /its kernel 6\.12\.47 started, but no first program/],
  ];
  for (const [what, script, found] of failures)
    it(`one that ${what} is a finding with what was seen`, async () => {
      tree.hypervisor(script);

      const { ok, findings } = await booted({ timeoutSeconds: 2 });

      assert.deepEqual([ok, findings.map(({ code, level }) => `${code} ${level}`)], [false, ['guest-failed blocker']]);
      assert.match(findings[0]!.found, found);
    });

  it('one that takes too long is told of the option that gives it longer', async () => {
    tree.hypervisor('echo BIOS; exec sleep 60');

    const { findings } = await booted({ timeoutSeconds: 1 });

    assert.match(findings[0]!.next, /on a slow host give it longer than --timeout 1$/);
  });

  it('what it prints reaches no terminal: no escape sequence is told', async () => {
    tree.hypervisor(`printf '\\033]0;owned\\007\\033[2Jevil\\n'; printf '\\033[31mred\\n' >&2; exit 1`);

    const { findings } = await booted();

    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not be there
    assert.doesNotMatch(findings[0]!.found, /[\u0000-\u001f\u007f]/);
    assert.match(findings[0]!.found, /red/);
  });

  it('a signal ends the hypervisor, and the command as interrupted', async () => {
    const stop = new AbortController();
    tree.hypervisor('echo started; exec sleep 600');
    setTimeout(() => stop.abort(), 500);

    const error = await tree.boot({}, { signal: stop.signal }).catch((reason: unknown) => reason);

    assert.ok(error instanceof KataError);
    assert.equal(error.code, 'interrupted');
  });

  it('nothing is started where files differ from what was installed', async () => {
    tree.hypervisor('touch "$0.ran"');

    const { ok, findings } = await booted({}, { changed: true });

    assert.deepEqual([ok, findings[0]!.next, readdirSync(tree.path('opt/kata/bin'))], [false, 'kata-sysext verify', ['qemu']]);
  });

  describe('its files', () => {
    const naming = (key: string, value: string) =>
      tree.configure(
        qemu,
        `[hypervisor.qemu]\npath = "/opt/kata/bin/qemu"\nkernel = "/opt/kata/vmlinux"\ninitrd = "/opt/kata/initrd"\n${key} = ${JSON.stringify(value)}\n`,
      );

    for (const [what, path, found] of [
      ['that is not there', '/opt/kata/gone', 'is not there'],
      ['by a relative path', 'opt/kata/vmlinux', 'is no absolute path'],
      ['that is a folder', '/opt/kata', 'is no regular file'],
      ['that is a device', '/dev/null', 'is not there'],
    ] as const)
      it(`a file ${what} is named, and nothing is started`, async () => {
        naming('firmware', path);
        tree.hypervisor('touch "$0.ran"');

        const { findings } = await booted();

        assert.equal(findings[0]!.found, `${qemu}: ${path}, its firmware, ${found}`);
        assert.equal(existsSync(tree.path('opt/kata/bin/qemu.ran')), false);
      });

    it('a pipe is not opened', async () => {
      execFileSync('mkfifo', [tree.path('opt/kata/pipe')]);
      naming('firmware', '/opt/kata/pipe');

      assert.match((await booted()).findings[0]!.found, /is no regular file$/);
    });

    it('the command that is named for one reaches it, whatever it is called', async () => {
      const work = tree.path('work');
      mkdirSync(work);
      for (const name of ["it's", 'a b', '$(touch pwned)', '; touch pwned', '`touch pwned`']) {
        naming('firmware', join(work, name));

        const [finding] = (await booted()).findings;
        writeFileSync(join(work, name), '');
        const [command] = finding!.next.split('; its configuration');
        const seen = execFileSync('sh', ['-c', command!], { cwd: work, encoding: 'utf8' });

        assert.ok(seen.trimEnd().endsWith(join(work, name)), command);
        assert.equal(existsSync(join(work, 'pwned')), false, command);
      }
    });

    it('a program that cannot run is a finding, not an end of the command', async () => {
      put(tree.root, 'opt/kata/bin/qemu', 'x', 0o644);

      const { ok, findings } = await booted();

      assert.deepEqual([ok, findings.length], [false, 1]);
    });
  });
});

describe('guests of several handlers', () => {
  let tree: GuestTree;
  beforeEach(async () => {
    tree = await guestTree([{ name: qemu }, { name: 'kata-dragonball', family: 'rust', hypervisor: 'dragonball' }]);
    tree.configure('kata-dragonball', '[hypervisor.dragonball]\nkernel = "/x"\n');
  });
  afterEach(() => tree.remove());
  const levels = async (handlers: string[]) =>
    (await tree.boot({ handlers })).map(({ findings }) => findings.map(({ code, level }) => `${code} ${level}`));

  it('one that only a pod can start is a warning beside one that came up', async () => {
    assert.deepEqual(await levels([]), [[], ['guest-not-drivable warning']]);
  });

  it('it is a blocker where it was named, and where no other came up', async () => {
    const named = await levels(['kata-dragonball']);
    tree.hypervisor(panic);
    const alone = await levels([]);

    assert.deepEqual([named, alone[1]], [[['guest-not-drivable blocker']], ['guest-not-drivable blocker']]);
  });
});

describe('an option that boots guests', () => {
  it('is refused for a tree that does not run', () => {
    assert.throws(
      () => needLive({ live: false, root: '/mnt' } as never, '--boot-guest'),
      (error: KataError) => error.code === 'usage' && /--boot-guest with --root \/mnt/.test(error.complaint.found),
    );
    assert.doesNotThrow(() => needLive({ live: true, root: '/' } as never, '--boot-guest'));
  });
});
