import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SECOND, tinyRelease } from '../lab/release/index.ts';
import {
  type Both,
  bothReleases,
  configurationOf,
  go,
  handlersNow,
  offered,
  printed,
  refused,
  rust,
} from '../support/archives/bothArchives.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { run } from '../support/program.ts';
import { put } from '../support/trees/hostTrees.ts';
import { scratch, story, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

describe('handlers that go', () => {
  let both: Both;
  let host: TreeHost;

  before(async () => {
    both = await bothReleases();
  });
  after(() => both.remove());
  beforeEach(() => {
    host = treeHost('fcos');
  });
  afterEach(() => host.remove());

  describe('uninstall --handler', () => {
    it('takes it away without writing a byte of a release, and rollback brings it back', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs', '--alias', 'kata=qemu-runtime-rs']);
      const payloads = host.fingerprint(story).filter((line) => line.includes('./var/usrlocal/libexec/kata-sysext/tree/'));

      const gone = await host.json(['uninstall', '--handler', 'qemu']);
      const left = offered(host);
      const back = await host.json(['rollback']);

      assert.deepEqual([gone['changed'], Number(gone['bytesWritten']) < 1_000_000, gone['handlers']], [true, true, ['kata', rust]]);
      assert.deepEqual(
        host.fingerprint(story).filter((line) => line.includes('./var/usrlocal/libexec/kata-sysext/tree/')),
        payloads,
      );
      assert.deepEqual(left, { kata: configurationOf(rust), [rust]: configurationOf(rust) });
      assert.deepEqual(back['handlers'], ['kata', go, rust]);
      assert.deepEqual((await host.json(['verify']))['drift'], []);
    });

    it('under backend sysext leaves extension and files alone, and a whole uninstall leaves nothing', async () => {
      const own = treeHost('microos', (root) => {
        put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\nExecStart=systemd-sysext refresh\n');
        put(root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
      });
      const tree = own.fingerprint();
      const wanted = ['--handler', 'qemu', '--handler', 'qemu-runtime-rs', '--alias', 'kata=qemu'];
      await own.json(['install', ...both.first, '--backend', 'sysext', ...wanted]);
      const extension = () => own.fingerprint(story).filter((line) => line.includes('./etc/extensions'));
      const before = extension();

      const fewer = await own.json(['uninstall', '--handler', 'qemu', '--handler', 'kata']);
      const after = extension();
      await own.json(['rollback']);

      assert.deepEqual([fewer['handlers'], Number(fewer['bytesWritten']) < 1_000_000], [[rust], true]);
      assert.ok(before.length > 0);
      assert.deepEqual(after, before);
      assert.deepEqual((await own.json(['verify']))['drift'], []);
      await own.json(['uninstall', '--purge']);
      assert.deepEqual(differences(tree, own.fingerprint()), []);
      own.remove();
    });

    it('its receipt names what went, and what is left', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs', '--alias', 'kata=qemu']);
      const copy = host.copy();

      const { stdout } = await copy.run(['uninstall', '--handler', 'kata', '--handler', 'qemu']);
      const gone = await host.json(['uninstall', '--handler', 'kata', '--handler', 'qemu']);

      copy.remove();
      assert.match(stdout, new RegExp(`^✓ uninstall: removed kata, ${go} · left ${rust} · Kata `, 'm'));
      assert.deepEqual([gone['removedHandlers'], gone['handlers']], [['kata', go], [rust]]);
    });

    it('takes an alias alone as well', async () => {
      await host.json(['install', both.first[0], '--alias', 'kata=qemu-runtime-rs']);

      await host.json(['uninstall', '--handler', 'kata']);

      assert.deepEqual(await handlersNow(host), { handlers: [rust], aliases: [] });
    });

    it('keeps the smaller set at the next upgrade and says nothing to do at the next install', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']);
      await host.json(['uninstall', '--handler', 'qemu']);

      const same = await host.json(['install', ...both.first]);
      const upgraded = await host.json(['install', both.second[0]]);

      assert.deepEqual([same['changed'], upgraded['handlers']], [false, [rust]]);
    });

    it('is refused for the last one, for one that is not there, with --purge, and where nothing is installed', async () => {
      await refused(host, ['uninstall', '--handler', 'qemu'], 3, 'nothing-installed');
      await host.json(['install', both.first[0]]);

      const last = await refused(host, ['uninstall', '--handler', rust], 3, 'last-handler');
      await refused(host, ['uninstall', '--handler', 'kata-clh'], 3, 'handler-not-installed');
      await refused(host, ['uninstall', '--handler', 'qemuu'], 3, 'handler-not-installed');
      await refused(host, ['uninstall', '--handler', rust, '--purge'], 2, 'usage');

      const [command] = printed(last);
      const ran = await run(command!);
      assert.equal(ran.status, 0, ran.stderr);
      assert.ok(!existsSync(host.path('etc/kata-sysext')));
    });

    it('names the alias that would dangle and the command that works as printed', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs', '--alias', 'kata=qemu']);

      const error = await refused(host, ['uninstall', '--handler', 'qemu'], 3, 'alias-would-dangle');

      const [command] = printed(error);
      const other = `kata-sysext install ${both.first.join(' ')} --alias kata=${rust} --root ${host.root}`;
      assert.ok(String(error['next']).endsWith(`; or give it another handler first: ${other}`), String(error['next']));
      const ran = await run(command!);
      assert.equal(ran.status, 0, ran.stderr);
      assert.deepEqual(await handlersNow(host), { handlers: [rust], aliases: [] });
    });

    it('is refused on a damaged payload', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']);
      const { payloadFolder } = JSON.parse(readFileSync(host.path('var/lib/kata-sysext/generations/1/manifest.json'), 'utf8')) as {
        payloadFolder: string;
      };
      rmSync(host.path(join(payloadFolder, 'bin/virtiofsd')));

      await refused(host, ['uninstall', '--handler', 'qemu'], 3, 'payload-damaged');
    });

    it('a dry run writes nothing', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']);
      const before = host.fingerprint(story);

      const plan = await host.json(['uninstall', '--handler', 'qemu', '--dry-run']);

      assert.deepEqual([plan['kind'], plan['from'], plan['to'], Number(plan['bytesWritten']) < 1_000_000], ['Plan', 1, 2, true]);
      assert.deepEqual(differences(before, host.fingerprint(story)), []);
    });
  });

  describe('a bundle that lacks an installed handler', () => {
    beforeEach(() => host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']));

    it('is refused and names the handler and the archive; both commands work as printed', async () => {
      const error = await refused(host, ['install', both.second[0]], 4, 'bundle-lacks-handler');

      assert.match(String(error['found']), /^kata-qemu is installed, but /);
      assert.match(String(error['needed']), /which kata-go-static carries/);
      const commands = printed(error);
      assert.equal(commands.length, 2, String(error['next']));
      for (const [index, left] of [[go, rust], [rust]].entries()) {
        const other = host.copy();
        const ran = await run(commands[index]!.map((word) => (word === host.root ? other.root : word)));
        assert.equal(ran.status, 0, ran.stderr);
        const { generations } = (await other.json(['status'])) as unknown as { generations: { active: boolean; handlers: string[] }[] };
        assert.deepEqual([...generations.find((one) => one.active)!.handlers].sort(), left);
        other.remove();
      }
    });

    it('the Go archive alone names the Rust one', async () => {
      const error = await refused(host, ['install', both.second[1]], 4, 'bundle-lacks-handler');

      assert.match(String(error['needed']), /which kata-static carries/);
      assert.equal(printed(error).length, 2);
      assert.ok(String(error['next']).includes(both.second[0]));
    });

    it('keeps what else was asked for in the commands, and names all that is missing at once', async () => {
      await host.json(['install', ...both.first, '--add-handler', 'clh']);

      const error = await refused(host, ['install', both.second[0], '--add-handler', 'dragonball'], 4, 'bundle-lacks-handler');

      assert.match(String(error['found']), /^kata-qemu, kata-clh are installed/);
      const [more, fewer] = printed(error);
      assert.ok(more!.join(' ').includes('--add-handler kata-dragonball'));
      assert.ok(fewer!.join(' ').includes('--add-handler kata-dragonball --remove-handler kata-qemu --remove-handler kata-clh'));
      const ran = await run(fewer!);
      assert.equal(ran.status, 0, ran.stderr);
      assert.deepEqual((await handlersNow(host)).handlers, ['kata-dragonball', rust]);
    });

    it('both archives of a release that has given a handler up: only its removal is offered', async () => {
      const folder = scratch('given-up');
      const bundles = [
        await tinyRelease(folder, { version: '5.0.0' }),
        await tinyRelease(folder, { version: '5.0.0', archive: 'go', without: ['share/defaults/kata-containers/configuration-qemu.toml'] }),
      ];

      const error = await refused(host, ['install', ...bundles], 4, 'bundle-lacks-handler');

      const commands = printed(error);
      assert.equal(commands.length, 1, String(error['next']));
      const ran = await run(commands[0]!);
      assert.equal(ran.status, 0, ran.stderr);
      assert.deepEqual((await handlersNow(host)).handlers, [rust]);
      rmSync(folder, { recursive: true });
    });

    it('offers no archive that does not lie beside the other, and no handler that the bundle lacks', async () => {
      const folder = scratch('alone');
      const bundle = await tinyRelease(folder, { version: SECOND });
      const goOnly = treeHost('fcos');
      await goOnly.json(['install', ...both.first, '--handler', 'qemu', '--alias', 'kata=qemu']);

      const some = await refused(host, ['install', bundle], 4, 'bundle-lacks-handler');
      const all = await refused(goOnly, ['install', bundle], 4, 'bundle-lacks-handler');

      for (const [error, tree] of [
        [some, host],
        [all, goOnly],
      ] as const) {
        const commands = printed(error);
        assert.equal(commands.length, 1, String(error['next']));
        const ran = await run(commands[0]!);
        assert.equal(ran.status, 0, ran.stderr);
        assert.deepEqual((await handlersNow(tree)).handlers, [rust]);
      }
      goOnly.remove();
      rmSync(folder, { recursive: true });
    });

    it('a folder with a blank in its name makes commands that a shell takes', async () => {
      const folder = scratch('a b');
      const bundle = await tinyRelease(join(folder, "it's"), { version: SECOND });

      const error = await refused(host, ['install', bundle], 4, 'bundle-lacks-handler');

      assert.ok(String(error['next']).includes(`'${bundle.replaceAll("'", "'\\''")}'`), String(error['next']));
      rmSync(folder, { recursive: true });
    });
  });

  it('a handler never changes its shim family silently; the command as printed does it, and rollback undoes it', async () => {
    await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']);
    // A program that knew kata-qemu as a Rust handler made this generation.
    const manifest = host.path('var/lib/kata-sysext/generations/1/manifest.json');
    const text = readFileSync(manifest, 'utf8');
    writeFileSync(manifest, text.replace(/("release": "qemu",\s*"family": )"go"/, '$1"rust"'));
    assert.notEqual(readFileSync(manifest, 'utf8'), text);

    const error = await refused(host, ['install', ...both.second], 3, 'handler-family');

    const [command] = printed(error);
    const ran = await run(command!);
    assert.equal(ran.status, 0, ran.stderr);
    assert.deepEqual((await handlersNow(host)).handlers, [go, rust]);
    await host.json(['rollback']);
    assert.deepEqual((await handlersNow(host)).handlers, [go, rust]);
  });
});
