import assert from 'node:assert/strict';
import { join } from 'node:path';
import { sourcePlaces } from '../../cli/store/index.ts';

const source = (name: string) => ({ name, digest: `sha256:${'0'.repeat(64)}` as const, sizeBytes: 1 });

describe('where the sources of a generation lie', () => {
  it('what is still there has its path; what is gone, or was never noted, one to be filled in', () => {
    const here = join(import.meta.dirname, 'sources.spec.ts');
    const sources = [source('a.tar'), source('b.tar')];

    const places = sourcePlaces({ sources, sourcePaths: [here, '/nowhere/b.tar'] });
    const early = sourcePlaces({ sources });

    assert.deepEqual(places, [here, '/PATH/TO/b.tar']);
    assert.deepEqual(early, ['/PATH/TO/a.tar', '/PATH/TO/b.tar']);
  });
});
