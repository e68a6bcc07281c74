import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { makeGeneration, originOf } from '../../cli/store/generations/make.ts';
import {
  activeGeneration,
  activeNumber,
  aliasesOf,
  type Choices,
  drawGeneration,
  findGeneration,
  type GenerationRecord,
  installAgain,
  isWaiting,
  lastNumber,
  namesOf,
  offeredBy,
  readGeneration,
  readGenerations,
  takeNumber,
  triesIn,
  wiredGeneration,
  wiringsWith,
  withTries,
  writeRecord,
} from '../../cli/store/index.ts';
import { type GenerationTree, generationTree, payloadOf } from '../support/trees/generationTree.ts';

const config = '/etc/containerd/config.toml';
const digest = `sha256:${'0'.repeat(64)}` as const;

function wiringOf(text: string, kind: 'file' | 'range' = 'range', path = config) {
  return {
    engine: 'containerd',
    configPath: config,
    method: 'range',
    handlers: [],
    marks: [{ path, kind, text }],
    folders: [],
    key: digest,
  };
}

describe('generations of a host', () => {
  let tree: GenerationTree;
  beforeEach(() => {
    tree = generationTree();
  });
  afterEach(() => rmSync(tree.root, { recursive: true, force: true }));
  const pointAt = (target: string) => symlinkSync(target, tree.path('etc/kata-sysext/current'));
  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => 'no error',
      (error: { code?: string }) => error.code,
    );

  it('are read by number; what has no manifest or no record, and what has no such name, is none', async () => {
    for (const number of [10, 2]) tree.add(number);
    tree.add(3);
    rmSync(tree.path('var/lib/kata-sysext/generations/3/record.json'));
    tree.add(4);
    rmSync(tree.path('var/lib/kata-sysext/generations/4/manifest.json'));
    for (const name of ['007', 'x', '12345678901']) mkdirSync(tree.path(`var/lib/kata-sysext/generations/${name}`));

    const all = await readGenerations(tree.host);

    assert.deepEqual(
      all.map(({ manifest }) => manifest.number),
      [2, 10],
    );
  });

  it('a manifest in the folder of another number is damaged', async () => {
    tree.add(1);
    const path = tree.path('var/lib/kata-sysext/generations/1/manifest.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"number":1', '"number":2'));

    assert.equal(await code(findGeneration(tree.host, 1)), 'state-damaged');
  });

  it('one that is not there is refused with the numbers that are', async () => {
    tree.add(1);
    tree.add(2);

    await assert.rejects(readGeneration(tree.host, 7), (error: { code?: string; complaint?: { needed: string } }) => {
      assert.equal(error.complaint?.needed, 'one of 1, 2');
      return error.code === 'unknown-generation';
    });
  });

  const targets: [target: string, number: number | undefined][] = [
    ['/var/lib/kata-sysext/generations/3', 3],
    ['/usr/local/libexec/kata-sysext/generations/12', 12],
    ['/usr/libexec/kata-sysext/generations/0', 0],
    ['/usr/libexec/kata-sysext/generations/1', undefined],
    ['/var/lib/kata-sysext/generations/0', undefined],
    ['/var/lib/kata-sysext/generations/03', undefined],
    ['/var/lib/kata-sysext/generations/3/', undefined],
    ['/var/lib/kata-sysext/generations/../../x', undefined],
    ['../../var/lib/kata-sysext/generations/3', undefined],
    ['/opt/generations/3', undefined],
  ];
  for (const [target, wanted] of targets)
    it(`a pointer to ${target} makes ${wanted === undefined ? 'none' : `number ${wanted}`} active`, async () => {
      pointAt(target);

      assert.equal(await activeNumber(tree.host), wanted);
    });

  it('a number is never given twice, neither after a generation is gone nor where the sequence was lost', async () => {
    tree.add(5);

    const numbers = [await takeNumber(tree.host), await takeNumber(tree.host)];
    rmSync(tree.path('var/lib/kata-sysext/history/sequence'));
    tree.add(9);

    assert.deepEqual(numbers, [6, 7]);
    assert.equal(await lastNumber(tree.host), 9);
  });

  describe('drawn and made', () => {
    const release = '[hypervisor.qemu]\npath = "/opt/kata/bin/qemu"\nenable_annotations = []\n# default_memory = 2048\n\n[runtime]\n';
    const draw = (number: number, choices: Choices) =>
      drawGeneration({
        origin: originOf(payloadOf('shim\n'), ['/media/kata.tar']),
        choices,
        home: '/var/lib/kata-sysext/tree/x/usr/share/kata',
        backend: 'prefix',
        program: '1.2.3',
        number,
        created: '2026-01-01T00:00:00.000Z',
        readText: async () => release,
      });
    const none: Choices = { aliases: {}, profiles: {}, settings: {} };

    it('have what the payload says and a configuration that names its files where they are', async () => {
      const { manifest, configurations } = await draw(1, none);

      await makeGeneration(tree.host, manifest, configurations);

      const folder = tree.path('var/lib/kata-sysext/generations/1');
      const text = readFileSync(`${folder}/config/kata-qemu/configuration.toml`, 'utf8');
      assert.equal(text, release.replace('/opt/kata', '/var/lib/kata-sysext/tree/x/usr/share/kata'));
      assert.equal(readlinkSync(`${folder}/config/kata-qemu/config.d`), '/etc/kata-containers/kata-qemu.d');
      assert.equal(readlinkSync(`${folder}/payload`), manifest.payloadFolder);
      const { record, manifest: read } = (await findGeneration(tree.host, 1))!;
      assert.deepEqual([record.state, read.sourcePaths], ['preparing', ['/media/kata.tar']]);
      assert.deepEqual(JSON.parse(JSON.stringify(read)), JSON.parse(JSON.stringify(manifest)));
    });

    it('with settings differ from those without in the digest of the configuration alone', async () => {
      const plain = await draw(1, none);
      const chosen = await draw(1, { ...none, settings: { 'kata-qemu': { 'hypervisor.qemu.enable_annotations': ['x'] } } });

      assert.match(chosen.configurations.get('kata-qemu')!, /^enable_annotations = \["x"\]$/m);
      assert.equal(chosen.plain.get('kata-qemu'), plain.configurations.get('kata-qemu'));
      const [a, b] = [plain.manifest.handlers[0]!, chosen.manifest.handlers[0]!];
      assert.notEqual(a.configurationDigest, b.configurationDigest);
      assert.deepEqual({ ...a, configurationDigest: digest }, { ...b, configurationDigest: digest });
    });

    it('never under another number than the one that they were drawn for', async () => {
      const { manifest, configurations } = await draw(4, none);

      await assert.rejects(makeGeneration(tree.host, manifest, configurations), /drawn, but 1 is next/);
    });
  });

  describe('by their wiring', () => {
    const put = (text: string) => {
      mkdirSync(tree.path('etc/containerd'), { recursive: true });
      writeFileSync(tree.path(config), text);
    };

    it('the newest one whose text is in the files counts, a whole one before one in part', async () => {
      tree.add(1, { record: { wiring: wiringOf('[one]\n') } });
      tree.add(2, { record: { wiring: { ...wiringOf('[two]\n'), marks: [...wiringOf('[two]\n').marks, ...wiringOf('[more]\n').marks] } } });
      put('version = 2\n[two]\n');

      const part = await wiredGeneration(tree.host);
      put('version = 2\n[two]\n[one]\n');
      const whole = await wiredGeneration(tree.host);
      put('version = 2\n');
      const none = await wiredGeneration(tree.host);

      assert.deepEqual([part?.manifest.number, whole?.manifest.number, none], [2, 1, undefined]);
    });

    it('a file that is wholly ours counts only with exactly its text', async () => {
      tree.add(1, { record: { wiring: wiringOf('[one]\n', 'file') } });
      put('[one]\n# edited\n');

      const edited = await wiredGeneration(tree.host);
      put('[one]\n');

      assert.equal(edited, undefined);
      assert.equal((await wiredGeneration(tree.host))?.manifest.number, 1);
    });

    it('the active one has the wiring of this deployment, else whichever recorded one is in its files', async () => {
      const [here, there] = [wiringOf('[here]\n'), wiringOf('[there]\n')];
      tree.add(1, { record: { wiring: there, wirings: { offline: { wiring: here }, 'other.0': { wiring: there } } } });
      tree.activate(1);
      const seen = [];
      for (const text of ['[here]\n', '[there]\n', '']) {
        put(text);
        seen.push((await activeGeneration(tree.host))?.record.wiring?.marks[0]?.text);
      }

      assert.deepEqual(seen, ['[here]\n', '[there]\n', '[here]\n']);
    });

    it('what an open change has written counts too', async () => {
      tree.add(1);
      mkdirSync(tree.path('var/lib/kata-sysext/journal/1'), { recursive: true });
      const records = [{ number: 1, state: 'active', wiring: wiringOf('[open]\n') }];
      writeFileSync(tree.path('var/lib/kata-sysext/journal/1/intent.json'), JSON.stringify({ schema: 1, afterwards: { records } }));
      put('[open]\n');

      assert.equal((await wiredGeneration(tree.host))?.manifest.number, 1);
    });

    it('is kept for each deployment that has an /etc of its own, and nowhere else', () => {
      const record = { state: 'active' as const, wiring: wiringOf('x'), wirings: { 'a.0': {} } };

      assert.deepEqual(wiringsWith(record, 'b.0'), { wirings: { 'a.0': {}, 'b.0': { wiring: record.wiring } } });
      assert.deepEqual([wiringsWith(record, 'single'), wiringsWith(record, 'offline')], [{}, {}]);
    });
  });

  it('a record is written whole, and every user may read it', async () => {
    tree.add(1);

    await writeRecord(tree.host, 1, { state: 'retired', pinned: true });

    const { record } = (await findGeneration(tree.host, 1))!;
    assert.deepEqual([record.state, record.pinned], ['retired', true]);
    assert.equal(statSync(tree.path('var/lib/kata-sysext/generations/1/record.json')).mode & 0o777, 0o644);
  });
});

