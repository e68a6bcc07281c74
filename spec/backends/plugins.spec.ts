import assert from 'node:assert/strict';
import { backendNames, backendOf } from '../../cli/backends/index.ts';
import { readSources, type SourceFacts } from '../support/sources.ts';

/** Files that gather the folders: backends, their data, their kinds of steps, and the paths that they take. */
const registries = ['index.ts', 'ownPaths.ts', 'registry.ts', 'stepKinds.ts'].map((name) => `cli/backends/${name}`);

/** The third exception, beside the two of engines (spec/engines/plugins.spec.ts). */
const exception = {
  path: 'cli/store/types.ts',
  reason: 'backends read generations: a record that names another one is damaged, and is not read',
};

/** The same word for something else. */
const homonyms: { word: string; folder: string; means: string }[] = [
  { word: 'baked', folder: 'cli/generate/', means: 'a form of generate' },
  { word: 'baked', folder: 'cli/commands/table/preparing.ts', means: 'a form of generate' },
  { word: 'baked', folder: 'cli/commands/verbs/generate.ts', means: 'a form of generate' },
  { word: 'overlay', folder: 'cli/facts/mounts.ts', means: 'a type of file system' },
];

const backends = backendNames.filter((name) => name !== 'auto').map(backendOf);

describe('backends: what knows a backend is in its folder', () => {
  let sources: SourceFacts[] = [];
  before(function () {
    this.timeout(300_000);
    sources = readSources();
  });

  for (const { name, units } of backends) {
    const own = `cli/backends/${name}/`;

    it(`${name}: nothing but a registry of backends imports its files`, () => {
      const wrong = sources
        .filter(({ path }) => !path.startsWith(own) && !registries.includes(path))
        .flatMap(({ path, imports }) => imports.filter(({ to }) => to.startsWith(own)).map(({ to }) => `${path} imports ${to}`));

      assert.deepEqual(wrong, []);
    });

    it(`${name}: no text outside is its name or a unit of its own`, () => {
      const words = [name, ...units];
      const isElsewhere = (path: string, text: string) => homonyms.some(({ word, folder }) => word === text && path.startsWith(folder));
      const wrong = sources
        .filter(({ path }) => !path.startsWith(own) && path !== exception.path)
        .flatMap(({ path, texts }) =>
          texts.filter(({ text }) => words.includes(text) && !isElsewhere(path, text)).map(({ text, line }) => `${path}:${line}: ${text}`),
        );

      assert.deepEqual(wrong, []);
    });
  }

  it('the kinds of steps that backends have are named by no other folder', () => {
    const kinds = ['refresh'];
    const wrong = sources
      .filter(({ path }) => !path.startsWith('cli/backends/'))
      .flatMap(({ path, texts }) => texts.filter(({ text }) => kinds.includes(text)).map(({ line }) => `${path}:${line}`));

    assert.deepEqual(wrong, []);
  });

  it('the exception and every homonym are needed', () => {
    const says = (path: string, word: string) =>
      sources.some((source) => source.path.startsWith(path) && source.texts.some(({ text }) => text === word));
    const needless = homonyms.filter(({ word, folder }) => !says(folder, word));

    assert.ok(says(exception.path, 'sysext'));
    assert.deepEqual(needless, []);
  });
});
