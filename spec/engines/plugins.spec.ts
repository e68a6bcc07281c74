import assert from 'node:assert/strict';
import { posix } from 'node:path';
import type { EnginePlugin } from '../../cli/engines/contract.ts';
import { enginePlugins } from '../../cli/engines/index.ts';
import { readSources, type SourceFacts } from '../support/sources.ts';

/** The one file that names every folder: it imports each one's face. */
const registry = 'cli/engines/registry.ts';

/** At most three: what names an engine outside its folder, a file or a folder, and why. */
const exceptions: { path: string; names: string; reason: string }[] = [
  {
    path: 'cli/facts/architecture.ts',
    names: 'containerd',
    reason: 'engines read facts, and any program of a tree shows its architecture',
  },
];

/** Programs that start an engine of their own: their folders use that engine's, and name its program. */
const builtOn: Record<string, string> = { k0s: 'containerd', nodeadm: 'containerd', rancher: 'containerd' };

/** What only the folder of an engine may say, whole: its name, its units, its programs; and its paths, as the beginning of a text. */
function known(row: EnginePlugin): { words: string[]; paths: string[] } {
  const { report, storage, renders } = row;
  return {
    words: [row.name, ...row.units, ...row.programs, ...(renders?.units ?? [])],
    paths: [...report.configuration, ...storage, ...(renders?.files ?? [])],
  };
}

/** '/usr/bin/NAME' */
function isProgram(text: string, { programs }: EnginePlugin): boolean {
  return text.startsWith('/') && programs.includes(posix.basename(text));
}

function folderOf({ name }: EnginePlugin): string {
  return `cli/engines/${name}/`;
}

function isExcepted(path: string, { name }: EnginePlugin): boolean {
  if (Object.entries(builtOn).some(([above, below]) => below === name && path.startsWith(`cli/engines/${above}/`))) return true;
  return exceptions.some((each) => each.path === path && each.names === name);
}

describe('engines: what knows an engine is in its folder', () => {
  let sources: SourceFacts[] = [];
  before(function () {
    this.timeout(300_000);
    sources = readSources();
  });

  it('the parser sees all of cli/', () => {
    assert.ok(sources.length > 300, `${sources.length} files`);
    const face = sources.find(({ path }) => path === registry);
    assert.ok(
      face?.imports.some(({ to }) => to === 'cli/engines/containerd/index.ts'),
      JSON.stringify(face?.imports),
    );
    assert.ok(
      sources.some(({ path, texts }) => path === 'cli/engines/containerd/facts.ts' && texts.some(({ text }) => text === 'containerd')),
    );
  });

  for (const row of enginePlugins()) {
    it(`${row.name}: nothing outside imports its files, and the registry its face alone`, () => {
      const importing = sources.filter(({ path }) => !path.startsWith(folderOf(row)) && !isExcepted(path, row));
      const wrong = importing.flatMap(({ path, imports }) =>
        imports
          .filter(({ to }) => to.startsWith(folderOf(row)) && !(path === registry && to === `${folderOf(row)}index.ts`))
          .map(({ to }) => `${path} imports ${to}`),
      );

      assert.deepEqual(wrong, []);
    });

    it(`${row.name}: no text outside is its name, unit or program, or a path of its own`, () => {
      const { words, paths } = known(row);
      const others = sources.filter(({ path }) => !path.startsWith(folderOf(row)) && !isExcepted(path, row));
      const wrong = others.flatMap(({ path, texts }) =>
        texts
          .filter(({ text }) => words.includes(text) || isProgram(text, row) || paths.some((own) => `${text}/`.startsWith(`${own}/`)))
          .map(({ text, line }) => `${path}:${line}: ${text}`),
      );

      assert.deepEqual(wrong, []);
    });
  }

  it('there are at most three exceptions, and each one is needed', () => {
    const needed = exceptions.filter(({ path, names }) => {
      const row = enginePlugins().find(({ name }) => name === names);
      const source = sources.find((each) => each.path === path);
      return (
        source?.imports.some(({ to }) => to.startsWith(folderOf(row!))) || source?.texts.some(({ text }) => posix.basename(text) === names)
      );
    });

    assert.ok(exceptions.length <= 3);
    assert.deepEqual(needed, exceptions);
    assert.ok(exceptions.every(({ reason }) => reason.length > 20));
  });
});