describe('what a generation offers', () => {
  const manifest = {
    handlers: ['kata-qemu', 'kata-clh'].map((name) => ({ name, shim: `bin/${name}` })) as never,
    choices: { aliases: { kata: 'kata-qemu', 'a-kata': 'kata-clh', lost: 'kata-fc' }, profiles: {}, settings: {} },
  };

  it('is its handlers and aliases by name, each with stable paths; an alias of a handler that is gone is none', () => {
    const offered = offeredBy(manifest, '/base');

    assert.deepEqual(
      offered.map(({ name, shim }) => `${name} ${shim}`),
      ['a-kata /base/bin/kata-clh', 'kata /base/bin/kata-qemu', 'kata-clh /base/bin/kata-clh', 'kata-qemu /base/bin/kata-qemu'],
    );
    assert.equal(offered[1]!.configuration, '/etc/kata-sysext/current/config/kata-qemu/configuration.toml');
    assert.deepEqual(namesOf(manifest), ['a-kata', 'kata', 'kata-clh', 'kata-qemu']);
    assert.deepEqual(
      aliasesOf(manifest).map(({ name }) => name),
      ['a-kata', 'kata', 'lost'],
    );
  });

  it('waits only where it was staged and never activated', () => {
    const waits = (record: Partial<GenerationRecord>) => isWaiting({ record } as never);

    assert.deepEqual(
      [waits({ state: 'staged' }), waits({ state: 'staged', activated: '2026-01-01T00:00:00Z' }), waits({ state: 'active' })],
      [true, false, false],
    );
  });

  it('is installed again by a command with its sources, quoted for a shell', () => {
    const sources = [{ name: "a b's.tar", digest, sizeBytes: 1 }];

    assert.equal(installAgain({ sources }, ' --stage'), "kata-sysext install '/PATH/TO/a b'\\''s.tar' --stage");
  });
});

describe('tries of a generation', () => {
  const at = '2026-01-01T00:00:00Z';
  const tries = (deployment: string, since = at) => ({ deployment, since, boots: 1, boot: 'b' });
  const record = {
    schema: 1,
    state: 'active',
    activated: at,
    tries: [tries('a.0'), tries('b.0'), tries('c.0', 'before')],
  } as GenerationRecord;

  it('count for a deployment since it was activated last', () => {
    assert.deepEqual([triesIn(record, 'a.0')?.boots, triesIn(record, 'c.0'), triesIn(record, 'd.0')], [1, undefined, undefined]);
  });

  it('of one deployment are replaced or dropped without those of others; old ones go', () => {
    const more = withTries(record, 'a.0', { ...tries('a.0'), boots: 2 });
    const less = withTries(record, 'a.0');

    assert.deepEqual(
      more.tries?.map(({ deployment, boots }) => `${deployment} ${boots}`),
      ['b.0 1', 'a.0 2'],
    );
    assert.deepEqual(
      less.tries?.map(({ deployment }) => deployment),
      ['b.0'],
    );
    assert.equal('tries' in withTries({ ...record, tries: [tries('a.0')] }, 'a.0'), false);
  });
});
