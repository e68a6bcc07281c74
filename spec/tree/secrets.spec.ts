import assert from 'node:assert/strict';
import { chmodSync, lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { containerd } from '../../cli/engines/containerd/index.ts';
import { KataError } from '../../cli/errors/index.ts';
import { openView } from '../../cli/host/index.ts';
import type { Ran } from '../support/program.ts';
import { type EngineHost, engineHosts, prepareEngineHost, secrets } from '../support/trees/engineHosts.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';
import { releases, scratch, treeHost } from '../support/trees/treeHost.ts';

/** Passwords, tokens and headers in files of every engine: none of them leaves these files. */
describe('a secret in the files of an engine', function () {
  this.timeout(900_000);
  let first: string;
  let second: string;
  let folder: string;

  before(async () => {
    ({ first, second } = await plainReleases());
    folder = scratch('secrets');
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const [name, row] of Object.entries(engineHosts)) {
    it(`${name}: is in no output of any verb, and in no file that kata-sysext keeps`, async () => {
      const host = hostOf(row);

      const found: string[] = [];
      for (const [status, ...args] of wholeRound(join(folder, `${name}.md`))) found.push(...(await leaksOf(host, args, status)));

      assert.deepEqual(found, []);
      host.remove();
    });

    it(`${name}: is in no complaint about a file that cannot be read, before and after an installation`, async () => {
      const bare = hostOf(row);
      const installed = bare.copy();
      await installed.json(['install', first]);
      const texts = row.settings.map((path) => ({ path, text: readFileSync(bare.path(path), 'utf8') }));

      const found: string[] = [];
      for (const { path, text } of texts)
        for (const broken of brokenForms(text)) {
          for (const host of [bare, installed]) writeFileSync(host.path(path), broken);
          found.push(...(await leaksOf(bare, ['install', first, '--dry-run', '--json'], 3)));
          for (const args of complaining) found.push(...(await leaksOf(installed, args)));
        }
      for (const { path, text } of texts) writeFileSync(installed.path(path), text);
      editWiring(installed);
      for (const args of complaining) found.push(...(await leaksOf(installed, args)));

      assert.deepEqual(found, []);
      for (const host of [bare, installed]) host.remove();
    });
  }

  for (const [name, path, mode] of [
    ['containerd', 'etc/containerd/config.toml', 0o640],
    ['Docker', 'etc/docker/daemon.json', 0o600],
  ] as const) {
    it(`${name}: is in the journal of an interrupted change for those alone who may read the engine's file, and in no file afterwards`, async () => {
      const row = engineHosts[name]!;
      const prepare = (root: string) => {
        prepareEngineHost(root, row);
        chmodSync(join(root, path), mode);
      };
      const host = treeHost(row.tree, prepare, { engine: row.engine });

      const killed = await host.run(['install', (await releases()).first], { env: { KATA_SYSEXT_FAILPOINT: 'commit/before=kill' } });
      const holding = kept(host.root).filter(({ text }) => secretsIn(text).length > 0);
      const outputs = [await host.run(['status']), await host.run(['report', '-o', '-']), await host.run(['recover', '--json'])];

      assert.equal(killed.status, 137);
      assert.ok(holding.length > 0);
      assert.deepEqual(
        holding.filter(({ path: at, mode: has }) => !at.includes('/journal/1/') || (has & ~mode) !== 0),
        [],
      );
      assert.deepEqual(
        outputs.flatMap(({ stdout, stderr }) => secretsIn(stdout + stderr)),
        [],
      );
      assert.deepEqual(
        kept(host.root).flatMap(({ text }) => secretsIn(text)),
        [],
      );
      host.remove();
    });
  }

  it('containerd: a value of the wrong type, which its own program quotes, is left out of the complaint', async () => {
    const file = join(folder, 'config.toml');
    writeFileSync(
      file,
      `version = 2\n[plugins."io.containerd.grpc.v1.cri".registry.headers]\nAuthorization = "Basic (${secrets.header}) x"\n`,
    );
    const instance = { engine: 'containerd', binary: '/usr/bin/containerd', configPath: file };

    const error: unknown = await containerd.dump!.dumpEffective(openView('/', {}), instance).catch((caught: unknown) => caught);

    assert.ok(error instanceof KataError);
    assert.match(error.complaint.found, /does not accept/);
    assert.deepEqual(secretsIn(JSON.stringify(error.complaint)), []);
  });

  /** Every verb that has to do with an engine, in both forms of its answer: the status that it ends with, and its words. */
  function wholeRound(report: string): [number, ...string[]][] {
    return [
      [0, 'check', first],
      [0, 'install', first, '--dry-run'],
      [0, 'install', first, '--json'],
      [0, 'install', second],
      [0, 'diff', '--json'],
      [0, 'rollback', '--json'],
      [0, 'configure', '--set', 'default_memory=3000'],
      [0, 'status'],
      [0, 'status', '--json'],
      [0, 'verify', '--json'],
      [0, 'check', '--json'],
      [0, 'history', '1', '--json'],
      [0, 'report', '-o', report],
      [0, 'report', '-o', '-'],
      [0, 'uninstall', '--dry-run'],
      [0, 'uninstall', '--json'],
      [0, 'history'],
    ];
  }
});

const complaining = [['status'], ['verify', '--json'], ['check'], ['uninstall', '--dry-run', '--json'], ['report', '-o', '-']];

function hostOf(row: EngineHost): InProcessTree {
  return inProcessTree(row.tree, (root) => prepareEngineHost(root, row), row.engine);
}

/** A secret where a parser stumbles: cut in its middle, and as a key of a table that is there twice. */
function brokenForms(text: string): string[] {
  const [value] = Object.values(secrets).filter((each) => text.includes(each));
  assert.ok(value !== undefined);
  const key = `"${secrets.unitValue}"`;
  return [text.slice(0, text.indexOf(value) + value.length - 1), `${text}\n[${key}]\n${key} = 1\n[${key}]\n: {${secrets.joinToken}\n`];
}

/** Another program writes a secret into each text of kata-sysext. */
function editWiring(host: InProcessTree): void {
  const { wiring } = JSON.parse(readFileSync(host.path('var/lib/kata-sysext/generations/1/record.json'), 'utf8')) as {
    wiring: { marks: { path: string; text: string }[] };
  };
  for (const { path, text } of wiring.marks) {
    const now = readFileSync(host.path(path), 'utf8');
    const at = now.indexOf(text) + text.indexOf('\n') + 1;
    writeFileSync(host.path(path), `${now.slice(0, at)}# ${secrets.joinToken}\nx = "${secrets.logToken}"\n${now.slice(at)}`);
  }
}

/** Runs a verb, and says which secrets it printed, or left in files of kata-sysext. */
async function leaksOf(host: InProcessTree, args: string[], wanted?: number): Promise<string[]> {
  const ran: Ran = await host.run(args);
  if (wanted !== undefined) assert.equal(ran.status, wanted, `${args.join(' ')}: ${ran.stdout}${ran.stderr}`);
  const texts = [{ path: 'standard output', text: ran.stdout }, { path: 'standard error', text: ran.stderr }, ...kept(host.root)];
  const report = args[0] === 'report' && args[2] !== '-' ? [{ path: args[2]!, text: readFileSync(args[2]!, 'utf8') }] : [];
  return [...texts, ...report].flatMap(({ path, text }) => secretsIn(text).map((secret) => `${args.join(' ')}: ${secret} in ${path}`));
}

/** Names of the secrets that a text has, in any shape. */
function secretsIn(text: string): string[] {
  return Object.entries(secrets)
    .filter(([, value]) => shapesOf(value).some((shape) => text.includes(shape)))
    .map(([name]) => name);
}

function shapesOf(value: string): string[] {
  const bytes = Buffer.from(value);
  // Without what the bytes before and after it change in base64.
  const inBase64 = [0, 1, 2].map((offset) =>
    Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .slice(offset === 0 ? 0 : 4, -4),
  );
  return [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value), bytes.toString('hex'), ...inBase64];
}

/** Every file of kata-sysext, and where each link leads. */
function kept(root: string): { path: string; mode: number; text: string }[] {
  const folders = ['var/lib/kata-sysext', 'etc/kata-sysext', 'var/usrlocal/libexec/kata-sysext', 'usr/local/libexec/kata-sysext', 'run'];
  return folders.flatMap((folder) => filesBelow(join(root, folder)));
}

function filesBelow(path: string): { path: string; mode: number; text: string }[] {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (stat.isDirectory()) return readdirSync(path).flatMap((name) => filesBelow(join(path, name)));
  const mode = stat.mode & 0o7777;
  return [stat.isSymbolicLink() ? { path, mode: 0, text: readlinkSync(path) } : { path, mode, text: readFileSync(path, 'latin1') }];
}
