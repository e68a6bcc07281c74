import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KataError } from '../../cli/errors/index.ts';
import { type HostView, openHost } from '../../cli/host/index.ts';
import {
  findGeneration,
  type PayloadManifest,
  readFolders,
  readGenerations,
  readHistory,
  readPayload,
  readPrograms,
} from '../../cli/store/index.ts';
import { isCommitted, readIntent, readStep } from '../../cli/transaction/journal.ts';
import { documentsIn, writtenDocuments } from '../support/trees/stateDocuments.ts';

const fixtures = join(import.meta.dirname, '../fixtures/state-v1');
const payload = 'sha256:42618bf414922de5c2cdebc7f1986b48b7e47815c610a6527a6a9ad2bb4cc8da';
const wholeSteps = 16;

/** Each kind of document: where the fixture is, and what reads it. */
const documents: [name: string, path: string, read: (host: HostView) => Promise<unknown>][] = [
  ['the manifest of a payload', `payloads/${payload.slice(7)}.json`, (host) => readPayload(host, payload)],
  ['the manifest of a generation', 'generations/1/manifest.json', async (host) => (await findGeneration(host, 1))?.manifest],
  ['the record of a generation', 'generations/1/record.json', async (host) => (await findGeneration(host, 1))?.record],
  ['an entry of the history', 'history/000001.json', async (host) => (await readHistory(host))[0]],
  ['the list of folders', 'folders.json', readFolders],
  ['the manifest of a program', 'programs/0.1.0.json', async (host) => (await readPrograms(host))[0]],
  ['the intent of a change', 'journal/1/intent.json', (host) => readIntent(host, 1)],
  ['a step of a change', 'journal/1/step-3.json', (host) => readStep(host, 1, 3)],
];
const commit: (typeof documents)[number] = ['the commit of a change', 'journal/1/commit.json', (host) => isCommitted(host, 1)];

describe('the documents of schema 1', () => {
  let root: string;
  let host: HostView;
  const at = (path: string) => join(root, 'var/lib/kata-sysext', path);

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-v1-'));
    cpSync(fixtures, at('.'), { recursive: true });
    host = openHost(root, {});
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  for (const [name, path, read] of documents) {
    it(`${name} is read as it was written`, async () => {
      const written = JSON.parse(readFileSync(at(path), 'utf8')) as unknown;

      const value = await read(host);

      assert.deepEqual(plain(value), written);
    });
  }

  it('a commit is one', async () => {
    const committed = await isCommitted(host, 1);

    assert.equal(committed, true);
  });

  it('belong together: one generation of one payload, by the change whose steps are all there', async () => {
    const [generation] = await readGenerations(host);
    const intent = await readIntent(host, 1);
    const steps = await Promise.all(intent!.steps.map((_, index) => readStep(host, 1, index)));

    assert.equal(generation!.manifest.payload, payload);
    assert.equal(intent!.to, generation!.manifest.number);
    assert.equal(steps.filter((step) => step !== undefined).length, wholeSteps);
  });

  for (const [name, path, read] of [...documents, commit]) {
    it(`${name} with another schema is refused, and the file named`, async () => {
      const refused: unknown[] = [];
      for (const schema of [2, 0, undefined]) {
        rewrite(at(path), schema);
        refused.push(await failureOf(read(host)).then(({ code, complaint }) => [code, complaint.subject, complaint.found]));
      }

      const file = `/var/lib/kata-sysext/${path}`;
      assert.deepEqual(refused, [
        ['journal-newer', file, `${file} has schema 2`],
        ['state-damaged', file, `${file} is damaged: it has schema 0, and no version wrote another one than 1`],
        ['state-damaged', file, `${file} is damaged: schema is missing`],
      ]);
    });
  }

  it('a payload that is stored elsewhere than in an extension is refused', async () => {
    const path = at(documents[0]![1]);
    const manifest = JSON.parse(readFileSync(path, 'utf8')) as PayloadManifest;
    writeFileSync(path, JSON.stringify({ ...manifest, folder: manifest.folder.replace('/usr/share/kata', '/usr/libexec/kata') }));

    const refused = await failureOf(readPayload(host, payload));

    assert.equal(refused.code, 'state-damaged');
    assert.match(refused.complaint.found, /: folder is not an absolute path that ends with \/usr\/share\/kata$/);
  });

  it('have the fields that the program writes today: other ones need another schema, and fixtures of their own', async () => {
    const today = fieldsOf(await writtenDocuments());
    const then = fieldsOf(documentsIn(fixtures));

    assert.deepEqual(today, then);
  });

  function rewrite(path: string, schema: number | undefined): void {
    const value = JSON.parse(readFileSync(path, 'utf8')) as object;
    writeFileSync(path, JSON.stringify({ ...value, schema }));
  }
});

function failureOf(reading: Promise<unknown>): Promise<KataError> {
  return reading.then(
    () => assert.fail('it was read'),
    (error: KataError) => error,
  );
}

/** Documents are read without a prototype. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** Kind of document → its fields with their types, as 'steps[].path: string'. */
function fieldsOf(all: Map<string, string>): Record<string, string[]> {
  const found: Record<string, Set<string>> = {};
  for (const [name, text] of all) {
    const kind = name.replace(/(?<=step-)\d+/, 'N');
    found[kind] ??= new Set();
    for (const field of fieldsIn(JSON.parse(text), '')) found[kind].add(field);
  }
  return Object.fromEntries(Object.entries(found).map(([kind, fields]) => [kind, [...fields].sort()]));
}

function fieldsIn(value: unknown, at: string): string[] {
  if (Array.isArray(value)) return [`${at}[]`, ...value.flatMap((each) => fieldsIn(each, `${at}[]`))];
  if (typeof value !== 'object' || value === null) return [`${at}: ${typeof value}`];
  // A path is no name of a field: such a table has one entry for each file.
  return Object.entries(value).flatMap(([key, each]) => fieldsIn(each, `${at}.${key.startsWith('/') ? '(path)' : key}`));
}
