import assert from 'node:assert/strict';
import { sign } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { sha256 } from '../support/digests.ts';
import { runInProcess } from '../support/inProcess.ts';
import { checkJson } from '../support/judges/schemas.ts';
import { repo } from '../support/program.ts';
import { ecKeys, type Keys, messageBundle } from '../support/sigstore/bundles.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';
import { scratch } from '../support/trees/treeHost.ts';

/** The rows of catalogues that differ from a good one. */
type Change = Record<string, unknown>;

const [team, other] = [ecKeys(), ecKeys()];

describe('catalogues that were added', function () {
  this.timeout(300_000);
  let host: InProcessTree;
  let folder: string;
  let archive: string;

  before(async () => {
    archive = (await plainReleases()).first;
  });
  beforeEach(() => {
    folder = scratch('catalogues');
    host = inProcessTree('fcos');
  });
  afterEach(() => {
    host.remove();
    rmSync(folder, { recursive: true });
  });

  const release = (change: Change = {}) => ({
    version: '4.1.0-team.1',
    handler: 'qemu-runtime-rs',
    engines: { containerd: '1.6' },
    archives: [
      { name: basename(archive), architecture: 'x86_64', families: ['rust'], digest: `sha256:${sha256(readFileSync(archive))}`, ...change },
    ],
  });
  const catalogue = (change: Change = {}) => ({
    name: 'team',
    serial: 3,
    origin: 'https://mirror.example.org/kata',
    releases: [release()],
    ...change,
  });

  /** A file of a catalogue. */
  function file(change: Change | string = {}): string {
    const path = join(folder, 'team.json');
    writeFileSync(path, typeof change === 'string' ? change : JSON.stringify(catalogue(change)));
    return path;
  }
  function signed(path: string, { secret }: Keys = team): string[] {
    writeFileSync(`${path}.sig`, sign('sha256', readFileSync(path), secret));
    return ['--signature', `${path}.sig`];
  }
  const digest = (path: string) => ['--digest', `sha256:${sha256(readFileSync(path))}`];
  const trust = (strict: boolean, { pem } = team, more: Change = {}) =>
    put(host.root, 'etc/kata-sysext/trust.d/a.json', JSON.stringify({ strict, keys: [{ name: 'team', kind: 'pem', key: pem, ...more }] }));
  const releases = (...args: string[]) => runInProcess(['releases', ...args, '--root', host.root]);
  async function json(...args: string[]): Promise<Record<string, unknown>> {
    const { stdout } = await releases(...args, '--json');
    const value = JSON.parse(stdout) as Record<string, unknown>;
    checkJson(value);
    return value;
  }
  const codeOf = async (...args: string[]) => (await json(...args))['code'] ?? 'done';

  it('are listed with the one of the program, and go without a trace', async () => {
    const before = host.listing();
    trust(false);
    const path = file({ notAfter: '2099-01-01T00:00:00Z' });
    const signature = signed(path);
    const dry = await json('add', path, ...signature, '--dry-run');
    const untouched = existsSync(host.path('var/lib/kata-sysext'));
    const added = await json('add', path, ...signature);
    const again = await json('add', path, ...signature);
    const list = await releases();
    const { catalogues } = (await json()) as { catalogues: { name: string; signedBy?: string; expired?: boolean }[] };
    const removed = await json('remove', 'team');
    rmSync(host.path('etc/kata-sysext'), { recursive: true });

    assert.deepEqual([dry['changed'], dry['dryRun'], untouched], [true, true, false]);
    assert.deepEqual([added['changed'], added['signedBy'], added['versions']], [true, 'team', ['4.1.0-team.1']]);
    assert.equal(again['changed'], false);
    assert.match(
      list.stdout,
      /team@4\.1\.0-team\.1 .*\n.*kata: https.*\nteam: https:.*, serial 3, until 2099-01-01T00:00:00Z, signed by team/s,
    );
    assert.deepEqual(
      catalogues.map(({ name, signedBy, expired }) => [name, signedBy, expired]),
      [
        ['kata', undefined, undefined],
        ['team', 'team', false],
      ],
    );
    assert.equal(removed['changed'], true);
    assert.deepEqual(host.listing(), before);
  });

  it('give the archives of an installation; an uninstall leaves them', async () => {
    const path = file();
    await releases('add', path, ...digest(path));
    const before = host.listing();
    const installed = await host.json(['install', 'team@4.1.0-team.1', '--from', dirname(archive)]);
    const unknown = await host.json(['install', 'team@4.2.0'], 4);
    const without = await host.json(['install', 'others@4.1.0-team.1'], 4);
    await host.json(['uninstall', '--purge']);

    assert.equal(installed['changed'], true);
    assert.match(String(unknown['found']), /4\.2\.0 is not in the catalogue team/);
    assert.match(String(without['found']), /there is no catalogue others/);
    assert.deepEqual(host.listing(), before);
    assert.ok(existsSync(host.path('var/lib/kata-sysext/catalogues/team.json')));
  });

  it('need a digest or a signature; where signatures are demanded a signature, of a key that is trusted', async () => {
    const path = file();
    const bare = await codeOf('add', path);
    const wrong = await codeOf('add', path, '--digest', `sha256:${'0'.repeat(64)}`);
    const untrusted = await codeOf('add', path, ...signed(path));
    trust(true);
    const onlyDigest = await codeOf('add', path, ...digest(path));
    const foreign = await codeOf('add', path, ...signed(path, other));
    const signature = signed(path);
    writeFileSync(path, `${readFileSync(path, 'utf8')} `);
    const changed = await codeOf('add', path, ...signature);
    const listed = (await json()) as { catalogues: object[] };

    assert.deepEqual([bare, wrong, untrusted], ['signature-missing', 'bundle-digest', 'signature-key']);
    assert.deepEqual([onlyDigest, foreign, changed], ['signature-missing', 'signature-wrong', 'signature-wrong']);
    assert.equal(listed.catalogues.length, 1);
  });

  it('prove an archive where signatures are demanded, as long as the key is trusted', async () => {
    trust(true);
    const path = file();
    await releases('add', path, ...signed(path));
    const install = ['install', 'team@4.1.0-team.1', '--from', dirname(archive)];
    trust(true, other);
    const foreign = await host.json(install, 4);
    trust(true, team, { notAfter: '2020-01-01T00:00:00Z' });
    const expired = await host.json(install, 4);
    trust(true);
    const installed = await host.json(install);

    assert.deepEqual([foreign['code'], expired['code']], ['signature-missing', 'signature-missing']);
    assert.equal(installed['changed'], true);
  });

  it('take a bundle of sigstore as well', async () => {
    trust(true, team, { kind: 'sigstore' });
    const path = file();
    writeFileSync(`${path}.sigstore.json`, JSON.stringify(messageBundle(readFileSync(path), team)));
    await releases('add', path, '--signature', `${path}.sigstore.json`);
    const installed = await host.json(['install', 'team@4.1.0-team.1', '--from', dirname(archive)]);

    assert.equal(installed['changed'], true);
  });

  it('of an earlier serial, or of the same with another content, are refused; a higher one takes the place', async () => {
    const add = async (change: Change) => {
      const path = file(change);
      return codeOf('add', path, ...digest(path));
    };
    const said = [
      await add({}),
      await add({ serial: 2 }),
      await add({ releases: [] }),
      await add({ serial: 4, releases: [release({ digest: `sha256:${'1'.repeat(64)}` })] }),
      await add({}),
    ];
    const stored = readFileSync(host.path('var/lib/kata-sysext/catalogues/team.json'), 'utf8');

    assert.deepEqual(said, ['done', 'catalogue-older', 'catalogue-older', 'done', 'catalogue-older']);
    assert.match(stored, /1{64}/);
  });

  it('change no digest that the program or another catalogue has', async () => {
    const add = async (change: Change) => {
      const path = file(change);
      return codeOf('add', path, ...digest(path));
    };
    const own = { ...release(), version: '4.2.0' };
    const [archives] = own.archives;
    const published = 'sha256:b828904fa3f1e49ddd7dc799c72cb1503cd1e772d354c3987c8d4189b2a623a8';
    const rival = { name: 'others', releases: [release({ digest: `sha256:${'1'.repeat(64)}`, name: 'another.tar' })] };
    const said = [
      await add({}),
      await add(rival),
      await add({ name: 'others' }),
      await add({ serial: 9, releases: [own] }),
      await add({
        serial: 9,
        releases: [{ ...own, archives: [{ ...archives, name: 'kata-static-4.2.0-amd64.tar.zst', digest: published }] }],
      }),
    ];

    assert.deepEqual(said, ['done', 'catalogue-conflict', 'done', 'catalogue-conflict', 'done']);
  });

  it('that are expired give nothing more', async () => {
    const late = file({ notAfter: '2020-01-01T00:00:00Z' });
    const refused = await codeOf('add', late, ...digest(late));
    const path = file({ notAfter: '2099-01-01T00:00:00Z' });
    await releases('add', path, ...digest(path));
    const stored = host.path('var/lib/kata-sysext/catalogues/team.json');
    writeFileSync(stored, readFileSync(stored, 'utf8').replace('2099', '2020'));
    const list = await releases();
    const install = await host.json(['install', 'team@4.1.0-team.1', '--from', dirname(archive)], 4);

    assert.equal(refused, 'catalogue-expired');
    assert.match(list.stdout, /expired at 2020/);
    assert.equal(install['code'], 'catalogue-expired');
  });

  const good = JSON.stringify({ name: 'team', serial: 3, origin: 'https://m.example.org', releases: [] });
  const rows: [title: string, content: string][] = [
    ['nothing', ''],
    ['half a table', good.slice(0, -3)],
    ['a list', '[]'],
    ['the name of the program’s own', good.replace('team', 'kata')],
    ['a name with a path', good.replace('team', '../team')],
    ['a name twice', good.replace('{', '{"name":"team",')],
    ['no serial', good.replace('"serial":3,', '')],
    ['a serial below 0', good.replace('3', '-3')],
    ['a serial that is no number', good.replace('3', '"3"')],
    ['an origin without https', good.replace('https', 'http')],
    ['an origin with a password', good.replace('https://', 'https://anna:secret@')],
    ['a handler that is not known', good.replace('[]', JSON.stringify([{ version: '4.2.0', handler: 'nemu', engines: {}, archives: [] }]))],
    [
      'an archive with a path',
      good.replace(
        '[]',
        JSON.stringify([
          {
            version: '4.2.0',
            handler: 'qemu',
            engines: {},
            archives: [{ name: '../a', architecture: 'x86_64', families: ['go'], digest: `sha256:${'0'.repeat(64)}` }],
          },
        ]),
      ),
    ],
    [
      'a release twice',
      good.replace('[]', JSON.stringify(['4.2.0', '4.2.0'].map((version) => ({ version, handler: 'qemu', engines: {}, archives: [] })))),
    ],
    ['__proto__', good.replace('{', '{"__proto__":{},')],
    ['300 kB', good.replace('[]', `[]${' '.repeat(300_000)}`)],
  ];
  for (const [title, content] of rows)
    it(`with ${title} are refused`, async () => {
      const path = file(content);

      assert.equal(await codeOf('add', path, ...digest(path)), 'catalogue-unfit');
      assert.equal(existsSync(host.path('var/lib/kata-sysext')), false);
    });

  it('that were damaged in the state are named, and so is a file of another name', async () => {
    const path = file();
    await releases('add', path, ...digest(path));
    const state = host.path('var/lib/kata-sysext/catalogues');
    const content = readFileSync(join(state, 'team.json'), 'utf8');
    writeFileSync(join(state, 'other.json'), content, { mode: 0o644 });
    const renamed = await codeOf();
    rmSync(join(state, 'other.json'));
    writeFileSync(join(state, 'team.json'), content.slice(0, -20));
    const damaged = await codeOf();

    assert.deepEqual([renamed, damaged], ['state-damaged', 'state-damaged']);
    assert.deepEqual(readdirSync(state), ['team.json']);
  });

  it('that are no text in UTF-8 are refused: a signature is over bytes', async () => {
    const path = file();
    writeFileSync(
      path,
      Buffer.from(readFileSync(path, 'utf8').replace('qemu-runtime-rs', 'qemu').replace('"containerd"', '"\u00ff"'), 'latin1'),
    );

    assert.equal(await codeOf('add', path, ...digest(path)), 'catalogue-unfit');
  });

  it('that this program does not understand any more can be removed', async () => {
    const path = file();
    await releases('add', path, ...digest(path));
    const stored = host.path('var/lib/kata-sysext/catalogues/team.json');
    writeFileSync(stored, readFileSync(stored, 'utf8').replace('qemu-runtime-rs', 'of-a-newer-program'));
    const listed = await json();
    const removed = await codeOf('remove', 'team');

    assert.deepEqual([listed['code'], listed['next']], ['catalogue-unfit', `kata-sysext releases --root ${host.root} remove team`]);
    assert.equal(removed, 'done');
    assert.equal(existsSync(host.path('var/lib/kata-sysext')), false);
  });

  it('are read as docs/guides/catalogues.md shows one', async () => {
    const page = readFileSync(join(repo, 'docs/guides/catalogues.md'), 'utf8');
    const path = file(/```json\n(.*?)```/s.exec(page)?.[1] ?? '');

    assert.equal(await codeOf('add', path, ...digest(path)), 'done');
  });

  it('are no folder, no pipe of a name and no word that the verb does not know', async () => {
    mkdirSync(join(folder, 'a'));
    const said = [
      await codeOf('add', join(folder, 'a'), '--digest', `sha256:${'0'.repeat(64)}`),
      await codeOf('add', join(folder, 'nowhere'), '--digest', `sha256:${'0'.repeat(64)}`),
      await codeOf('add', 'http://m.example.org/team.json'),
      await codeOf('add'),
      await codeOf('ad', 'x'),
      await codeOf('remove', 'team'),
      await codeOf('remove'),
    ];

    assert.deepEqual([...new Set(said)], ['usage']);
  });
});
