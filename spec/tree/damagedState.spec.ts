import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import fc from 'fast-check';
import { all, loopMs, sample, seed } from '../support/sample.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const state = 'var/lib/kata-sysext';

/** A small installation of every kind of state file, each with what makes it. */
interface Base {
  host: TreeHost;
  /** Relative to the root. */
  files: string[];
}

const junk: unknown[] = [null, true, 0, -1, 0.5, 1e300, '', 'x', '/', '../../etc', 'sha256:abc', [], [null], [[]], {}, { a: {} }, 'x\0y'];
const wholes = [
  '',
  'null',
  '[]',
  '{}',
  '3',
  '"x"',
  '[{}]',
  '{"schema": null}',
  '{"schema": "1"}',
  '{"schema": {}}',
  '\0\0\0',
  '{',
  '['.repeat(100_000),
];

const verbs = [
  ['status'],
  ['status', '-v'],
  ['history'],
  ['verify'],
  ['diff', '1'],
  ['rollback', '--dry-run'],
  ['recover', '--dry-run'],
  ['recover'],
  ['gc'],
];

describe('state files of a wrong shape', function () {
  this.timeout(loopMs);
  const bases: Base[] = [];

  before(async () => {
    const { first, second } = await releases();
    const settled = treeHost('fcos');
    await settled.json(['install', first, '--alias', 'kata=qemu-runtime-rs', '--set', 'default_memory=4096', '--profile', 'debug']);
    await settled.json(['install', second]);
    byHand(settled);
    const open = settled.copy();
    await open.run(['uninstall'], { env: { KATA_SYSEXT_FAILPOINT: 'step/file/after=kill' } });
    const committed = settled.copy();
    await committed.run(['rollback'], { env: { KATA_SYSEXT_FAILPOINT: 'commit/after=kill' } });
    bases.push(...[settled, open, committed].map((host) => ({ host, files: stateFiles(host) })));
  });
  after(() => {
    for (const { host } of bases) host.remove();
  });

  it('are of every kind in this spec', () => {
    const kinds = new Set(bases.flatMap(({ files }) => files.map(kindOf)));

    assert.deepEqual([...kinds].sort(), [
      'commit',
      'folders',
      'history',
      'image record',
      'intent',
      'manifest',
      'payload',
      'program',
      'record',
      'step',
    ]);
  });

  it('are no fault of the program, whatever is in the place of a value', async () => {
    const places = bases.flatMap(({ host, files }) =>
      files.flatMap((file) => placesIn(JSON.parse(readFileSync(host.path(file), 'utf8'))).map((place) => ({ host, file, place }))),
    );
    const property = fc.asyncProperty(
      fc.constantFrom(...places),
      fc.constantFrom(undefined, ...junk),
      async ({ host, file, place }, value) => {
        await withFile(
          host,
          file,
          (text) => JSON.stringify(replaced(JSON.parse(text), place, value)),
          async (copy) => {
            const faults = await faultsOf(copy);

            assert.deepEqual(faults, [], `${file}: ${place.join('.')} = ${JSON.stringify(value)}`);
          },
        );
      },
    );

    await fc.assert(property, { numRuns: all ? 3000 : 25, seed, endOnFailure: true });
  });

  it('are damaged where the whole is another thing, and the file is named', async () => {
    const rows = bases.flatMap(({ host, files }) => files.flatMap((file) => wholes.map((text) => ({ host, file, text }))));

    for (const { host, file, text } of sample(rows, 20, 'whole state files')) {
      await withFile(
        host,
        file,
        () => text,
        async (copy) => {
          const faults = await faultsOf(copy);

          assert.deepEqual(faults, [], `${file}: ${text.slice(0, 20)}`);
        },
      );
    }
  });

  const exact: [kind: string, place: string[], value: unknown, wanted: RegExp][] = [
    ['record', ['state'], 'x', /record\.json is damaged: state is not one of preparing/],
    ['record', ['wiring', 'marks'], {}, /record\.json is damaged: wiring\.marks is not a list/],
    ['manifest', ['payload'], 'sha256:0', /manifest\.json is damaged: payload is not a sha256 digest/],
    ['manifest', ['payloadFolder'], 'usr', /manifest\.json is damaged: payloadFolder is not an absolute path/],
    ['manifest', ['handlers', '0', 'shim'], '/bin/sh', /handlers\.0\.shim is not a relative path/],
    ['manifest', ['number'], 7, /manifest\.json is damaged: number is 7, which does not match its folder/],
    ['manifest', ['sources'], undefined, /manifest\.json is damaged: sources is missing/],
    ['intent', ['steps', '0', 'path'], 'etc', /intent\.json is damaged: steps\.0\.path is not an absolute path/],
    ['intent', ['afterwards'], [], /intent\.json is damaged: afterwards is not a table/],
  ];
  for (const [kind, place, value, wanted] of exact) {
    it(`${kind}: ${place.join('.')} = ${JSON.stringify(value)} is state-damaged, naming file and place`, async () => {
      const base = bases.find(({ files }) => files.some((file) => kindOf(file) === kind))!;
      const file = base.files.filter((each) => kindOf(each) === kind).at(-1)!;

      await withFile(
        base.host,
        file,
        (text) => JSON.stringify(replaced(JSON.parse(text), place, value)),
        async (copy) => {
          const { status, answer } = await answerOf(copy, kind === 'intent' ? ['recover'] : ['status', '-v']);

          assert.deepEqual([status, answer['code']], [3, 'state-damaged'], JSON.stringify(answer));
          assert.match(String(answer['found']), wanted);
        },
      );
    });
  }

  it('keeps keys that a newer program wrote', async () => {
    const { host } = bases[0]!;
    await withFile(
      host,
      `${state}/generations/2/record.json`,
      (text) => JSON.stringify({ ...JSON.parse(text), later: { a: [null] } }),
      async (copy) => {
        const { status } = await answerOf(copy, ['pin', '2']);

        const record = JSON.parse(readFileSync(copy.path(`${state}/generations/2/record.json`), 'utf8')) as Record<string, unknown>;
        assert.equal(status, 0);
        assert.deepEqual([record['later'], record['pinned']], [{ a: [null] }, true]);
      },
    );
  });
});

