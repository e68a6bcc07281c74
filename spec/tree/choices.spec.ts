import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { releaseTomls, SECOND, tinyRelease } from '../lab/release/index.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { run } from '../support/program.ts';
import { active, handler } from '../support/trees/configured.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, scratch, story, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const configuration = 'share/defaults/kata-containers/runtime-rs/configuration-qemu-runtime-rs.toml';
const released = releaseTomls().rust['configuration-qemu-runtime-rs.toml']!.toString();

describe('what configure keeps, and what it refuses', () => {
  let host: TreeHost;
  let folder: string;
  let first: string;

  beforeEach(async () => {
    ({ first } = await releases());
    host = treeHost('fcos');
    folder = scratch('bundle');
  });
  afterEach(() => {
    host.remove();
    rmSync(folder, { recursive: true });
  });

  /** A release whose configuration was edited. */
  function edited(change: (text: string) => string): Promise<string> {
    const text = change(released);
    assert.notEqual(text, released);
    return tinyRelease(folder, { version: SECOND, files: { [configuration]: text } });
  }

  for (const [what, change, says] of [
    ['lacks the key', (text) => text.replace(/^default_memory = .*$/m, ''), /has no key hypervisor\.qemu\.default_memory/],
    [
      'has another type',
      (text) => text.replace(/^default_memory = .*$/m, 'default_memory = "2G"'),
      /wants text for hypervisor\.qemu\.default_memory/,
    ],
  ] as [string, (text: string) => string, RegExp][]) {
    it(`an upgrade to a release that ${what} is refused before anything is written, and goes through once the setting is given up`, async () => {
      await host.json(['install', first]);
      await host.json(['configure', '--set', 'default_memory=4096']);
      const bundle = await edited(change);
      const before = host.fingerprint(story);

      const refused = await host.json(['install', bundle], 4);

      assert.equal(refused['code'], 'bundle-lacks-setting');
      assert.match(String(refused['found']), says);
      assert.match(
        String(refused['next']),
        /kata-sysext configure --root \S+ --unset hypervisor\.qemu\.default_memory --handler kata-qemu-runtime-rs$/,
      );
      assert.deepEqual(differences(before, host.fingerprint(story)), []);
      assert.equal((await run(String(refused['next']).split('kata-sysext ')[1]!.split(' '))).status, 0);
      assert.equal((await host.json(['install', bundle]))['to'], 4);
    });
  }

  it('an upgrade to a release that lacks a key of a profile names the profile away', async () => {
    await host.json(['install', first, '--profile', 'debug', '--profile', 'low-overhead']);
    const bundle = await edited((text) => text.replace(/^reclaim_guest_freed_memory = .*$/m, ''));

    const refused = await host.json(['install', bundle], 4);
    assert.equal((await run(String(refused['next']).split('kata-sysext ')[1]!.split(' '))).status, 0);

    assert.match(String(refused['next']), /configure --root \S+ --profile debug --handler kata-qemu-runtime-rs$/);
    assert.equal((await host.json(['install', bundle]))['changed'], true);
    assert.match(active(host), /^enable_debug = true$/m);
  });

  it('an install may bring settings and profiles along; a later one without them keeps them', async () => {
    const done = await host.json(['install', first, '--set', 'default_vcpus=2', '--profile', 'low-overhead']);
    const text = active(host);
    const again = await host.json(['install', first]);
    const other = await host.json(['install', first, '--set', 'default_vcpus=3']);

    assert.deepEqual([done['to'], again['changed'], other['to']], [1, false, 2]);
    assert.match(text, /^default_vcpus = 2$/m);
    assert.match(text, /^default_memory = 512$/m);
    assert.match(active(host), /^default_vcpus = 3$/m);
    assert.match(active(host), /^default_memory = 512$/m);
  });

  it('--handler limits it to some; without it every handler must take it', async () => {
    const go = await tinyRelease(folder, { archive: 'go' });
    await host.json(['install', first, go, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']);
    const before = active(host, 'kata-qemu');

    const refused = await host.json(['configure', '--set', 'dial_timeout_ms=20'], 2);
    await host.json(['configure', '--handler', 'qemu-runtime-rs', '--set', 'dial_timeout_ms=20']);
    const one = active(host, 'kata-qemu');
    await host.json(['configure', '--set', 'default_memory=4096']);
    const unset = await host.json(['configure', '--unset', 'dial_timeout_ms']);
    const wrong = await host.json(['configure', '--handler', 'clh', '--set', 'default_memory=1'], 3);

    assert.equal(refused['code'], 'setting-unknown');
    assert.match(String(refused['found']), /kata-qemu has no key dial_timeout_ms/);
    assert.match(String(refused['needed']), /agent\.kata\.dial_timeout/);
    assert.equal(one, before);
    assert.match(active(host, 'kata-qemu'), /^default_memory = 4096$/m);
    assert.match(active(host), /^default_memory = 4096$/m);
    assert.match(active(host), /^dial_timeout_ms = 10$/m);
    assert.deepEqual([unset['changed'], wrong['code']], [true, 'handler-unknown']);
    assert.match(String(wrong['needed']), /kata-qemu, kata-qemu-runtime-rs/);
  });

  it('what is refused leaves everything as it was', async () => {
    await host.json(['install', first]);
    await host.json(['configure', '--set', 'default_vcpus=2']);
    const before = host.fingerprint(story);

    const codes: unknown[] = [];
    for (const [args, status] of [
      [['--set', 'defualt_memory=1'], 2],
      [['--set', 'default_memory=lots'], 2],
      [['--set', 'kernel=/x'], 2],
      [['--set', 'kernel_params=a\n[runtime]\nenable_debug = true'], 2],
      [['--unset', 'default_memory'], 2],
      [['--profile', 'fast'], 2],
      [['--profile', 'none', '--profile', 'debug'], 2],
      [['--set', 'default_vcpus=1', '--unset', 'default_vcpus'], 2],
      [['--profile', 'guest-selinux'], 3],
      [['--profile', 'virtiofs-dax'], 3],
    ] as [string[], number][])
      codes.push((await host.json(['configure', ...args], status))['code']);

    assert.deepEqual(codes, [
      'setting-unknown',
      'setting-type',
      'setting-refused',
      'setting-type',
      'setting-not-set',
      'profile-unknown',
      'usage',
      'usage',
      'guest-image-selinux',
      'qemu-dax',
    ]);
    assert.deepEqual(differences(before, host.fingerprint(story)), []);
  });

  it('says what a profile needs and cannot see offline, and takes what the user takes upon himself', async () => {
    await host.json(['install', first]);

    const huge = await host.json(['configure', '--profile', 'hugepages']);
    const dax = await host.json(['configure', '--profile', 'virtiofs-dax', '--allow', 'qemu-dax']);
    const kept = await host.json(['configure', '--profile', 'virtiofs-dax', '--set', 'default_memory=1024']);

    const codes = (answer: Record<string, unknown>) =>
      (answer['findings'] as { code: string; level: string }[]).map(({ code, level }) => `${level} ${code}`);
    assert.deepEqual([codes(huge), codes(dax), codes(kept)], [['warning host-hugepages'], ['warning qemu-dax'], []]);
    assert.match(active(host), /^virtio_fs_cache_size = 1024$/m);
    assert.match(active(host), /^enable_hugepages = false$/m);
  });

  it('a secret is refused and stands nowhere afterwards', async () => {
    await host.json(['install', first]);

    const { status, stdout, stderr } = await host.run(['configure', '--set', 'runtime.jaeger_password=hunter2']);

    assert.equal(status, 2);
    assert.doesNotMatch(stdout + stderr, /hunter2/);
    assert.equal(spawnSync('grep', ['-rl', 'hunter2', host.root]).status, 1, 'grep finds it nowhere');
  });

  it('without an installation there is nothing to configure', async () => {
    const shown = await host.json(['configure'], 3);
    const set = await host.json(['configure', '--set', 'default_memory=1'], 3);

    assert.deepEqual([shown['code'], set['code']], ['nothing-installed', 'nothing-installed']);
    assert.equal(existsSync(host.path('var/lib/kata-sysext')), false);
  });

  it('does not build on a configuration of the payload that somebody changed', async () => {
    await host.json(['install', first]);
    const path = execFileSync('find', [host.root, '-path', `*${configuration}`], { encoding: 'utf8' }).trim();
    writeFileSync(path, readFileSync(path, 'utf8').replace('default_vcpus = 1', 'default_vcpus = 9'));

    const refused = await host.json(['configure', '--set', 'default_memory=4096'], 3);

    assert.equal(refused['code'], 'payload-damaged');
    assert.match(String(refused['subject']), /configuration-qemu-runtime-rs\.toml$/);
  });

  it('leaves the administrator’s fragments alone, beside every generation', async () => {
    put(host.root, `etc/kata-containers/${handler}.d/50-own.toml`, '[hypervisor.qemu]\nkernel = "/srv/vmlinux"\n');
    await host.json(['install', first]);
    const before = host.fingerprint(['etc/kata-sysext', 'var']);

    await host.json(['configure', '--set', 'default_memory=4096']);

    assert.deepEqual(differences(before, host.fingerprint(['etc/kata-sysext', 'var'])), []);
    const generation = readlinkSync(host.path('etc/kata-sysext/current'));
    assert.equal(readlinkSync(host.path(`${generation}/config/${handler}/config.d`)), `/etc/kata-containers/${handler}.d`);
  });

  it('says which fragment of the administrator wins over a setting, without its value', async () => {
    put(host.root, `etc/kata-containers/${handler}.d/50-own.toml`, '[hypervisor.qemu]\ndefault_memory = 77000077\nkernel = "hunter2"\n');
    put(host.root, `etc/kata-containers/${handler}.d/60-broken.toml`, '[hypervisor.qemu\n');
    await host.json(['install', first]);

    const other = await host.json(['configure', '--set', 'default_vcpus=2']);
    const same = await host.json(['configure', '--set', 'default_memory=4096']);

    assert.deepEqual(other['findings'], []);
    const [finding, ...more] = same['findings'] as { code: string; level: string; subject: string; found: string }[];
    assert.deepEqual(
      [finding?.code, finding?.level, finding?.subject],
      ['setting-overridden', 'warning', `/etc/kata-containers/${handler}.d/50-own.toml`],
    );
    assert.match(finding!.found, /hypervisor\.qemu\.default_memory/);
    assert.doesNotMatch(JSON.stringify(same), /hunter2|77000077/);
    assert.deepEqual(more, []);
  });

  it('gc keeps the payload that generations share', async () => {
    await host.json(['install', first]);
    await host.json(['configure', '--set', 'default_memory=4096']);
    await host.json(['configure', '--set', 'default_memory=5000']);

    await host.json(['gc', '--keep', '0']);

    assert.deepEqual(readdirSync(host.path('var/lib/kata-sysext/generations')), ['2', '3']);
    assert.deepEqual((await host.json(['verify']))['drift'], []);
  });

  it('works with backend sysext: the link stays, only the pointer moves', async () => {
    put(host.root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\nExecStart=systemd-sysext refresh\n');
    put(host.root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
    await host.json(['install', first, '--backend', 'sysext']);
    const link = readlinkSync(host.path('etc/extensions/kata'));

    const done = await host.json(['configure', '--set', 'default_memory=4096']);

    assert.equal(done['to'], 2);
    assert.equal(readlinkSync(host.path('etc/extensions/kata')), link);
    assert.match(active(host), /^default_memory = 4096$/m);
    assert.deepEqual((await host.json(['verify']))['drift'], []);
  });
});
