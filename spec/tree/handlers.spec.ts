import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import toml from '@iarna/toml';
import { FIRST, SECOND, tinyRelease } from '../lab/release/index.ts';
import { differences } from '../support/fingerprint.ts';
import { put } from '../support/hostTrees.ts';
import { run } from '../support/program.ts';
import { scratch, story, type TreeHost, treeHost } from '../support/treeHost.ts';

const rust = 'kata-qemu-runtime-rs';
const go = 'kata-qemu';
const config = 'etc/containerd/config.toml';
const oldPlugin = 'io.containerd.grpc.v1.cri';

/** Both archives of two releases. */
interface Both {
  folder: string;
  first: [string, string];
  second: [string, string];
}

async function bothReleases(): Promise<Both> {
  const folder = scratch('both');
  const pair = async (version: string): Promise<[string, string]> => [
    await tinyRelease(folder, { version }),
    await tinyRelease(folder, { version, archive: 'go' }),
  ];
  return { folder, first: await pair(FIRST), second: await pair(SECOND) };
}

/** Name → configuration, as the engine's own file says it; read by a TOML library, not by our editor. */
function offered(host: TreeHost): Record<string, string> {
  const document = toml.parse(readFileSync(host.path(config), 'utf8')) as unknown as {
    plugins: Record<string, { containerd: { runtimes: Record<string, { options?: { ConfigPath?: string } }> } }>;
  };
  const runtimes = Object.entries(document.plugins[oldPlugin]!.containerd.runtimes);
  return Object.fromEntries(
    runtimes.flatMap(([name, { options }]) => (options?.ConfigPath === undefined ? [] : [[name, options.ConfigPath]])),
  );
}

function configurationOf(name: string): string {
  return `/etc/kata-sysext/current/config/${name}/configuration.toml`;
}