/** What a tree that runs under Node does not have: a copy of the program, and the record of an image. */
function byHand(host: TreeHost): void {
  const program = { schema: 1, version: '0.0.1', root: '/var/lib/kata-sysext', digest: `sha256:${'0'.repeat(64)}`, sizeBytes: 1 };
  for (const [path, text] of [
    [`${state}/programs/0.0.1.json`, JSON.stringify(program)],
    [`${state}/image/${'0'.repeat(64)}.json`, readFileSync(host.path(`${state}/generations/1/record.json`), 'utf8')],
  ] as const) {
    mkdirSync(dirname(host.path(path)), { recursive: true });
    writeFileSync(host.path(path), text);
  }
}

function stateFiles(host: TreeHost): string[] {
  const names = readdirSync(host.path(state), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.json')).map((name) => `${state}/${name}`);
}

function kindOf(file: string): string {
  const rows: [RegExp, string][] = [
    [/generations\/\d+\/manifest\.json$/, 'manifest'],
    [/generations\/\d+\/record\.json$/, 'record'],
    [/payloads\/[0-9a-f]+\.json$/, 'payload'],
    [/image\/[0-9a-f]+\.json$/, 'image record'],
    [/programs\/[^/]+\.json$/, 'program'],
    [/history\/\d+\.json$/, 'history'],
    [/folders\.json$/, 'folders'],
    [/journal\/\d+\/intent\.json$/, 'intent'],
    [/journal\/\d+\/step-\d+\.json$/, 'step'],
    [/journal\/\d+\/commit\.json$/, 'commit'],
  ];
  return rows.find(([pattern]) => pattern.test(file))?.[1] ?? file;
}

/** Every place of a value, the first three of each list. */
function placesIn(value: unknown, at: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return at.length === 0 ? [] : [at];
  const entries = Array.isArray(value) ? Object.entries(value).slice(0, 3) : Object.entries(value);
  return [...(at.length === 0 ? [] : [at]), ...entries.flatMap(([key, each]) => placesIn(each, [...at, key]))];
}

/** undefined: the key is gone. */
function replaced(value: unknown, [key, ...rest]: string[], put: unknown): unknown {
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>;
  copy[key!] = rest.length === 0 ? put : replaced(copy[key!], rest, put);
  return copy;
}

async function withFile(
  host: TreeHost,
  file: string,
  change: (text: string) => string,
  then: (copy: TreeHost) => Promise<void>,
): Promise<void> {
  const copy = host.copy();
  try {
    writeFileSync(copy.path(file), change(readFileSync(copy.path(file), 'utf8')));
    await then(copy);
  } finally {
    copy.remove();
  }
}

/** What is wrong with the answers of all verbs: an error that is nobody's, a stack trace, or no answer. */
async function faultsOf(host: TreeHost): Promise<string[]> {
  const faults: string[] = [];
  for (const args of verbs) {
    const { status, answer, said } = await answerOf(host, args);
    const known = status !== 1 || ['Verification', 'Error', 'Recovery'].includes(String(answer['kind']));
    if (!known || answer['code'] === 'internal' || /^ +at /m.test(said))
      faults.push(`${args.join(' ')}: ${status} ${JSON.stringify(answer)}${said}`);
  }
  return faults;
}

/** In this process: a verb takes a tenth of the time. Imported as the program imports its own parts, or there would be two of each. */
async function answerOf(host: TreeHost, args: string[]): Promise<{ status: number; answer: Record<string, unknown>; said: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const stream = (to: string[]) => ({ write: (text: string) => to.push(text) }) as unknown as NodeJS.WriteStream;
  const engine = ['rollback', 'recover', 'gc', 'pin'].includes(args[0]!) ? host.flags.slice(2) : [];
  const { main } = await import('../../cli/commands/run.ts');
  const status = await main([...args, '--root', host.root, ...engine, '--json', '--progress', 'none'], {
    stdout: stream(out),
    stderr: stream(err),
    env: {},
    cwd: '/',
    onSignal: () => () => undefined,
    onFault: () => () => undefined,
  });
  return { status, answer: out.length === 0 ? {} : (JSON.parse(out.join('')) as Record<string, unknown>), said: err.join('') };
}
