import assert from 'node:assert/strict';
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { count, tableOf } from '../../cli/documents/shapes.ts';
import { type Host, openHost } from '../../cli/host/index.ts';
import { readFolders, readGenerations, readHistory, readJson, readPayload, readPrograms, writeJson } from '../../cli/store/index.ts';
import { isCommitted, readIntent, readStep } from '../../cli/transaction/journal.ts';
import { fileStep, intentOf } from '../support/trees/changeTree.ts';
import { generationTree, payloadOf } from '../support/trees/generationTree.ts';
import { scratch } from '../support/trees/treeHost.ts';

const state = 'var/lib/kata-sysext';
const shim = 'shim 1\n';
const payload = payloadOf(shim);
const hex = payload.digest.slice('sha256:'.length);
const at = '2026-01-01T00:00:00.000Z';
const digest = `sha256:${'0'.repeat(64)}` as const;

/** A document of each kind as kata-sysext writes it, and who reads it. */
interface Kind {
  path: string;
  value: object;
  read(host: Host): Promise<unknown>;
}

function kinds(): Record<string, Kind> {
  const tree = generationTree();
  const manifest = tree.add(1);
  rmSync(tree.root, { recursive: true });
  const wiring = {
    engine: 'containerd',
    configPath: '/etc/containerd/config.toml',
    unit: 'containerd.service',
    method: 'range',
    handlers: [{ name: 'kata-qemu', shim: '/x', configuration: '/y' }],
    marks: [{ path: '/etc/containerd/config.toml', kind: 'range', text: 'x' }],
    folders: ['/etc/containerd'],
    key: digest,
  };
  const record = {
    schema: 1,
    state: 'active',
    previous: 1,
    activated: at,
    wiring,
    edited: { '/etc/x': digest },
    pinned: true,
    owner: { kind: 'ignition', files: ['/etc/x'], archive: { name: 'a', digest } },
    replaced: { package: 'kata', shim: '/x', handlers: ['kata'], files: [{ path: '/etc/x', digest, after: 'absent' }] },
    allowed: ['code'],
    wirings: { 'a.0': { wiring } },
    blessed: { at, deployment: 'a.0' },
    tries: [{ deployment: 'a.0', since: at, boots: 1, boot: 'b' }],
  };
  const entry = {
    schema: 1,
    id: 1,
    verb: 'install',
    at,
    from: 1,
    to: 2,
    cause: 'install',
    user: { uid: 0, name: 'root' },
    result: 'undone',
    restarted: ['a.service'],
    seconds: 1.5,
    error: { code: 'x', found: 'y', next: 'z' },
    evidence: ['line'],
    leftovers: [{ path: '/x', found: 'y', next: 'z' }],
  };
  const records = [{ number: 1, state: 'active', wiring, edited: { '/etc/x': digest } }];
  const intent = intentOf([{ kind: 'folder', path: '/etc/x', mode: 0o755 }, fileStep('/etc/y', undefined, 'y')], {
    afterwards: { records: records as never, dropGenerations: [1], dropPayloads: [digest], purge: false },
  });
  return {
    'manifest of a generation': { path: 'generations/1/manifest.json', value: manifest, read: readGenerations },
    'record of a generation': { path: 'generations/1/record.json', value: record, read: readGenerations },
    'manifest of a payload': { path: `payloads/${hex}.json`, value: payload, read: (host) => readPayload(host, payload.digest) },
    'entry of the history': { path: 'history/000001.json', value: entry, read: readHistory },
    'note of folders': { path: 'folders.json', value: { schema: 1, made: ['/etc/x'], roots: ['/var/lib/kata-sysext'] }, read: readFolders },
    'manifest of a program': {
      path: 'programs/1.2.3.json',
      value: { schema: 1, version: '1.2.3', root: '/x', digest, sizeBytes: 1 },
      read: readPrograms,
    },
    'intent of a change': { path: 'journal/1/intent.json', value: intent, read: (host) => readIntent(host, 1) },
    'step of a change': {
      path: 'journal/1/step-0.json',
      value: { schema: 1, index: 0, undo: { existed: true, mode: 0o755, parentMs: 1, parentNames: ['a'], modifiedMs: 1 } },
      read: (host) => readStep(host, 1, 0),
    },
    'commit record': { path: 'journal/1/commit.json', value: { schema: 1, at }, read: (host) => isCommitted(host, 1) },
  };
}