describe('handlers and aliases', () => {
  let both: Both;
  let host: TreeHost;

  before(async () => {
    both = await bothReleases();
  });
  after(() => rmSync(both.folder, { recursive: true }));
  beforeEach(() => {
    host = treeHost('fcos');
  });
  afterEach(() => host.remove());

  /** Refused with this status and code, and not a byte of the tree is another. */
  async function refused(args: string[], status: number, code: string): Promise<Record<string, unknown>> {
    const before = host.fingerprint(story);
    const error = await host.json(args, status);
    assert.equal(error['code'], code, JSON.stringify(error));
    assert.deepEqual(differences(before, host.fingerprint(story)), []);
    assert.ok(!existsSync(host.path('var/lib/kata-sysext/staging')) && !existsSync(host.path('usr/local/libexec/kata-sysext/staging')));
    return error;
  }

  /** The commands of an error's `next`, each with its arguments, exactly as they are printed. */
  function printed(error: Record<string, unknown>): string[][] {
    return [...String(error['next']).matchAll(/kata-sysext ((?:install|uninstall) [^;]*)/g)].map((match) => match[1]!.trim().split(' '));
  }

  async function handlersNow(): Promise<{ handlers: string[]; aliases: string[] }> {
    const { generations } = (await host.json(['status'])) as unknown as {
      generations: { active: boolean; handlers: string[]; aliases: { name: string; handler: string }[] }[];
    };
    const { handlers, aliases } = generations.find((one) => one.active)!;
    return { handlers: [...handlers].sort(), aliases: aliases.map(({ name, handler }) => `${name} → ${handler}`) };
  }

  describe('--add-handler and --remove-handler', () => {
    it('change the installed set, and an upgrade keeps it', async () => {
      await host.json(['install', both.first[0]]);
      await host.json(['install', ...both.first, '--add-handler', 'qemu', '--add-handler', 'clh']);
      const three = await handlersNow();
      await host.json(['install', ...both.second]);
      const kept = await handlersNow();
      await host.json(['install', ...both.second, '--remove-handler', 'kata-clh', '--add-handler', 'dragonball', '--add-handler', 'qemu']);

      assert.deepEqual(three.handlers, ['kata-clh', go, rust]);
      assert.deepEqual(kept, three);
      assert.deepEqual((await handlersNow()).handlers, ['kata-dragonball', go, rust]);
      assert.deepEqual(Object.keys(offered(host)).sort(), ['kata-dragonball', go, rust]);
      assert.deepEqual((await host.json(['verify']))['drift'], []);
    });

    it('on a bare host install just those that are added', async () => {
      await host.json(['install', both.first[0], '--add-handler', 'dragonball']);

      assert.deepEqual((await handlersNow()).handlers, ['kata-dragonball']);
    });

    it('are refused with --handler, for what is not installed, and for the last one', async () => {
      await host.json(['install', both.first[0]]);

      await refused(['install', both.first[0], '--handler', 'clh', '--add-handler', 'qemu'], 2, 'usage');
      await refused(['install', both.first[0], '--handler', 'clh', '--remove-handler', 'qemu'], 2, 'usage');
      const missing = await refused(['install', both.first[0], '--remove-handler', 'qemu'], 3, 'handler-not-installed');
      const last = await refused(['install', both.first[0], '--remove-handler', rust], 3, 'last-handler');
      await refused(['install', both.first[0], '--add-handler', 'qemuu'], 3, 'handler-unknown');

      assert.match(String(missing['needed']), new RegExp(rust));
      assert.match(String(last['next']), /kata-sysext uninstall/);
    });

    it('that name what is there change nothing, whatever the order of the names', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs', '--alias', 'kata=qemu']);
      const before = host.fingerprint(story);

      const added = await host.json(['install', ...both.first, '--add-handler', 'kata-qemu', '--alias', 'kata=kata-qemu']);
      const turned = await host.json([
        'install',
        ...both.first,
        '--handler',
        'qemu-runtime-rs',
        '--handler',
        'kata-qemu',
        '--handler',
        'qemu',
      ]);

      assert.deepEqual([added['changed'], turned['changed']], [false, false]);
      assert.deepEqual(differences(before, host.fingerprint(story)), []);
    });

    it('in another order make no other text for the engine', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']);
      const text = readFileSync(host.path(config), 'utf8');

      await host.json(['install', ...both.second, '--handler', 'qemu-runtime-rs', '--handler', 'qemu']);

      assert.equal(readFileSync(host.path(config), 'utf8'), text);
    });
  });

  describe('--alias', () => {
    it('offers a handler under a further name, for as long as nobody takes it away', async () => {
      const tree = host.fingerprint(story);
      await host.json(['install', both.first[0], '--alias', 'kata=qemu-runtime-rs', '--alias', 'kata-vm=kata-qemu-runtime-rs']);
      const installed = offered(host);
      await host.json(['install', both.second[0]]);
      const upgraded = offered(host);
      await host.json(['install', both.second[0], '--alias', 'kata-vm=']);

      assert.deepEqual(installed, Object.fromEntries(['kata', 'kata-vm', rust].map((name) => [name, configurationOf(rust)])));
      assert.deepEqual(upgraded, installed);
      assert.deepEqual((await handlersNow()).aliases, [`kata → ${rust}`]);
      assert.match((await host.run(['status'])).stdout, new RegExp(`kata → ${rust}`));
      assert.deepEqual((await host.json(['verify']))['drift'], []);
      await host.json(['uninstall', '--purge']);
      assert.deepEqual(differences(tree, host.fingerprint(story)), []);
    });

    it('leads elsewhere when it is given anew; diff tells it, rollback returns it, and uninstall prints it', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs', '--alias', 'kata=qemu']);
      await host.json(['install', ...both.first, '--alias', 'kata=qemu-runtime-rs']);
      const moved = offered(host)['kata'];
      const told = await host.json(['diff']);
      await host.json(['rollback']);

      assert.equal(moved, configurationOf(rust));
      assert.deepEqual(told['aliases'], { added: [{ name: 'kata', handler: rust }], removed: [{ name: 'kata', handler: go }] });
      assert.equal(offered(host)['kata'], configurationOf(go));
      const gone = await host.json(['uninstall']);
      assert.match(String(gone['undoCommand']), /--handler kata-qemu .*--alias kata=kata-qemu /);
    });

    for (const [word, why] of [
      ['kata', 'no ='],
      ['=qemu-runtime-rs', 'no name'],
      ['Kata=qemu-runtime-rs', 'an upper-case letter'],
      ['kata.io=qemu-runtime-rs', 'a dot: a handler is a label, not a subdomain'],
      ['-kata=qemu-runtime-rs', 'a hyphen in front'],
      [`${'k'.repeat(64)}=qemu-runtime-rs`, '64 letters'],
      ['ka\nta=qemu-runtime-rs', 'a line end'],
      ['kata"]=qemu-runtime-rs', 'TOML'],
      ['../kata=qemu-runtime-rs', 'a path'],
      ['runc=qemu-runtime-rs', 'the engine’s own'],
      ['crun=qemu-runtime-rs', 'the engine’s own'],
      ['untrusted=qemu-runtime-rs', 'the engine’s own'],
      ['kata-clh=qemu-runtime-rs', 'another handler’s name'],
      ['qemu=qemu-runtime-rs', 'another handler’s name'],
      [`${rust}=qemu-runtime-rs`, 'its own name'],
    ] as const) {
      it(`is refused: ${why} (${JSON.stringify(word).slice(0, 30)})`, async () => {
        await refused(['install', both.first[0], '--alias', word], 2, 'usage');
      });
    }

    it('is refused twice, for a handler that is not there, and for a name that is not there', async () => {
      await host.json(['install', both.first[0], '--alias', 'kata=qemu-runtime-rs']);

      await refused(['install', both.first[0], '--alias', 'a=qemu-runtime-rs', '--alias', 'a='], 2, 'usage');
      const target = await refused(['install', both.second[0], '--alias', 'a=qemu'], 3, 'handler-not-installed');
      await refused(['install', both.first[0], '--alias', 'nobody='], 3, 'handler-not-installed');
      await refused(['install', both.first[0], '--alias', 'a=nobody'], 3, 'handler-unknown');

      assert.match(String(target['next']), /--add-handler kata-qemu --alias a=kata-qemu/);
    });

    it('is refused on a bare host whose handlers are known only from the bundle, and staging is gone', async () => {
      await refused(['install', both.first[0], '--alias', 'kata=qemu'], 3, 'handler-not-installed');
    });

    it('never takes a name that the engine has from somebody else', async () => {
      const table = `\n[plugins."${oldPlugin}".containerd.runtimes.kata]\n  runtime_type = "io.containerd.kata.v2"\n`;
      put(host.root, config, readFileSync(host.path(config), 'utf8') + table);

      await refused(['install', both.first[0], '--alias', 'kata=qemu-runtime-rs'], 3, 'engine-foreign-handler');
    });

    it('neither dangles nor goes in silence when its handler goes', async () => {
      const all = ['--handler', 'qemu', '--handler', 'qemu-runtime-rs', '--alias', 'kata=qemu'];
      await host.json(['install', ...both.first, ...all]);

      await refused(['install', ...both.first, '--handler', 'qemu-runtime-rs'], 3, 'alias-would-dangle');
      const removed = await refused(['install', ...both.first, '--remove-handler', 'qemu'], 3, 'alias-would-dangle');
      assert.match(String(removed['next']), new RegExp(`--alias kata=${rust} .* --alias kata= `));
      await host.json(['install', ...both.first, '--remove-handler', 'qemu', '--alias', `kata=${rust}`]);
      assert.deepEqual(await handlersNow(), { handlers: [rust], aliases: [`kata → ${rust}`] });
      await host.json(['rollback']);
      await host.json(['install', ...both.first, '--remove-handler', 'qemu', '--alias', 'kata=']);
      assert.deepEqual(await handlersNow(), { handlers: [rust], aliases: [] });
    });
  });

  describe('uninstall --handler', () => {
    it('takes it away without writing a byte of a release, and rollback brings it back', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs', '--alias', 'kata=qemu-runtime-rs']);
      const payloads = host.fingerprint(story).filter((line) => line.includes('./var/usrlocal/'));

      const gone = await host.json(['uninstall', '--handler', 'qemu']);
      const left = offered(host);
      const back = await host.json(['rollback']);

      assert.deepEqual([gone['changed'], gone['bytesWritten'], gone['handlers']], [true, 0, ['kata', rust]]);
      assert.deepEqual(
        host.fingerprint(story).filter((line) => line.includes('./var/usrlocal/')),
        payloads,
      );
      assert.deepEqual(left, { kata: configurationOf(rust), [rust]: configurationOf(rust) });
      assert.deepEqual(back['handlers'], ['kata', go, rust]);
      assert.deepEqual((await host.json(['verify']))['drift'], []);
    });

    it('takes an alias alone as well', async () => {
      await host.json(['install', both.first[0], '--alias', 'kata=qemu-runtime-rs']);

      await host.json(['uninstall', '--handler', 'kata']);

      assert.deepEqual(await handlersNow(), { handlers: [rust], aliases: [] });
    });

    it('keeps the smaller set at the next upgrade and says nothing to do at the next install', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']);
      await host.json(['uninstall', '--handler', 'qemu']);

      const same = await host.json(['install', ...both.first]);
      const upgraded = await host.json(['install', both.second[0]]);

      assert.deepEqual([same['changed'], upgraded['handlers']], [false, [rust]]);
    });

    it('is refused for the last one, for one that is not there, with --purge, and where nothing is installed', async () => {
      await refused(['uninstall', '--handler', 'qemu'], 3, 'nothing-installed');
      await host.json(['install', both.first[0]]);

      const last = await refused(['uninstall', '--handler', rust], 3, 'last-handler');
      await refused(['uninstall', '--handler', 'kata-clh'], 3, 'handler-not-installed');
      await refused(['uninstall', '--handler', 'qemuu'], 3, 'handler-not-installed');
      await refused(['uninstall', '--handler', rust, '--purge'], 2, 'usage');

      const [command] = printed(last);
      const ran = await run(command!);
      assert.equal(ran.status, 0, ran.stderr);
      assert.ok(!existsSync(host.path('etc/kata-sysext')));
    });

    it('names the alias that would dangle and the command that works as printed', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs', '--alias', 'kata=qemu']);

      const error = await refused(['uninstall', '--handler', 'qemu'], 3, 'alias-would-dangle');

      const [command] = printed(error);
      const ran = await run(command!);
      assert.equal(ran.status, 0, ran.stderr);
      assert.deepEqual(await handlersNow(), { handlers: [rust], aliases: [] });
    });

    it('is refused on a damaged payload', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']);
      const { payloadFolder } = JSON.parse(readFileSync(host.path('var/lib/kata-sysext/generations/1/manifest.json'), 'utf8')) as {
        payloadFolder: string;
      };
      rmSync(host.path(join(payloadFolder, 'libexec/virtiofsd')));

      await refused(['uninstall', '--handler', 'qemu'], 3, 'payload-damaged');
    });

    it('a dry run writes nothing', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']);
      const before = host.fingerprint(story);

      const plan = await host.json(['uninstall', '--handler', 'qemu', '--dry-run']);

      assert.deepEqual([plan['kind'], plan['from'], plan['to'], plan['bytesWritten']], ['Plan', 1, 2, 0]);
      assert.deepEqual(differences(before, host.fingerprint(story)), []);
    });
  });

  describe('a bundle that lacks an installed handler', () => {
    beforeEach(() => host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']));

    it('is refused and names the handler and the archive; both commands work as printed', async () => {
      const error = await refused(['install', both.second[0]], 4, 'bundle-lacks-handler');

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
      const error = await refused(['install', both.second[1]], 4, 'bundle-lacks-handler');

      assert.match(String(error['needed']), /which kata-static carries/);
      assert.equal(printed(error).length, 2);
      assert.ok(String(error['next']).includes(both.second[0]));
    });

    it('keeps what else was asked for in the commands, and names all that is missing at once', async () => {
      await host.json(['install', ...both.first, '--add-handler', 'clh']);

      const error = await refused(['install', both.second[0], '--add-handler', 'dragonball'], 4, 'bundle-lacks-handler');

      assert.match(String(error['found']), /^kata-qemu, kata-clh are installed/);
      const [more, fewer] = printed(error);
      assert.ok(more!.join(' ').includes('--add-handler kata-dragonball'));
      assert.ok(fewer!.join(' ').includes('--add-handler kata-dragonball --remove-handler kata-qemu --remove-handler kata-clh'));
      const ran = await run(fewer!);
      assert.equal(ran.status, 0, ran.stderr);
      assert.deepEqual((await handlersNow()).handlers, ['kata-dragonball', rust]);
    });

    it('both archives of a release that has given a handler up: only its removal is offered', async () => {
      const folder = scratch('given-up');
      const bundles = [
        await tinyRelease(folder, { version: '5.0.0' }),
        await tinyRelease(folder, { version: '5.0.0', archive: 'go', without: ['share/defaults/kata-containers/configuration-qemu.toml'] }),
      ];

      const error = await refused(['install', ...bundles], 4, 'bundle-lacks-handler');

      const commands = printed(error);
      assert.equal(commands.length, 1, String(error['next']));
      const ran = await run(commands[0]!);
      assert.equal(ran.status, 0, ran.stderr);
      assert.deepEqual((await handlersNow()).handlers, [rust]);
      rmSync(folder, { recursive: true });
    });

    it('a folder with a blank in its name makes commands that a shell takes', async () => {
      const folder = scratch('a b');
      const bundle = await tinyRelease(join(folder, "it's"), { version: SECOND });

      const error = await refused(['install', bundle], 4, 'bundle-lacks-handler');

      assert.ok(String(error['next']).includes(`'${bundle.replaceAll("'", "'\\''")}'`), String(error['next']));
      rmSync(folder, { recursive: true });
    });
  });

  describe('check with a bundle', () => {
    interface Offer {
      name: string;
      byDefault: boolean;
      installed: boolean;
      findings: { code: string }[];
    }
    const offers = (checked: Record<string, unknown>) => (checked['bundle'] as { handlers: Offer[] }).handlers;

    it('tells what it carries, what is the default, and writes nothing', async () => {
      const before = host.fingerprint();

      const one = await host.json(['check', both.first[0]]);
      const two = await host.json(['check', ...both.first]);

      const named = (checked: Record<string, unknown>) =>
        offers(checked)
          .map(({ name }) => name)
          .sort();
      assert.deepEqual(named(one), ['kata-dragonball', rust]);
      assert.deepEqual(named(two), ['kata-clh', 'kata-dragonball', 'kata-fc', 'kata-firecracker', go, rust, 'kata-remote']);
      assert.deepEqual(
        offers(two)
          .filter((offer) => offer.byDefault)
          .map(({ name }) => name),
        [rust],
      );
      assert.deepEqual(
        offers(two)
          .filter(({ findings }) => findings.length > 0)
          .map(({ name, findings }) => [name, findings.map(({ code }) => code)]),
        ['kata-fc', 'kata-firecracker'].map((name) => [name, ['handler-needs-block-devices']]),
      );
      assert.deepEqual(differences(before, host.fingerprint()), []);
      assert.ok(!existsSync('/nonexistent'));
    });

    it('is a blocker for an installed handler that it lacks, and for none that it has', async () => {
      await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']);

      const lacking = await host.json(['check', both.second[0]], 3);
      const whole = await host.json(['check', ...both.second]);

      assert.deepEqual((lacking['bundle'] as { lacks: string[] }).lacks, [go]);
      const blockers = (lacking['findings'] as { code: string; level: string; subject: string }[]).filter(
        ({ level }) => level === 'blocker',
      );
      assert.deepEqual(
        blockers.map(({ code, subject }) => [code, subject]),
        [['bundle-lacks-handler', go]],
      );
      assert.deepEqual([whole['ready'], (whole['bundle'] as { lacks: string[] }).lacks], [true, []]);
      assert.deepEqual(
        offers(whole)
          .filter((offer) => offer.installed)
          .map(({ name }) => name)
          .sort(),
        [go, rust],
      );
    });

    it('rejects a bundle that an install would reject', async () => {
      const folder = scratch('odd');
      const bundle = await tinyRelease(folder, { odd: ['linkOut'] });

      await refused(['check', bundle], 4, 'bundle-member-escapes');
      await refused(['check', join(folder, 'missing.tar.zst')], 4, 'bundle-missing');

      rmSync(folder, { recursive: true });
    });

    it('--handler asks about handlers that are not installed, and about no others', async () => {
      const checked = await host.json(['check', '--handler', 'clh-azure', '--handler', 'fc']);

      const codes = (checked['findings'] as { code: string }[]).map(({ code }) => code).filter((code) => code.startsWith('handler-'));
      assert.deepEqual(codes.sort(), ['handler-needs-block-devices', 'handler-needs-host-kernel']);
      await refused(['check', '--handler', 'nobody'], 3, 'handler-unknown');
    });
  });

  it('what the host lacks for a handler that comes is in the plan and in the receipt, once', async () => {
    const codesOf = (change: Record<string, unknown>) =>
      (change['findings'] as { code: string }[]).map(({ code }) => code).filter((code) => code.startsWith('handler-needs'));

    const plan = await host.json(['install', both.first[1], '--handler', 'fc', '--dry-run']);
    const come = await host.json(['install', both.first[1], '--handler', 'fc']);
    const upgrade = await host.json(['install', both.second[1]]);

    assert.deepEqual(
      [codesOf(plan), codesOf(come), codesOf(upgrade)],
      [['handler-needs-block-devices'], ['handler-needs-block-devices'], []],
    );
  });

  it('a handler never changes its shim family silently; the command as printed does it, and rollback undoes it', async () => {
    await host.json(['install', ...both.first, '--handler', 'qemu', '--handler', 'qemu-runtime-rs']);
    // A program that knew kata-qemu as a Rust handler made this generation.
    const manifest = host.path('var/lib/kata-sysext/generations/1/manifest.json');
    const text = readFileSync(manifest, 'utf8');
    writeFileSync(manifest, text.replace(/("release": "qemu",\s*"family": )"go"/, '$1"rust"'));
    assert.notEqual(readFileSync(manifest, 'utf8'), text);

    const error = await refused(['install', ...both.second], 3, 'handler-family');

    const [command] = printed(error);
    const ran = await run(command!);
    assert.equal(ran.status, 0, ran.stderr);
    assert.deepEqual((await handlersNow()).handlers, [go, rust]);
    await host.json(['rollback']);
    assert.deepEqual((await handlersNow()).handlers, [go, rust]);
  });
});
