import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { addedToTemp, hasOtherRun, leftIn, namesInTemp } from '../../scripts/tempFolders.ts';
import { textFiles } from '../support/textFiles.ts';

describe('what tests leave behind', () => {
  const texts = textFiles();
  const make = (name: string) => mkdirSync(join(texts.folder, name));

  it('in the temporary folder of the machine is what is new and stays; another run of tests is none', async () => {
    make('kata-sysext-before');
    const before = namesInTemp(texts.folder);
    for (const name of ['kata-sysext-new', 'kata-sysext-tests-abc', 'kata-sysext-mocha-abc', 'foreign']) make(name);

    const added = await addedToTemp(before, texts.folder, 50);

    assert.deepEqual([before, added], [['kata-sysext-before'], ['kata-sysext-new']]);
  });

  it('may be of another run of tests, which is told from the own one', () => {
    for (const name of ['kata-sysext-tests-own', 'alone', 'alone/kata-sysext-tests-own']) make(name);

    const others = [
      hasOtherRun('/x/kata-sysext-tests-own', texts.folder),
      hasOtherRun('/x/kata-sysext-tests-own', join(texts.folder, 'alone')),
    ];

    assert.deepEqual(others, [true, false]);
  });

  it('is not what goes while it is looked at', async () => {
    make('kata-sysext-passing');

    const looking = addedToTemp([], texts.folder, 250_000);
    for (const name of namesInTemp(texts.folder)) rmSync(join(texts.folder, name), { recursive: true });

    assert.deepEqual(await looking, []);
  });

  it('in the temporary folder of a tier is everything but the cache of the loader', () => {
    for (const name of ['own', 'own/tsx-0', 'own/node-compile-cache', 'own/tsx-data', 'own/.hidden']) make(name);

    const left = leftIn(join(texts.folder, 'own'));

    assert.deepEqual(left.sort(), ['.hidden', 'tsx-data']);
  });
});
