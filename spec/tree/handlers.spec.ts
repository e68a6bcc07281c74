import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import type { Finding } from '../../cli/errors/index.ts';
import type { GenerationManifest } from '../../cli/store/index.ts';
import {
  type Both,
  bothReleases,
  config,
  configurationOf,
  go,
  handlersNow,
  offered,
  oldPlugin,
  refused,
  rust,
} from '../support/archives/bothArchives.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { json } from '../support/program.ts';
import { put } from '../support/trees/hostTrees.ts';
import { story, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

describe('handlers and aliases', () => {
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

  describe('--add-handler and --remove-handler', () => {
    it('change the installed set, and an upgrade keeps it', async () => {
      await host.json(['install', both.first[0]]);
      await host.json(['install', ...both.first, '--add-handler', 'qemu', '--add-handler', 'clh']);
      const three = await handlersNow(host);
      await host.json(['install', ...both.second]);
      const kept = await handlersNow(host);
      await host.json(['install', ...both.second, '--remove-handler', 'kata-clh', '--add-handler', 'dragonball', '--add-handler', 'qemu']);

      assert.deepEqual(three.handlers, ['kata-clh', go, rust]);
      assert.deepEqual(kept, three);
      assert.deepEqual((await handlersNow(host)).handlers, ['kata-dragonball', go, rust]);
      assert.deepEqual(Object.keys(offered(host)).sort(), ['kata-dragonball', go, rust]);
      assert.deepEqual((await host.json(['verify']))['drift'], []);
    });

    it('on a bare host install just those that are added', async () => {
      await host.json(['install', both.first[0], '--add-handler', 'dragonball']);

      assert.deepEqual((await handlersNow(host)).handlers, ['kata-dragonball']);
    });

    it('are refused with --handler, for what is not installed, and for the last one', async () => {
      await host.json(['install', both.first[0]]);

      await refused(host, ['install', both.first[0], '--handler', 'clh', '--add-handler', 'qemu'], 2, 'usage');
      await refused(host, ['install', both.first[0], '--handler', 'clh', '--remove-handler', 'qemu'], 2, 'usage');
      const missing = await refused(host, ['install', both.first[0], '--remove-handler', 'qemu'], 3, 'handler-not-installed');
      const last = await refused(host, ['install', both.first[0], '--remove-handler', rust], 3, 'last-handler');
      await refused(host, ['install', both.first[0], '--add-handler', 'qemuu'], 3, 'handler-unknown');

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
      assert.deepEqual((await handlersNow(host)).aliases, [`kata → ${rust}`]);
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

    it('comes back with everything else that was chosen, by what uninstall prints, word for word in a shell', async () => {
      const common = ['--set', 'default_memory=4096', '--set', "kernel_params=a='b c' $HOME", '--set', 'kernel_modules=["a, b", "c"]'];
      await host.json(['install', ...both.first, '--handler', go, '--handler', rust, '--alias', 'kata=qemu', ...common]);
      await host.json(['configure', '--handler', go, '--set', 'default_vcpus=2', '--profile', 'debug']);
      const before = chosenIn(host);
      const gone = await host.json(['uninstall']);
      const [notKept] = (gone['findings'] as Finding[]).filter(({ code }) => code === 'settings-not-kept');

      const undo = shellWords(String(gone['undoCommand']));
      await json(undo.slice(1));
      const shared = chosenIn(host);
      await json(shellWords(notKept!.next).slice(1));

      assert.match(String(gone['undoCommand']), / --backend prefix --engine containerd@1\.7 /);
      assert.deepEqual(Object.keys(before.choices.settings[go]!).length, Object.keys(shared.choices.settings[go]!).length + 1);
      assert.deepEqual(shared.choices.settings[rust], before.choices.settings[rust]);
      assert.deepEqual(chosenIn(host), before);
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
      ['constructor=qemu-runtime-rs', 'a word that the TOML reader stumbles over'],
      ['untrusted=qemu-runtime-rs', 'the engine’s own'],
      ['kata-clh=qemu-runtime-rs', 'another handler’s name'],
      ['qemu=qemu-runtime-rs', 'another handler’s name'],
      [`${rust}=qemu-runtime-rs`, 'its own name'],
    ] as const) {
      it(`is refused: ${why} (${JSON.stringify(word).slice(0, 30)})`, async () => {
        await refused(host, ['install', both.first[0], '--alias', word], 2, 'usage');
      });
    }

    it('is refused twice, for a handler that is not there, and for a name that is not there', async () => {
      await host.json(['install', both.first[0], '--alias', 'kata=qemu-runtime-rs']);

      await refused(host, ['install', both.first[0], '--alias', 'a=qemu-runtime-rs', '--alias', 'a='], 2, 'usage');
      const target = await refused(host, ['install', both.second[0], '--alias', 'a=qemu'], 3, 'handler-not-installed');
      await refused(host, ['install', both.first[0], '--alias', 'nobody='], 3, 'handler-not-installed');
      await refused(host, ['install', both.first[0], '--alias', 'a=nobody'], 3, 'handler-unknown');

      assert.match(String(target['next']), /--add-handler kata-qemu --alias a=kata-qemu/);
    });

    it('is refused on a bare host whose handlers are known only from the bundle, and staging is gone', async () => {
      await refused(host, ['install', both.first[0], '--alias', 'kata=qemu'], 3, 'handler-not-installed');
    });

    it('never takes a name that the engine has from somebody else', async () => {
      const table = `\n[plugins."${oldPlugin}".containerd.runtimes.kata]\n  runtime_type = "io.containerd.kata.v2"\n`;
      put(host.root, config, readFileSync(host.path(config), 'utf8') + table);

      await refused(host, ['install', both.first[0], '--alias', 'kata=qemu-runtime-rs'], 3, 'engine-foreign-handler');
    });

    it('neither dangles nor goes in silence when its handler goes', async () => {
      const all = ['--handler', 'qemu', '--handler', 'qemu-runtime-rs', '--alias', 'kata=qemu'];
      await host.json(['install', ...both.first, ...all]);

      await refused(host, ['install', ...both.first, '--handler', 'qemu-runtime-rs'], 3, 'alias-would-dangle');
      const removed = await refused(host, ['install', ...both.first, '--remove-handler', 'qemu'], 3, 'alias-would-dangle');
      assert.match(String(removed['next']), new RegExp(`--alias kata=${rust} .* --alias kata= `));
      await host.json(['install', ...both.first, '--remove-handler', 'qemu', '--alias', `kata=${rust}`]);
      assert.deepEqual(await handlersNow(host), { handlers: [rust], aliases: [`kata → ${rust}`] });
      await host.json(['rollback']);
      await host.json(['install', ...both.first, '--remove-handler', 'qemu', '--alias', 'kata=']);
      assert.deepEqual(await handlersNow(host), { handlers: [rust], aliases: [] });
    });
  });
});

/** What the active generation was made with. */
function chosenIn(host: TreeHost) {
  const manifest = `var/lib/kata-sysext/generations/${basename(readlinkSync(host.path('etc/kata-sysext/current')))}/manifest.json`;
  const { handlers, choices, backend, sources } = JSON.parse(readFileSync(host.path(manifest), 'utf8')) as GenerationManifest;
  return { handlers, choices, backend, sources };
}

/** What a shell makes of a command. */
function shellWords(command: string): string[] {
  return execFileSync('sh', ['-c', `printf '%s\\n' ${command}`], { encoding: 'utf8' })
    .trimEnd()
    .split('\n');
}