/** Every place in a value, as keys from its top. */
function placesIn(value: unknown, here: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.keys(value).flatMap((key) => [[...here, key], ...placesIn((value as Record<string, unknown>)[key], [...here, key])]);
}

function replaced(value: object, [key, ...rest]: string[], by: unknown): object {
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
  if (rest.length > 0) copy[key!] = replaced(copy[key!] as object, rest, by);
  else if (by === undefined) delete copy[key!];
  else copy[key!] = by;
  return copy;
}

describe('documents of the state folder', () => {
  let root: string;
  let host: Host;
  beforeEach(() => {
    root = scratch('documents');
    host = openHost(root, {});
    mkdirSync(join(root, state, 'generations/1'), { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function put(path: string, content: string): void {
    mkdirSync(dirname(join(root, state, path)), { recursive: true });
    writeFileSync(join(root, state, path), content);
  }

  /** 'read', or the code of the refusal; any other error is a fault. */
  async function readOrRefused(read: Kind['read']): Promise<string> {
    try {
      await read(host);
      return 'read';
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (['state-damaged', 'journal-newer', 'host-file-unfit'].includes(code ?? '')) return code!;
      throw error;
    }
  }

  const anything = fc.oneof(
    fc.constant(undefined),
    fc.constantFrom(null, '', '/', '..', '/a/../b', 'x\0y', -1, 1.5, 2 ** 53, true, [], {}, [[]], '__proto__', 'sha256:0'),
    fc.jsonValue({ maxDepth: 2 }),
  );

  for (const [what, { path, value, read }] of Object.entries(kinds())) {
    it(`${what}: is read as it was written`, async () => {
      put(path, JSON.stringify(value));

      assert.equal(await readOrRefused(read), 'read');
    });

    it(`${what}: with any value at any place it is read or refused as damaged, and never ends in a fault`, async () => {
      const place = fc.constantFrom(...placesIn(value));
      await fc.assert(
        fc.asyncProperty(place, anything, async (keys, by) => {
          put(path, JSON.stringify(replaced(value, keys, by)));

          const result = await readOrRefused(read);

          assert.ok(['read', 'state-damaged', 'journal-newer'].includes(result), result);
        }),
        { numRuns: 60, endOnFailure: true },
      );
    });

    const refusals: [how: string, content: string, code: string][] = [
      ['of a newer schema', JSON.stringify({ ...value, schema: 99 }), 'journal-newer'],
      ['without a schema', JSON.stringify({ ...value, schema: undefined }), 'state-damaged'],
      ['cut short', JSON.stringify(value).slice(0, -1), 'state-damaged'],
      ['empty', '', 'state-damaged'],
      ['a list', '[]', 'state-damaged'],
      ['with a key of Object.prototype', JSON.stringify(value).replace('{', '{"__proto__":{"x":1},'), 'state-damaged'],
    ];
    it(`${what}: is refused where it is ${refusals.map(([how]) => how).join(', ')}`, async () => {
      const seen = [];
      for (const [, content] of refusals) {
        put(path, content);
        seen.push(await readOrRefused(read));
      }

      assert.deepEqual(
        seen,
        refusals.map(([, , code]) => code),
      );
    });
  }

  it('are written for root alone, unless every user may read them, and whole', async () => {
    await writeJson(host, `/${state}/secret.json`, tableOf({ schema: count }), { schema: 1 });
    await writeJson(host, `/${state}/open.json`, tableOf({ schema: count }), { schema: 1 }, 0o644);

    const modes = ['secret.json', 'open.json'].map((name) => statSync(join(root, state, name)).mode & 0o777);
    assert.deepEqual(modes, [0o600, 0o644]);
    assert.deepEqual({ ...(await readJson(host, `/${state}/secret.json`, tableOf({ schema: count }))) }, { schema: 1 });
  });

  it('say what to do: of a journal that its way back stays, of others that they may be moved away', async () => {
    const next: string[] = [];
    for (const [path, read] of [
      ['journal/1/intent.json', (one: Host) => readIntent(one, 1)],
      ['folders.json', readFolders],
    ] as const) {
      put(path, 'x');
      await read(host).catch((error: { complaint: { next: string } }) => next.push(error.complaint.next));
    }

    assert.match(next[0]!, /^leave \/var\/lib\/kata-sysext\/journal\/1 where it is; put intent\.json back/);
    assert.match(next[1]!, /mv \/var\/lib\/kata-sysext\/folders\.json \/root\/\) and run: kata-sysext recover$/);
  });
});
